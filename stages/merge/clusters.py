"""Labels: checked, sorted into clusters, and renumbered after a stage."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from stages.arrays.partition import connected, relabel
from stages.errors import DbcError
from stages.typing import Int64Array


def parse_labels(labels: NDArray[Any], *, n_samples: int) -> Int64Array:
    """`labels` as (n_samples,) int64; raises DbcError unless they are integers that use each of 0..K−1."""
    if isinstance(labels, np.ma.MaskedArray):
        raise DbcError("labels must be an array without a mask, got NumPy's MaskedArray; leave out what is masked")
    if labels.ndim != 1 or labels.shape[0] != n_samples:
        raise DbcError(
            f"labels must have shape ({n_samples},), one for each row of features, got {labels.shape}; "
            "take features and clusters of one dataset"
        )
    if not np.issubdtype(labels.dtype, np.integer):
        raise DbcError(f"labels must be integers 0..K−1, got {labels.dtype}; renumber them")
    lowest, highest = int(labels.min()), int(labels.max())
    if lowest != 0 or highest >= n_samples or not np.bincount(labels).all():
        n_used = np.unique(labels).size
        raise DbcError(f"labels must use each of 0..K−1, got {n_used} values from {lowest} to {highest}; renumber them")
    return labels.astype(np.int64)


def members_by_cluster(labels: Int64Array) -> tuple[Int64Array, Int64Array, Int64Array]:
    """(order, starts, stops): the members of cluster c are order[starts[c]:stops[c]], in ascending order.

    `order` (n,), `starts` and `stops` (K,), int64.
    """
    order = np.argsort(labels, kind="stable").astype(np.int64)
    stops = np.cumsum(np.bincount(labels)).astype(np.int64)
    return order, np.concatenate([[0], stops[:-1]]).astype(np.int64), stops


def labels_after(labels: Int64Array, merges: Int64Array) -> Int64Array:
    """The labels (n,) after each pair of `merges` (m, 2), by these labels, is merged."""
    return relabel(connected(int(labels.max()) + 1, merges)[labels])


def root_of(parent: NDArray[Any], node: int) -> int:
    """The root of `node` in the forest `parent` (n,), shortening the path it takes."""
    while parent[node] != node:
        parent[node] = parent[parent[node]]
        node = parent[node]
    return int(node)
