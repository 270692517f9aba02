"""The measures of the stages that a run holds: reads features and clusters, writes nothing."""

from __future__ import annotations

import numpy as np

from schemas.parameters import MergeParameters
from schemas.stage_names import INIT_STAGE
from stages.errors import MemoryLimitError
from stages.features.prepared import compared_features, penalised_cameras
from stages.loop.choice.measures import StageMeasures, measure
from stages.loop.choice.separation import by_dispersions, separation, tells
from stages.loop.choice.without_training import merging_alone
from stages.reporting import Silent
from stages.runs.lineage import dataset_of, newest_features, require_same_dataset
from stages.runs.run_directory import RunDirectory, clusters_manifest, features_manifest
from stages.runs.store import Artifact
from stages.typing import Float32Array

SAMPLING_SEED = 0
"""Which samples stand for all of them in the silhouettes of a large set."""


def merging_alone_of(run: RunDirectory, stage: int) -> list[StageMeasures]:
    """The measures of stages 1 to `stage` had nothing been trained: the initial features, merged as that stage was.

    DbcError where there are no features of stage init of the data set.
    """
    clusters, features = run.require("clusters", stage), run.require("features", INIT_STAGE)
    dataset = dataset_of(run, features)
    require_same_dataset(clusters, dataset)
    parameters = clusters_manifest(clusters).parameters
    camid = penalised_cameras(dataset, parameters)
    rows = compared_features(features, dataset, parameters)
    return merging_alone(rows, parameters, n_stages=stage, sampling_seed=SAMPLING_SEED, camid=camid)


def measured_stages(run: RunDirectory) -> list[int]:
    """The stages that can be measured: those with clusters, ascending."""
    return run.stages("clusters")


def is_trained(run: RunDirectory, stage: int) -> bool:
    """Whether `stage` is measured under features that were trained, not under those of stage init."""
    return features_manifest(newest_features(run, stage, Silent())).summary.stage != INIT_STAGE


class Compared:
    """Train features as merges compare them, and how well they separate clusters, kept until others are asked for.

    Stages without training hand their features on: those are whitened and merged anew once. `memory_limit` in bytes, as of
    `compared_features`.
    """

    def __init__(self, *, memory_limit: int | None = None) -> None:
        self._memory_limit = memory_limit
        self._key: tuple[object, ...] = ()
        self._rows: Float32Array | None = None
        self._separation: tuple[object, float] = (None, float("nan"))

    def read(self, features: Artifact, dataset: Artifact, parameters: MergeParameters) -> Float32Array:
        """What `compared_features` gives; not to be changed."""
        pooled = features.manifest.arrays["pooled"].sha256
        key = (pooled, dataset.manifest.id, parameters.camera, parameters.whiten)
        if self._rows is None or key != self._key:
            self._key = key
            self._rows = compared_features(features, dataset, parameters, memory_limit=self._memory_limit)
        return self._rows

    def separation(self, features: Artifact, dataset: Artifact, parameters: MergeParameters) -> float:
        """How well features separate clusters, merged anew by `parameters`; NaN where that tells nothing or memory lacks."""
        if not tells(parameters):
            return float("nan")
        rows = self.read(features, dataset, parameters)
        key = (self._key, by_dispersions(parameters))
        if self._separation[0] != key:
            self._separation = (key, self._separates(rows, dataset, parameters))
        return self._separation[1]

    def _separates(self, rows: Float32Array, dataset: Artifact, parameters: MergeParameters) -> float:
        camid = penalised_cameras(dataset, parameters)
        try:
            return separation(
                rows, parameters, sampling_seed=SAMPLING_SEED, camid=camid, memory_limit=self._memory_limit
            )
        except MemoryLimitError:
            # a run that merges within its limit by another update is not to end for what only looks at it
            return float("nan")


def measure_stage(run: RunDirectory, stage: int, *, compared: Compared | None = None) -> StageMeasures:
    """The measures of `stage` from 1, under its own features or, where it was never extracted, the newest before.

    Features are centred by camera and whitened as its merge was told to, or found so in `compared`. DbcError where
    clusters or features are missing or do not belong together.
    """
    clusters = run.require("clusters", stage)
    features = newest_features(run, stage, Silent())
    dataset = dataset_of(run, features)
    require_same_dataset(clusters, dataset)
    labels = clusters.read("labels")
    parameters = clusters_manifest(clusters).parameters
    compared = compared or Compared()
    rows, separates = compared.read(features, dataset, parameters), compared.separation(features, dataset, parameters)
    return measure(
        rows,
        labels,
        stage=stage,
        generator=np.random.default_rng(SAMPLING_SEED),
        separation=separates,
    )
