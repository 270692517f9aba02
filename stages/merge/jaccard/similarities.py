"""Jaccard similarities of all samples, found by processes that share the samples."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy import sparse

from stages.arrays.k_reciprocal import jaccard_similarity, k_reciprocal_encoding
from stages.arrays.neighbours import Neighbours, nearest_neighbours
from stages.processes import OneProcess, Processes
from stages.typing import Array


def own_samples(n_samples: int, processes: Processes) -> range:
    """The samples of this process: consecutive, and at most one more or fewer than any other has."""
    first, stop = (n_samples * rank // processes.size for rank in (processes.rank, processes.rank + 1))
    return range(first, stop)


def jaccard_similarities(
    features: Array,
    *,
    k1: int,
    k2: int,
    processes: Processes | None = None,
    report: Callable[[int], object] | None = None,
) -> sparse.csr_matrix:
    """One minus the Jaccard distance of every two samples: (n, n) float64 sparse, 1 on the diagonal, on `_grid`.

    `report(n)` is called for every n samples of this process twice: when their neighbours are found, and when compared.
    """
    processes = processes or OneProcess()
    n_samples = features.shape[0]
    samples = own_samples(n_samples, processes)
    own = nearest_neighbours(features, min(max(k1 + 1, k2), n_samples), samples=samples, report=report)
    encoding = k_reciprocal_encoding(features, _gathered_neighbours(own, processes), k1=k1, k2=k2)
    rows = jaccard_similarity(encoding[samples.start : samples.stop], encoding, report=report)
    similarity = _gathered_rows(rows, processes)
    similarity.setdiag(1.0)
    grid = _grid(similarity.nnz)
    similarity.data = np.rint(similarity.data / grid) * grid
    return similarity


def _gathered_neighbours(own: Neighbours, processes: Processes) -> Neighbours:
    """The neighbours of all samples, from those that each process found."""
    if processes.size == 1:
        return own
    k = own.index.shape[1]
    values = np.column_stack([own.index, own.squared_distance, own.farthest])
    everything = np.concatenate(processes.all_gather(values))
    return Neighbours(everything[:, :k].astype(np.int64), everything[:, k : 2 * k].copy(), everything[:, 2 * k].copy())


def _gathered_rows(own: sparse.csr_matrix, processes: Processes) -> sparse.csr_matrix:
    """The rows (n, n) of all processes, from `own` of each."""
    if processes.size == 1:
        return own
    n_stored = np.concatenate(processes.all_gather(np.diff(own.indptr).astype(np.float64)[:, None]))[:, 0]
    entries = np.concatenate(processes.all_gather(np.column_stack([own.indices, own.data])))
    indptr = np.concatenate([[0], np.cumsum(n_stored.astype(np.int64))])
    n_samples = own.shape[1]
    return sparse.csr_matrix(
        (entries[:, 1].copy(), entries[:, 0].astype(np.int64), indptr), shape=(n_samples, n_samples)
    )


def _grid(n_values: int) -> float:
    """The step of the grid on which a sum of `n_values` values up to 1 is exact in float64."""
    return float(2.0 ** (int(np.ceil(np.log2(max(n_values, 2)))) - 52))
