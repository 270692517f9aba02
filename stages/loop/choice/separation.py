"""How well features separate clusters at all, whatever the clusters of their stage: merged anew, looked at on the way."""

from __future__ import annotations

import numpy as np

from schemas.choices import PUBLISHED_LAMBDA
from schemas.parameters import MergeParameters
from stages.arrays.silhouette import SAMPLE_LIMIT, drawn
from stages.loop.choice.silhouettes import ClusterMeans, cluster_silhouette
from stages.merge.by_parameters import merge_as
from stages.merge.clusters import labels_after
from stages.merge.schedule import initial_labels
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

    Merges are those of `by_dispersions(parameters)`, ranked again after each; shared cameras of `camid` (n,), where given, are
    penalised. Of more than `merge_limit` samples so many are drawn by `sampling_seed`. Raises what merging does.
    """
    if len(features) < 3:
        return float("nan")
    generator = np.random.default_rng(sampling_seed)
    chosen = drawn(len(features), merge_limit, generator)
    rows, camid = features[chosen], None if camid is None else camid[chosen]
    stops = sorted({len(rows) - max(2, round(len(rows) / size)) for size in MEAN_SIZES} - {0})
    alone = initial_labels(len(rows))
    merged = merge_as(by_dispersions(parameters), rows, alone, stops[-1], camid=camid, memory_limit=memory_limit)
    found = []
    for stop in stops:
        clusters = ClusterMeans.of(rows, labels_after(alone, merged.merges[:stop]))
        found.append(cluster_silhouette(clusters, drawn(len(rows), SAMPLE_LIMIT, generator)))
    return max(found)


def by_dispersions(parameters: MergeParameters) -> MergeParameters:
    """How `separation` merges: by the dispersions of `parameters`, one after the other, from singletons.

    k-reciprocal neighbours take minutes where dispersions take seconds; a run that merges by them is looked at by squared
    distances and λ = 0.1.
    """
    changes: dict[str, object] = {"update": "exact", "start": "previous", "merge_percent": 0.5}
    if parameters.metric == "jaccard":
        changes |= {"lambda_": PUBLISHED_LAMBDA["dbc"], "metric": "sqeuclidean", "intra_normalizer": "n2"}
    return parameters.model_copy(update=changes)


def tells(parameters: MergeParameters) -> bool:
    """Whether `separation` says which features tell identities apart: where merges are those of whitened dispersions.

    On features as they are, and by nearest pairs, it also rose where training did harm (benchmarks/RESULTS.md).
    """
    return parameters.whiten > 0 and parameters.criterion == "dbc"
