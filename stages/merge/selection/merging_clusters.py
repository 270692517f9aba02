"""Clusters that merge one at a time: the dispersions of a new cluster, from the sums of its parents.

Every kind gives the canonical value, that of a new `Table` of the merged clusters, because the sums it adds are exact.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import array_api_compat
import numpy as np

from stages.arrays.exact_sums import grid_exponents
from stages.merge.selection.penalties import Penalties
from stages.merge.tables.canonical_rows import FeatureGrid
from stages.merge.tables.table import Carried, ClusterSlices, Table
from stages.typing import Array, Float64Array, Int64Array


class Dispersions(Protocol):
    """The distances of K clusters, by label; after `merge(a, b)`, a is the merged cluster and b is gone."""

    def inter(self, a: int, others: Int64Array) -> Float64Array:
        """d_ax for x in `others` (P,)."""

    def merge(self, a: int, b: int) -> float:
        """Move b's members to a; returns a's new Σ dist over ordered pairs, divided by n_a² (0 where unused)."""

    def table_of(self, members: ClusterSlices, old: Int64Array) -> Table | None:  # noqa: ARG002
        """The `Table` of the current clusters `members`, cluster c being old[c] here; None if it must be made anew."""
        return None


class MeanDispersions(Dispersions):
    """`sqeuclidean` and `cosine`: sums of members add up. Means are made when first asked for, and kept."""

    def __init__(self, table: Table, grid: FeatureGrid):
        self._table, self._grid = table, grid
        self._scale = 0.5 if table.metric == "cosine" else 1.0
        self._variances = table.variances.copy()
        self._counts = table.members.counts.astype(np.float64)
        self._contents: dict[int, tuple[Array, float, float]] = {}
        example = table.means(np.array([0]))
        xp = array_api_compat.array_namespace(example)
        self._means = xp.empty(
            (len(self._counts), example.shape[1]), dtype=xp.float64, device=array_api_compat.device(example)
        )
        self._has_mean = np.zeros(len(self._counts), dtype=bool)

    def inter(self, a: int, others: Int64Array) -> Float64Array:
        """See `Dispersions`."""
        unknown = others[~self._has_mean[others]]
        if not self._has_mean[a]:
            unknown = np.append(unknown, a)
        if len(unknown):
            self._keep_means(unknown)
            self._has_mean[unknown] = True
        spread = self._table.squared_distances(self._means, a, others)
        result: Float64Array = self._scale * ((self._variances[others] + self._variances[a]) + spread)
        return result

    def _keep_means(self, ids: Int64Array) -> None:
        means = self._table.means(ids)
        if isinstance(means, np.ndarray):
            self._means[ids] = means
            return
        for i, x in enumerate(ids.tolist()):
            self._means[x, :] = means[i, :]

    def merge(self, a: int, b: int) -> float:
        """See `Dispersions`."""
        first, second = self._content(a), self._content(b)
        total, high, low = (first[i] + second[i] for i in range(3))
        self._contents.pop(b, None)
        self._contents[a] = (total, high, low)
        self._counts[a] += self._counts[b]
        count = float(self._counts[a])
        mean = total / count
        self._means[a, :] = mean
        self._has_mean[a] = True
        own = self._on_two_grids(self._table.squared_norm(mean))
        self._variances[a] = max(0.0, (high / count + low / count) - own)
        return 2.0 * self._scale * float(self._variances[a])

    def table_of(self, members: ClusterSlices, old: Int64Array) -> Table | None:
        """See `Dispersions`."""
        contents = {new: self._contents[label] for new, label in enumerate(old.tolist()) if label in self._contents}
        return self._table.carry(members, Carried(old, self._variances[old], contents))

    def _content(self, cluster: int) -> tuple[Array, float, float]:
        return self._contents.get(cluster) or self._table.contents(cluster)

    def _on_two_grids(self, norm: float) -> float:
        """high + low of `split_on_grids`, of one number."""
        coarse, fine = grid_exponents(self._grid.norm_bound, self._grid.n_samples)
        high = round(norm * 2.0**coarse) * 2.0**-coarse
        return high + round((norm - high) * 2.0**fine) * 2.0**-fine


class BlockDispersions(Dispersions):
    """`euclidean`: a merged cluster is a list of the table's clusters, between which sums of sample distances add up."""

    def __init__(self, table: Table):
        self._table = table
        self._counts = table.members.counts
        self._parts: dict[int, Int64Array] = {}
        self._own: dict[int, tuple[float, float]] = {}

    def inter(self, a: int, others: Int64Array) -> Float64Array:
        """See `Dispersions`."""
        result = np.empty(len(others))
        for i, x in enumerate(others.tolist()):
            high, low = self._between(a, x)
            weight = float(self._size(a) * self._size(x))
            result[i] = high / weight + low / weight
        return result

    def merge(self, a: int, b: int) -> float:
        """See `Dispersions`."""
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


class MemberDispersions(Dispersions):
    """Single linkage under any metric: `singles` is a table of single samples, `members` its rows of each cluster."""

    def __init__(self, singles: Table, members: list[Int64Array]):
        self._singles, self._members = singles, dict(enumerate(members))

    def inter(self, a: int, others: Int64Array) -> Float64Array:
        """See `Dispersions`."""
        own, result = self._members[a], np.empty(len(others))
        for i, x in enumerate(others.tolist()):
            rows = self._members[x]
            result[i] = self._singles.inter(np.repeat(own, len(rows)), np.tile(rows, len(own))).min()
        return result

    def merge(self, a: int, b: int) -> float:
        """See `Dispersions`."""
        self._members[a] = np.concatenate([self._members[a], self._members.pop(b)])
        return 0.0


@dataclass
class MergingClusters:
    """Clusters that merge, with their dispersions and penalties: all that D needs."""

    dispersions: Dispersions
    penalties: Penalties

    def distance(self, a: int, others: Int64Array) -> Float64Array:
        """D (P,) of a with each of `others`."""
        return self.penalties.distance(self.dispersions.inter(a, others), np.full(len(others), a), others)

    def merge(self, a: int, b: int) -> None:
        """Let b's members join a."""
        self.penalties.merge(a, b, ordered_mean=self.dispersions.merge(a, b))
