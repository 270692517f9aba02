"""The measures of the stages that a run holds: reads features and clusters, writes nothing."""

from __future__ import annotations

import numpy as np

from stages.compared import compared_features
from stages.lineage import dataset_of, newest_features, parent_of, require_same_dataset
from stages.reporting import Silent
from stages.run_directory import RunDirectory, clusters_manifest
from stages.select.measures import StageMeasures, measure
from stages.store import Artifact
from stages.typing import Int64Array

SAMPLING_SEED = 0
"""Which samples stand for all of them in the silhouettes of a large set."""


def measured_stages(run: RunDirectory) -> list[int]:
    """The stages that can be measured: those with clusters, ascending."""
    return run.stages("clusters")


def measure_stage(run: RunDirectory, stage: int) -> StageMeasures:
    """The measures of `stage` from 1, under its own features or, where it was never extracted, the newest before.

    Features are centred by camera and whitened as its merge was told to. DbcError where clusters or features are missing
    or do not belong together.
    """
    clusters = run.require("clusters", stage)
    features = newest_features(run, stage, Silent())
    dataset = dataset_of(run, features)
    require_same_dataset(clusters, dataset)
    labels = clusters.read("labels")
    return measure(
        compared_features(features, dataset, clusters_manifest(clusters).parameters),
        labels,
        stage=stage,
        previous=_previous(run, clusters, len(labels)),
        criterion=clusters.read("criterion"),
        generator=np.random.default_rng(SAMPLING_SEED),
    )


def _previous(run: RunDirectory, clusters: Artifact, n_samples: int) -> Int64Array:
    """The labels that a stage merged from: those of the clusters among its parents, else every sample its own."""
    parent = parent_of(clusters, "clusters")
    return np.arange(n_samples) if parent is None else run.resolve(parent).read("labels")
