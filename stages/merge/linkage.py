"""The dendrogram over all stages, as a SciPy linkage matrix that grows by the merges of each stage."""

from __future__ import annotations

import numpy as np

from stages.errors import DbcError
from stages.merge.clusters import relabel, root_of
from stages.merge.result import StageMerges
from stages.typing import Float64Array, Int64Array


def empty_linkage() -> Float64Array:
    """The linkage of stage 0, where nothing is merged yet: (0, 4) float64."""
    return np.empty((0, 4), dtype=np.float64)


def extend_linkage(linkage: Float64Array, previous_labels: Int64Array, result: StageMerges) -> Float64Array:
    """`linkage` (r, 4) with one row for each merge of `result`: (r + m, 4) float64, as SciPy writes it.

    Row i joins two SciPy clusters (the smaller id first; id < n is a sample, id n + j the cluster made by row j),
    at height D, into a cluster of the size in the last column. Heights need not ascend: features change between
    stages, and `stale` ranks with values from before the stage. `previous_labels` (n,) are the labels that `result`
    started from; raises DbcError where they are not the clusters of `linkage`.
    """
    n_samples = previous_labels.shape[0]
    ids = cluster_ids(linkage, n_samples)
    sizes = np.bincount(previous_labels)
    current = _one_id_per_cluster(ids, previous_labels)
    survivor = np.arange(current.size)
    rows: list[tuple[int, int, float, int]] = []
    for (a, b), height in zip(result.merges, result.criterion, strict=True):
        kept, gone = root_of(survivor, a), root_of(survivor, b)
        first, second = sorted((current[kept], current[gone]))
        survivor[gone] = kept
        sizes[kept] += sizes[gone]
        current[kept] = n_samples + linkage.shape[0] + len(rows)
        rows.append((first, second, height, sizes[kept]))
    return np.concatenate([linkage, np.array(rows, dtype=np.float64).reshape(-1, 4)])


def cluster_ids(linkage: Float64Array, n_samples: int) -> Int64Array:
    """The SciPy id (n_samples,) int64 of the cluster that holds each sample after all rows of `linkage` (r, 4)."""
    parent = np.arange(n_samples + linkage.shape[0])
    for row, (first, second) in enumerate(linkage[:, :2].astype(np.int64)):
        parent[first] = parent[second] = n_samples + row
    return np.array([root_of(parent, sample) for sample in range(n_samples)], dtype=np.int64)


def labels_of_linkage(linkage: Float64Array, n_samples: int) -> Int64Array:
    """The labels (n_samples,) int64 after all rows of `linkage` (r, 4), by each cluster's smallest sample index."""
    return relabel(cluster_ids(linkage, n_samples))


def _one_id_per_cluster(ids: Int64Array, labels: Int64Array) -> Int64Array:
    _, first = np.unique(labels, return_index=True)
    current = ids[first]
    if not np.array_equal(current[labels], ids) or np.unique(current).size != current.size:
        raise DbcError(
            f"the linkage makes {np.unique(ids).size} clusters and the labels {current.size}, or others, "
            "wanted the same partition; pass the labels and the linkage of one stage"
        )
    return current
