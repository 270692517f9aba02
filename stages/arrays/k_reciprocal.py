"""k-reciprocal encodings of samples, sparse, and the Jaccard distance between them.

Zhong et al., "Re-ranking Person Re-identification with k-reciprocal Encoding", CVPR 2017 (arXiv 1701.08398). Two samples
are k-reciprocal neighbours if each is among the other's k nearest; samples that share such neighbours are close.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from array_api_compat import array_namespace, device
from numpy.typing import NDArray
from scipy import sparse

from schemas.choices import PUBLISHED_K1, PUBLISHED_K2
from stages.arrays.backend import to_host
from stages.arrays.neighbours import Neighbours
from stages.arrays.similarity import exact_similarity_of_pairs
from stages.errors import DbcError
from stages.typing import Array, Float64Array

ENCODED_ROWS = 4096
"""Samples encoded at once."""

OVERLAP_PAIRS = 2**22
"""Products of a row block held at once while overlaps are summed."""

WEIGHT_QUANTUM = 2.0**-50
"""Weights are whole multiples of it, so that sums of them up to 2 are exact in any order, and distances symmetric."""


def k_reciprocal_encoding(
    features: Array, neighbours: Neighbours, *, k1: int = PUBLISHED_K1, k2: int = PUBLISHED_K2
) -> sparse.csr_matrix:
    """Encodings (n, n) float64 of L2-normalised `features` (n, d): rows sum to 1, weight on samples of the neighbourhood.

    `neighbours` holds at least min(max(k1 + 1, k2), n) of every sample. R(p, k): the samples q among the k nearest of p, p
    among the k nearest of q (both count themselves beside their k). R(p, k1) is joined by R(q, k1/2) for every q in it
    of which more than two thirds lie in R(p, k1); weights are exp(−d), d the squared distance divided
    by that of the farthest sample; the encoding of p is then the mean over its k2 nearest samples, itself included
    (k2 = 1: its own). Memory follows the number of neighbours, not n².
    """
    n, held = neighbours.index.shape
    wanted = min(max(k1 + 1, k2), n)
    if k1 < 1 or k2 < 1:
        raise DbcError(f"`k1` and `k2` must be at least 1, got {k1} and {k2}")
    if held < wanted:
        raise DbcError(
            f"`k1={k1}` and `k2={k2}` need {wanted} neighbours of each sample, got {held}; find more neighbours"
        )
    k2 = max(1, min(k2, held))
    reciprocal = _reciprocal(neighbours, k1 + 1)
    nearer = _reciprocal(neighbours, int(np.around(k1 / 2)) + 1)
    parts = [
        _encoded(features, neighbours, _expanded(reciprocal[rows], nearer), rows)
        for rows in (slice(start, min(start + ENCODED_ROWS, n)) for start in range(0, n, ENCODED_ROWS))
    ]
    encoding = sparse.csr_matrix(sparse.vstack([sparse.csr_matrix((0, n)), *parts]))
    if k2 > 1:
        encoding = sparse.csr_matrix(_membership(neighbours, k2) @ encoding)
    encoding.data = np.rint(encoding.data / (k2 * WEIGHT_QUANTUM)) * WEIGHT_QUANTUM
    return sparse.csr_matrix(encoding)


def jaccard_distance(left: sparse.csr_matrix, right: sparse.csr_matrix) -> Float64Array:
    """Jaccard distances (r, c) float64, 0 to 1, between encodings `left` (r, n) and `right` (c, n): dense, give blocks.

    1 − Σ min / Σ max over the n weights; rows sum to 1, so Σ max = 2 − Σ min.
    """
    overlap: Float64Array = _overlap(left, right).toarray()
    return np.maximum(1 - overlap / (2 - overlap), 0)


def jaccard_similarity(
    left: sparse.csr_matrix, right: sparse.csr_matrix, *, report: Callable[[int], object] | None = None
) -> sparse.csr_matrix:
    """One minus the Jaccard distance (r, c), sparse: only pairs that share a weight are stored; the others are 0.

    `report(n)` is called after every n rows.
    """
    overlap = _overlap(left, right, report=report)
    overlap.data = np.minimum(overlap.data / (2 - overlap.data), 1)
    return overlap


def _membership(neighbours: Neighbours, k: int) -> sparse.csr_matrix:
    """Ones (n, n) at the k nearest of each sample."""
    n, held = neighbours.index.shape
    k = min(k, held)
    index = np.sort(neighbours.index[:, :k], axis=1).ravel()
    return sparse.csr_matrix((np.ones(n * k), index, np.arange(n + 1) * k), shape=(n, n))


def _reciprocal(neighbours: Neighbours, k: int) -> sparse.csr_matrix:
    """Ones (n, n), symmetric, where each is among the k nearest of the other."""
    member = _membership(neighbours, k)
    return sparse.csr_matrix(member.multiply(member.T))


def _expanded(reciprocal: sparse.csr_matrix, nearer: sparse.csr_matrix) -> sparse.csr_matrix:
    """R(p, k1) and each R(q, k1/2) with q in R(p, k1) of which over two thirds lie in R(p, k1). Values have no meaning."""
    size = np.asarray(nearer.sum(axis=1)).ravel()
    shared = sparse.csr_matrix((reciprocal @ nearer).multiply(reciprocal))
    shared.data = (3 * shared.data > 2 * size[shared.indices]).astype(np.float64)
    return sparse.csr_matrix(reciprocal + shared @ nearer)


def _encoded(features: Array, neighbours: Neighbours, members: sparse.csr_matrix, rows: slice) -> sparse.csr_matrix:
    """Weights exp(−d) of the `members` of each of `rows`, summing to 1 a row."""
    members.eliminate_zeros()
    members.sort_indices()
    n_members = np.diff(members.indptr)
    row = np.repeat(np.arange(rows.start, rows.stop), n_members)
    distance = 2 - 2 * _similarity(features, row, members.indices.astype(np.int64))
    distance[row == members.indices] = 0.0
    farthest = neighbours.farthest[row]
    distance = np.divide(distance, farthest, out=np.zeros_like(distance), where=farthest > 0)
    weight = np.exp(-distance)
    weight /= np.repeat(np.add.reduceat(weight, members.indptr[:-1].astype(np.int64)), n_members)
    return sparse.csr_matrix((weight, members.indices, members.indptr), shape=members.shape)


def _similarity(features: Array, row: NDArray[np.int64], column: NDArray[np.int64]) -> Float64Array:
    """Exact similarity (n_pairs) of the samples `row` and `column`, on the host."""
    xp, there = array_namespace(features), device(features)
    places = (xp.asarray(index, device=there) for index in (row, column))
    return to_host(exact_similarity_of_pairs(features, features, *places))


def _overlap(
    left: sparse.csr_matrix, right: sparse.csr_matrix, *, report: Callable[[int], object] | None = None
) -> sparse.csr_matrix:
    """Σ min over the weights (r, c) of `left` (r, n) and `right` (c, n), sparse.

    Each weight of a left row meets the right rows that have one at the same place. The meetings of a block of rows are
    written out flat; where there are more than `OVERLAP_PAIRS` a block is one row.
    """
    by_place = sparse.csc_matrix(right)
    n_meetings = np.diff(by_place.indptr)[left.indices]
    before = np.concatenate([[0], np.cumsum(n_meetings)])[left.indptr]
    parts = [sparse.csr_matrix((0, right.shape[0]))]
    start = 0
    while start < left.shape[0]:
        stop = max(start + 1, int(np.searchsorted(before, before[start] + OVERLAP_PAIRS, side="right")) - 1)
        parts.append(_overlap_block(left[start:stop], by_place))
        if report is not None:
            report(stop - start)
        start = stop
    return sparse.csr_matrix(sparse.vstack(parts))


def _overlap_block(left: sparse.csr_matrix, by_place: sparse.csc_matrix) -> sparse.csr_matrix:
    first, n_meetings = by_place.indptr[left.indices], np.diff(by_place.indptr)[left.indices]
    row = np.repeat(np.repeat(np.arange(left.shape[0]), np.diff(left.indptr)), n_meetings)
    entry = np.arange(len(row)) + np.repeat(first - (np.cumsum(n_meetings) - n_meetings), n_meetings)
    smaller = np.minimum(np.repeat(left.data, n_meetings), by_place.data[entry])
    shape = (left.shape[0], by_place.shape[0])
    overlap: sparse.csr_matrix = sparse.coo_matrix((smaller, (row, by_place.indices[entry])), shape=shape).tocsr()
    return overlap
