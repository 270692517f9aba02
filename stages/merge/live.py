"""Clusters that merge one at a time: the dispersions of a new cluster, from what its parents hold.

Each kind answers with the canonical value, the one a `Table` made afresh of the merged clusters would give, because
the sums it adds are exact.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from stages.backend import to_host
from stages.merge.criterion import Criterion
from stages.merge.exact_sums import halving_sum, split_on_grids
from stages.merge.samples import Frame
from stages.merge.table import Table
from stages.typing import Array, Float64Array, Int64Array


class LiveClusters(Protocol):
    """K clusters by label; after `merge(a, b)`, a is the merged cluster and b is gone."""

    def inter(self, a: int, others: Int64Array) -> Float64Array:
        """d_ax for x in `others` (P,)."""

    def merge(self, a: int, b: int) -> float:
        """Move b's members to a; returns a's new Σ dist over ordered pairs, divided by n_a² (0 where unused)."""


@dataclass
class _Content:
    total: Array
    high: float
    low: float
    count: float
    mean: Array
    variance: float


class LiveMeans:
    """`sqeuclidean` and `cosine`: contents add up; only clusters that merged are held."""

    def __init__(self, table: Table, frame: Frame):
        self._table, self._frame = table, frame
        self._scale = 0.5 if table.metric == "cosine" else 1.0
        self._variances = table.variances()
        self._merged: dict[int, _Content] = {}

    def inter(self, a: int, others: Int64Array) -> Float64Array:
        """See `LiveClusters`."""
        means = self._table.means(np.asarray(others))
        variances = self._variances[others]
        for i, x in enumerate(others.tolist()):
            if x in self._merged:
                means[i, :], variances[i] = self._merged[x].mean, self._merged[x].variance
        own = self._merged.get(a)
        mean = own.mean if own else self._table.means(np.array([a]))[0, :]
        variance = own.variance if own else self._variances[a]
        difference = means - mean
        spread = to_host(halving_sum(difference * difference))
        result: Float64Array = self._scale * ((variances + variance) + spread)
        return result

    def merge(self, a: int, b: int) -> float:
        """See `LiveClusters`."""
        first, second = self._content(a), self._content(b)
        total = first.total + second.total
        high, low = first.high + second.high, first.low + second.low
        count = first.count + second.count
        mean = total / count
        own = split_on_grids(
            halving_sum((mean * mean)[None, :]), bound=self._frame.norm_bound, n_terms=self._frame.n_samples
        )
        variance = max(0.0, (high / count + low / count) - float(own[0][0] + own[1][0]))
        self._merged[a] = _Content(total, high, low, count, mean, variance)
        self._merged.pop(b, None)
        return 2.0 * self._scale * variance

    def _content(self, cluster: int) -> _Content:
        if cluster in self._merged:
            return self._merged[cluster]
        total, high, low = self._table.contents(cluster)
        return _Content(total, high, low, float(self._table.members.counts[cluster]), total, 0.0)


class LiveBlocks:
    """`euclidean`: sums of sample distances between the table's clusters that make up the live ones."""

    def __init__(self, table: Table):
        self._table = table
        self._counts = table.members.counts
        self._parts: dict[int, Int64Array] = {}
        self._own: dict[int, tuple[float, float]] = {}

    def inter(self, a: int, others: Int64Array) -> Float64Array:
        """See `LiveClusters`."""
        result = np.empty(len(others))
        for i, x in enumerate(others.tolist()):
            high, low = self._between(a, x)
            weight = float(self._size(a) * self._size(x))
            result[i] = high / weight + low / weight
        return result

    def merge(self, a: int, b: int) -> float:
        """See `LiveClusters`."""
        cross, own_a, own_b = self._between(a, b), self._within(a), self._within(b)
        high, low = (own_a[i] + own_b[i] + 2.0 * cross[i] for i in (0, 1))
        self._parts[a] = np.concatenate([self._of(a), self._of(b)])
        self._own[a] = (high, low)
        square = float(self._size(a) ** 2)
        return high / square + low / square

    def _of(self, cluster: int) -> Int64Array:
        return self._parts.get(cluster, np.array([cluster], dtype=np.int64))

    def _size(self, cluster: int) -> int:
        return int(self._counts[self._of(cluster)].sum())

    def _between(self, a: int, b: int) -> tuple[float, float]:
        first, second = self._of(a), self._of(b)
        high, low = self._table.blocks(np.repeat(first, len(second)), np.tile(second, len(first)))
        return float(high.sum()), float(low.sum())

    def _within(self, cluster: int) -> tuple[float, float]:
        if cluster not in self._own:
            self._own[cluster] = self._between(cluster, cluster)
        return self._own[cluster]


class LiveNearest:
    """Minimum linkage under any metric: `singles` is a table of single samples, `members` its rows of each cluster."""

    def __init__(self, singles: Table, members: list[Int64Array]):
        self._singles, self._members = singles, dict(enumerate(members))

    def inter(self, a: int, others: Int64Array) -> Float64Array:
        """See `LiveClusters`."""
        own, result = self._members[a], np.empty(len(others))
        for i, x in enumerate(others.tolist()):
            rows = self._members[x]
            result[i] = self._singles.inter(np.repeat(own, len(rows)), np.tile(rows, len(own))).min()
        return result

    def merge(self, a: int, b: int) -> float:
        """See `LiveClusters`."""
        self._members[a] = np.concatenate([self._members[a], self._members.pop(b)])
        return 0.0


@dataclass
class LiveState:
    """Sizes and penalties of live clusters beside their distances: all that D needs."""

    clusters: LiveClusters
    criterion: Criterion
    counts: Float64Array
    penalties: Float64Array

    def ranks(self, a: int, others: Int64Array) -> tuple[Float64Array, Float64Array]:
        """(D, d) (P,) of a with each of `others`."""
        inter = self.clusters.inter(a, others)
        return inter + self.criterion.lambda_ * (self.penalties[a] + self.penalties[others]), inter

    def merge(self, a: int, b: int) -> None:
        """b joins a."""
        ordered_mean = np.array([self.clusters.merge(a, b)])
        self.counts[a] += self.counts[b]
        self.penalties[a] = self.criterion.penalties(self.counts[a : a + 1], ordered_mean)[0]
