"""Pairs of clusters by their Jaccard D: those that share neighbours, which are stored, and the many that share none."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterator

import numpy as np
from scipy import sparse

from stages.merge.selection.criteria.dispersion import DispersionCriterion
from stages.typing import Float64Array, Int64Array

WEIGHT_GRID = 2.0**-40
"""λ·d_a is rounded to multiples of it, so that 1 + λ (d_a + d_b) is exact and equal sums tie exactly."""

Pair = tuple[float, int, int]
"""(D, smaller label, larger label)."""


weighted_distance = DispersionCriterion(lambda_=1.0).distance
"""D from d_ab and the weights of both clusters, of which λ is part already."""


def penalties_of(own_sums: Float64Array, counts: Float64Array, criterion: DispersionCriterion) -> Float64Array:
    """d_a (K,): the sum of distances over ordered pairs of members, n_a² less the similarities, by n_a or n_a²."""
    squares = counts * counts
    return (squares - own_sums) / (counts if criterion.normalizer == "n" else squares)


def weights_of(penalties: Float64Array, criterion: DispersionCriterion) -> Float64Array:
    """λ·d_a (K,) on the grid."""
    weights: Float64Array = np.rint(criterion.weights(penalties) / WEIGHT_GRID) * WEIGHT_GRID
    return weights


def stored_pairs(sums: sparse.csr_matrix, counts: Float64Array, weights: Float64Array) -> Iterator[Pair]:
    """The pairs that `sums` (K, K) holds, ascending."""
    upper = sparse.coo_matrix(sparse.triu(sums, k=1))
    first, second = upper.row.astype(np.int64), upper.col.astype(np.int64)
    distance = weighted_distance(1 - upper.data / (counts[first] * counts[second]), weights[first], weights[second])
    order = np.lexsort((second, first, distance))
    for start in range(0, len(order), 1 << 14):
        part = order[start : start + (1 << 14)]
        yield from zip(distance[part].tolist(), first[part].tolist(), second[part].tolist(), strict=True)


def distant_pairs(labels: Int64Array, weights: Float64Array, near: Callable[[int], Int64Array]) -> Iterator[Pair]:
    """Pairs of `labels` (K,), with D = 1 + w_a + w_b of their `weights` (K,), ascending by (D, a, b), none in `near(a)`.

    Every cluster goes through those after it in the order of (w, label), in which its keys ascend; a heap has the next of
    each. Exact sums make the order of D that of the weights.
    """
    order = np.lexsort((labels, weights))
    label, weight = labels[order].tolist(), weights[order].tolist()
    known: dict[int, set[int]] = {}

    def key(i: int, j: int) -> tuple[float, int, int, int, int]:
        a, b = label[i], label[j]
        return (weighted_distance(1, weight[i], weight[j]), min(a, b), max(a, b), i, j)

    heads = [key(i, i + 1) for i in range(len(label) - 1)]
    heapq.heapify(heads)
    while heads:
        value, a, b, i, j = heads[0]
        if j + 1 < len(label):
            heapq.heapreplace(heads, key(i, j + 1))
        else:
            heapq.heappop(heads)
        if a not in known:
            known[a] = set(near(a).tolist())
        if b not in known[a]:
            yield value, a, b
