"""Clusters on the CPU: compiled loops over features as they are stored, shared among threads."""

from __future__ import annotations

import copy
from collections.abc import Callable
from concurrent.futures import Executor

import numpy as np

from schemas.choices import SampleMetric
from stages.arrays.exact_sums import grid_exponents
from stages.arrays.finite import require_finite
from stages.arrays.screening_products import Product
from stages.merge.tables import compiled_quantise, compiled_rows, compiled_scan
from stages.merge.tables.canonical_rows import FeatureGrid, grid_of, no_direction, require_range
from stages.merge.tables.compiled_quantise import QuantisedRows
from stages.merge.tables.compiled_rows import GriddedRows
from stages.merge.tables.compiled_scan import Screen
from stages.merge.tables.host_screen import HostScreen, origin_of, quantised_rows
from stages.merge.tables.pair_screen import PairScreen, PairSource
from stages.merge.tables.table import Carried, ClusterSlices, SharedCamera, slack_of, slots_of
from stages.typing import Array, Float64Array, Int64Array

_CHUNK_ROWS = 256
_SUMMED_FROM = 3
"""Clusters of this many members or more keep their sums, at most n/3 rows; smaller means are quick to form."""


def host_grid(features: Array, *, metric: SampleMetric, threads: Executor) -> FeatureGrid:
    """The grid of `features` (n, d) float32 or float64, as `canonical_rows` finds it, in one pass."""
    n_samples, dim = features.shape
    chunks = _chunks(n_samples, 512)
    lowest = np.full((len(chunks), dim), np.inf, dtype=features.dtype)
    highest = np.full((len(chunks), dim), -np.inf, dtype=features.dtype)

    def ranges(i: int) -> int:
        return int(compiled_rows.column_ranges(features, *chunks[i], lowest[i], highest[i]))

    if sum(threads.map(ranges, range(len(chunks)))):
        require_finite(features)
    require_range(float(max(-lowest.min(), highest.max())))
    if metric == "cosine":
        lowest, highest = np.full((len(chunks), dim), np.inf), np.full((len(chunks), dim), -np.inf)

        def unit_ranges(i: int) -> int:
            return int(compiled_rows.unit_column_ranges(features, *chunks[i], lowest[i], highest[i]))

        if zeros := [row for row in threads.map(unit_ranges, range(len(chunks))) if row >= 0]:
            raise no_direction(min(zeros))
    return grid_of(lowest.min(axis=0).astype(np.float64), highest.max(axis=0).astype(np.float64), n_samples=n_samples)


class HostTable:
    """The `Table` of features in host memory; `pairs` screens if it is given, else `product` does, shared among `threads`."""

    def __init__(
        self,
        features: Array,
        grid: FeatureGrid,
        members: ClusterSlices,
        *,
        metric: SampleMetric,
        product: Callable[[int], Product],
        threads: Executor,
        pairs: PairSource | None = None,
    ):
        self.metric, self.members = metric, members
        self._grid, self._product, self._threads, self._pairs = grid, product, threads, pairs
        self._scale = 0.5 if metric == "cosine" else 1.0
        self._rows = _rows_of(features, grid, members, metric)
        counts = members.counts
        self._slot = slots_of(counts, fewest=_SUMMED_FROM)
        self._sums = np.empty((int(self._slot.max()) + 1, features.shape[1]))
        self._norms = np.zeros((len(counts), 2))
        self.variances = np.zeros(len(counts))
        if (counts > 1).any():
            self._over_chunks(
                len(counts),
                lambda first, stop: compiled_rows.summarise(
                    self._rows, first, stop, self._slot, self._sums, self._norms, self.variances
                ),
            )

    def carry(self, members: ClusterSlices, carried: Carried) -> HostTable:
        """See `Table`."""
        table = copy.copy(self)
        table.members = members
        table._rows = self._rows._replace(order=members.order, starts=members.starts, stops=members.stops)
        table._slot = slots_of(members.counts, fewest=_SUMMED_FROM)
        table._sums = np.empty((int(table._slot.max()) + 1, self._sums.shape[1]))
        table._norms, table.variances = self._norms[carried.old], carried.variances
        for cluster in np.flatnonzero((table._slot >= 0) & (self._slot[carried.old] >= 0)).tolist():
            table._sums[table._slot[cluster]] = self._sums[self._slot[carried.old[cluster]]]
        for cluster, (total, high, low) in carried.contents.items():
            table._norms[cluster] = high, low
            if table._slot[cluster] >= 0:
                table._sums[table._slot[cluster]] = total
        return table

    def ordered_means(self) -> Float64Array:
        """See `Table`."""
        if self.metric != "euclidean":
            return 2.0 * self._scale * self.variances
        result = np.zeros(len(self.variances))
        several = np.flatnonzero(self.members.counts > 1)
        squares = (self.members.counts[several] ** 2).astype(np.float64)
        halves = np.empty((2, len(several)))

        def fill(first: int, stop: int) -> None:
            halves[:, first:stop] = self.blocks(several[first:stop], several[first:stop])

        self._over_chunks(len(several), fill, size=8)
        result[several] = halves[0] / squares + halves[1] / squares
        return result

    def inter(self, first: Int64Array, second: Int64Array) -> Float64Array:
        """See `Table`."""
        if self.metric == "euclidean":
            weights = (self.members.counts[first] * self.members.counts[second]).astype(np.float64)
            high, low = self.blocks(first, second)
            return high / weights + low / weights
        result = np.empty(len(first))
        compiled_scan.mean_pairs(
            self._rows, self._slot, self._sums, self.variances, self._scale, first, second, len(first), result
        )
        return result

    def blocks(self, first: Int64Array, second: Int64Array) -> tuple[Float64Array, Float64Array]:
        """See `Table`."""
        high, low = np.empty(len(first)), np.empty(len(first))
        compiled_scan.block_pairs(self._rows, first, second, len(first), high, low)
        return high, low

    def means(self, ids: Int64Array) -> Array:
        """See `Table`."""
        ids, result = np.ascontiguousarray(ids), np.empty((len(ids), self._sums.shape[1]))

        def fill(first: int, stop: int) -> None:
            compiled_rows.means_of(self._rows, ids, first, stop, self._slot, self._sums, result)

        self._over_chunks(len(ids), fill)
        return result

    def squared_distances(self, rows: Array, a: int, others: Int64Array) -> Float64Array:
        """See `Table`."""
        result = np.empty(len(others))
        compiled_scan.row_distances(rows, a, others, result)
        return result

    def squared_norm(self, row: Array) -> float:
        """See `Table`."""
        return float(compiled_rows.squared_norm(row, np.empty(len(row))))

    def contents(self, cluster: int) -> tuple[Array, float, float]:
        """See `Table`."""
        if self._slot[cluster] >= 0:
            return self._sums[self._slot[cluster]], *self._norms[cluster].tolist()
        total, row, spare = (np.empty(self._sums.shape[1]) for _ in range(3))
        high, low = compiled_rows.cluster_sum(self._rows, cluster, total, row, spare)
        return total, high, low

    def screen(
        self, ids: Int64Array, weights: Float64Array, owner: Int64Array, shared: SharedCamera | None = None
    ) -> HostScreen | PairScreen:
        """See `Table`."""
        if self._pairs is not None:
            return self._pairs.screen(self.means, self.variances, self.members, ids, weights, owner, shared)
        n_rows, dim = len(ids), self._sums.shape[1]
        product = self._product(n_rows)
        origin = origin_of(self.means(ids[:: max(1, n_rows // 64)]).mean(axis=0), self._grid, self._rows.features)

        def fill(kind: int, rows: QuantisedRows) -> None:
            self._over_chunks(
                n_rows,
                lambda first, stop: compiled_quantise.quantise(
                    self._rows, ids, first, stop, self._slot, self._sums, origin, kind, rows
                ),
            )

        return self._screened(quantised_rows(n_rows, dim, product.storage, fill), ids, weights, owner, product)

    def _screened(
        self, quantised: QuantisedRows, ids: Int64Array, weights: Float64Array, owner: Int64Array, product: Product
    ) -> HostScreen:
        norm, length, residual = quantised.norm, quantised.length, quantised.residual
        size = length + residual
        slack = 4 * slack_of(self._grid, metric="sqeuclidean")
        is_root = self.metric == "euclidean"
        base = norm if is_root else self._scale * (self.variances[ids] + norm) + weights
        screen = Screen(
            unit=quantised.unit,
            size=size,
            length=length,
            own_residual=residual,
            residual=residual + product.error * size,
            base=base - slack - np.abs(base) * 2.0**-44,
            offset=weights,
            stored=quantised.stored,
            fine=quantised.fine,
            fine_residual=quantised.fine_residual,
            scale=self._scale,
            root=int(is_root),
        )
        return HostScreen(screen, owner, product, slack_of(self._grid, metric=self.metric))

    def _over_chunks(self, total: int, fill: Callable[[int, int], object], *, size: int = _CHUNK_ROWS) -> None:
        chunks = _chunks(total, size)
        # a single chunk ends sooner than a thread begins
        list((self._threads.map if len(chunks) > 1 else map)(lambda chunk: fill(*chunk), chunks))


def _rows_of(features: Array, grid: FeatureGrid, members: ClusterSlices, metric: SampleMetric) -> GriddedRows:
    if metric == "euclidean":
        exponents = grid_exponents(grid.distance_bound, grid.n_samples**2)
    else:
        exponents = grid_exponents(grid.norm_bound, grid.n_samples)
    return GriddedRows(
        features=features,
        order=members.order,
        starts=members.starts,
        stops=members.stops,
        centre=grid.centre,
        up=2.0**grid.exponent,
        down=2.0**-grid.exponent,
        unit=int(metric == "cosine"),
        fine=np.array([2.0 ** (sign * k) for k in exponents for sign in (1, -1)]),
    )


def _chunks(total: int, size: int) -> list[tuple[int, int]]:
    return [(first, min(first + size, total)) for first in range(0, total, size)]
