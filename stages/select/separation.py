"""How well features separate clusters at all, whatever the clusters of their stage: merged anew, looked at on the way."""

from __future__ import annotations

import numpy as np

from schemas.parameters import MergeParameters
from stages.merge.clusters import labels_after
from stages.merge.parametrised import merge_as
from stages.merge.schedule import initial_labels
from stages.select.silhouettes import ClusterMeans, cluster_silhouette
from stages.silhouette import SAMPLE_LIMIT, drawn
from stages.typing import Float32Array, Int32Array

MEAN_SIZES = (1.5, 2, 3, 4, 6, 8, 12, 16)
"""Samples a cluster has on average where the silhouette is looked at."""
MERGE_LIMIT = 20_000
"""Samples that are merged at most: more would take longer than the training of a stage."""


def separation(
    features: Float32Array,
    parameters: MergeParameters,
    *,
    sampling_seed: int,
    camid: Int32Array | None = None,
    memory_limit: int | None = None,
    merge_limit: int = MERGE_LIMIT,
) -> float:
    """The largest cluster-silhouette that merging `features` (n, d) anew reaches at the `MEAN_SIZES`; NaN below 3 samples.

    By the criterion and metric of `parameters`, ranked again after every merge; shared cameras of `camid` (n,), where given,
    are penalised. Of more than `merge_limit` samples so many are drawn by `sampling_seed`. Raises what merging does.
    """
    generator = np.random.default_rng(sampling_seed)
    chosen = drawn(len(features), merge_limit, generator)
    rows, camid = features[chosen], None if camid is None else camid[chosen]
    stops = sorted({len(rows) - max(2, round(len(rows) / size)) for size in MEAN_SIZES} - {0})
    if len(rows) < 3:
        return float("nan")
    one_by_one, alone = parameters.model_copy(update={"update": "exact"}), initial_labels(len(rows))
    merges = merge_as(one_by_one, rows, alone, stops[-1], camid=camid, memory_limit=memory_limit).merges
    found = []
    for stop in stops:
        clusters, samples = (
            ClusterMeans.of(rows, labels_after(alone, merges[:stop])),
            drawn(len(rows), SAMPLE_LIMIT, generator),
        )
        found.append(cluster_silhouette(clusters, samples))
    return max(found)


def depends_on(parameters: MergeParameters) -> MergeParameters:
    """What `separation` reads of `parameters`: how a stage starts, stops and selects is put to one value."""
    return parameters.model_copy(update={"update": "exact", "start": "previous", "merge_percent": 0.5})
