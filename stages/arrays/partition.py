"""Partitions of samples: what pairs connect, the order of labels, and the members of each cluster."""

from __future__ import annotations

import numpy as np
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from stages.typing import Int64Array


def connected(n_samples: int, pairs: Int64Array) -> Int64Array:
    """The group (n_samples,) of every sample, from 0, where `pairs` (p, 2) are in one group, and what they reach."""
    graph = coo_matrix((np.ones(len(pairs)), pairs.T), shape=(n_samples, n_samples))
    return connected_components(graph, directed=False)[1].astype(np.int64)


def relabel(labels: Int64Array) -> Int64Array:
    """The same partition (n,) with labels 0..K−1 in order of each cluster's smallest sample index."""
    _, first, inverse = np.unique(labels, return_index=True, return_inverse=True)
    return np.argsort(np.argsort(first))[inverse].astype(np.int64)


def members_of(labels: Int64Array) -> list[Int64Array]:
    """The members of each of the clusters `labels` (n,), 0..K−1, ascending."""
    return np.split(np.argsort(labels, kind="stable"), np.cumsum(np.bincount(labels))[:-1])
