"""Exact merges under the Jaccard distance: sparse rows of sums that are joined, and the next pair ranked again."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterator

import numpy as np
from scipy import sparse

from stages.merge.jaccard.pairs import Pair, distant_pairs, penalties_of, stored_pairs, weighted_distance, weights_of
from stages.merge.result import StageMerges
from stages.merge.selection.criteria.dispersion import DispersionCriterion
from stages.merge.selection.links import Links
from stages.merge.selection.walks import merges_array
from stages.typing import Float64Array, Int64Array


def merge_one_by_one(
    sums: sparse.csr_matrix,
    labels: Int64Array,
    n_merges: int,
    *,
    criterion: DispersionCriterion,
    report: Callable[[int], object],
    links: Links | None = None,
) -> StageMerges:
    """The stage under `exact`: every merge has the smallest D of the current clusters; `sums` (K, K) of similarities, sorted.

    `report(1)` is called after every merge. With `links` as in `merge_once_ranked`.
    """
    clusters = _Clusters(sums, np.bincount(labels).astype(np.float64), criterion, links)
    individual = np.arange(len(sums.indptr) - 1) if links is None else links.individual
    merges, numbers = [], []
    for _ in range(n_merges):
        pair = clusters.next_pair()
        if pair is None:
            break
        value, a, b = pair
        merges.append((a, b) if links is None else links.individuals_now(a, b))
        follow = [] if links is None else links.join(a, b)
        numbers.append((value, *clusters.merge(a, b)))
        for other in follow:
            clusters.merge(*other)
        report(1)
    return StageMerges.one_by_one(individual[labels], merges_array(merges), numbers)


class _Clusters:
    """Clusters that merge: a row of similarity sums each, whose columns may be labels of absorbed clusters.

    Pairs of clusters that have not merged come from the sorted `start`, those of merged clusters from the heap `ranked`, in
    which an entry is valid while neither cluster has merged since.
    """

    def __init__(
        self, sums: sparse.csr_matrix, counts: Float64Array, criterion: DispersionCriterion, links: Links | None
    ) -> None:
        self._criterion, self._links = criterion, links
        self._counts, self._own = counts, sums.diagonal()
        self._penalties = penalties_of(self._own, counts, criterion)
        self._weights = weights_of(self._penalties, criterion)
        self._sums = sums
        self._joined: dict[int, tuple[Int64Array, Float64Array]] = {}
        self._parent = np.arange(len(counts))
        self._version = np.zeros(len(counts), dtype=np.int64)
        self._start: Iterator[Pair] = stored_pairs(sums, counts, self._weights)
        self._first = next(self._start, None)
        self._ranked: list[tuple[float, int, int, int, int]] = []

    def next_pair(self) -> Pair | None:
        """The pair with the smallest (D, a, b) of those that may merge; None if there is none."""
        near = self._nearest_stored()
        alive = np.flatnonzero(self._parent == np.arange(len(self._parent)))
        lightest = np.partition(self._weights[alive], 1)[:2]
        if near is not None and near[0] < weighted_distance(1, *lightest):
            return near
        distant = distant_pairs(alive, self._weights[alive], lambda a: self._row(a)[0])
        far = next((pair for pair in distant if self._may_merge(*pair[1:])), None)
        return min((pair for pair in (near, far) if pair is not None), default=None)

    def _may_merge(self, a: int, b: int) -> bool:
        return self._links is None or self._links.may_join(a, b)

    def merge(self, a: int, b: int) -> tuple[float, float, float, float, float]:
        """(d_ab, d_a, d_b, n_a, n_b) before b's members move to a, which they do."""
        columns, values = self._row(a)
        shared = float(values[columns == b].sum())
        counts = self._counts
        numbers = (1 - shared / (counts[a] * counts[b]), *self._penalties[[a, b]], counts[a], counts[b])
        other_columns, other_values = self._row(b)
        self._parent[b] = a
        self._joined[a] = (np.concatenate([columns, other_columns]), np.concatenate([values, other_values]))
        self._joined.pop(b, None)
        self._own[a] += self._own[b] + 2 * shared
        counts[a] += counts[b]
        self._version[[a, b]] += 1
        own, size = self._own[a : a + 1], counts[a : a + 1]
        self._penalties[a] = penalties_of(own, size, self._criterion)[0]
        self._weights[a] = weights_of(self._penalties[a : a + 1], self._criterion)[0]
        self._rank(a)
        return numbers

    def _rank(self, a: int) -> None:
        """Put all pairs of `a` that share neighbours on the heap."""
        columns, values = self._row(a)
        others = columns != a
        columns, values = columns[others], values[others]
        inter = 1 - values / (self._counts[a] * self._counts[columns])
        distance = weighted_distance(inter, self._weights[a], self._weights[columns])
        for value, c in zip(distance.tolist(), columns.tolist(), strict=True):
            first, second = min(a, c), max(a, c)
            entry = (value, first, second, int(self._version[first]), int(self._version[second]))
            heapq.heappush(self._ranked, entry)

    def _nearest_stored(self) -> Pair | None:
        while self._first is not None and not (
            self._may_merge(*self._first[1:]) and not self._version[[*self._first[1:]]].any()
        ):
            self._first = next(self._start, None)
        while self._ranked and not self._holds(self._ranked[0]):
            heapq.heappop(self._ranked)
        heads = [head for head in (self._first, *(entry[:3] for entry in self._ranked[:1])) if head is not None]
        return min(heads, default=None)

    def _holds(self, entry: tuple[float, int, int, int, int]) -> bool:
        _, first, second, first_version, second_version = entry
        is_current = self._version[first] == first_version and self._version[second] == second_version
        return bool(is_current) and self._may_merge(first, second)

    def _row(self, a: int) -> tuple[Int64Array, Float64Array]:
        """(labels, sums of similarities) of the current clusters that share neighbours with `a`, itself included."""
        if a in self._joined:
            columns, values = self._joined[a]
        else:
            span = slice(self._sums.indptr[a], self._sums.indptr[a + 1])
            columns, values = self._sums.indices[span].astype(np.int64), self._sums.data[span]
        present, place = np.unique(self._roots(columns), return_inverse=True)
        row = present, np.bincount(place, weights=values).astype(np.float64)
        self._joined[a] = row
        return row

    def _roots(self, columns: Int64Array) -> Int64Array:
        """The current clusters that `columns` (c,) are part of."""
        roots = columns
        while (self._parent[roots] != roots).any():
            roots = self._parent[roots]
        return roots
