"""The measures of the stages that a run holds: reads features and clusters, writes nothing."""

from __future__ import annotations

import numpy as np

from stages.data.samples import TRAIN
from stages.errors import DbcError
from stages.lineage import dataset_of, require_same_dataset
from stages.run_directory import RunDirectory
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

    DbcError where clusters or features are missing or do not belong together.
    """
    clusters = run.require("clusters", stage)
    features = run.newest_up_to("features", stage)
    if features is None:
        raise DbcError(f"{run.root}: no features up to stage {stage} found; make them with: dbc extract")
    dataset = dataset_of(run, features)
    require_same_dataset(clusters, dataset)
    labels = clusters.read("labels")
    return measure(
        features.read("pooled")[dataset.read("split") == TRAIN],
        labels,
        stage=stage,
        previous=_previous(run, clusters, len(labels)),
        criterion=clusters.read("criterion"),
        generator=np.random.default_rng(SAMPLING_SEED),
    )


def _previous(run: RunDirectory, clusters: Artifact, n_samples: int) -> Int64Array:
    """The labels that a stage merged from: those of the clusters among its parents, else every sample its own."""
    for parent in clusters.manifest.parents:
        if parent.kind == "clusters":
            return run.resolve(parent).read("labels")
    return np.arange(n_samples)
