"""Clusters of a stage by a method that makes no merges: what it finds, as a merge stage without any."""

from __future__ import annotations

import importlib
from dataclasses import dataclass, field, replace

import numpy as np

from schemas.parameters import MergeParameters
from stages.arrays.partition import relabel
from stages.merge import clusterers
from stages.merge.result import StageMerges
from stages.merge.selection.walks import merges_array
from stages.processes import OneProcess, Processes
from stages.typing import Float32Array, Int32Array, Int64Array


@dataclass(frozen=True)
class Task:
    """What a clusterer is given: L2-normalised `features` (n, d), and by which `parameters`.

    `n_clusters` is how many the schedule has at this `stage`, for methods that need a number. `memory_limit` in bytes, None
    for 0.8 of what is available. `known` (n,) are labels that a person gave, −1 where unknown, and `camid` (n,) cameras; only
    methods that say so read them.
    """

    features: Float32Array
    parameters: MergeParameters
    n_clusters: int
    memory_limit: int | None = None
    processes: Processes = field(default_factory=OneProcess)
    stage: int = 1
    known: Int64Array | None = None
    camid: Int32Array | None = None


@dataclass(frozen=True)
class WeightedLabels:
    """What a clusterer may give in place of labels alone: `labels` (n,), −1 for none, and `weights` (n,) float32.

    A weight says how much the loss of its sample counts in training: in (0, 1], and 0 without a label.
    """

    labels: Int64Array
    weights: Float32Array


def cluster_as(task: Task) -> StageMerges:
    """The clusters by `task.parameters.clusterer`, which is not 'dbc': no merges, and outliers as clusters of their own.

    Where a method gives no label because it is not sure yet (its module says `TRAINS_ON_LABELLED`), training leaves the
    sample out.
    """
    method = importlib.import_module(f"{clusterers.__name__}.{task.parameters.clusterer}")
    found: Int64Array | WeightedLabels = method.cluster(task)
    labels, weights = (found.labels, found.weights) if isinstance(found, WeightedLabels) else (found, None)
    selected = labels >= 0 if getattr(method, "TRAINS_ON_LABELLED", False) else None
    return replace(without_merges(with_singletons(labels)), selected=selected, weights=weights)


def without_merges(labels: Int64Array) -> StageMerges:
    """The clusters `labels` (n,) as a merge stage without any merge."""
    return StageMerges.one_by_one(labels, merges_array([]), [])


def with_singletons(labels: Int64Array) -> Int64Array:
    """`labels` (n,) as 0..K−1 in order of each cluster's smallest index, every −1 as a cluster of its own."""
    outliers = np.flatnonzero(labels < 0)
    own = labels.astype(np.int64)
    own[outliers] = int(labels.max(initial=-1)) + 1 + np.arange(len(outliers))
    return relabel(own)
