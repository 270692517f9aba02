"""Clusters on any array-API library, GPUs among them: the numbers of `HostTable` by whole-array operations."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import array_api_compat
import numpy as np

from stages.arrays.backend import require_bound, to_host
from stages.arrays.exact_sums import halving_sum, split_on_grids
from stages.arrays.product_errors import precision_of, product_bound
from stages.merge.tables.canonical_rows import CanonicalRows, largest, parts_of
from stages.merge.tables.moments import Moments, moments_in_parts, variances_in_parts
from stages.merge.tables.table import Carried, ClusterSlices, SharedCamera, slack_of, slots_of
from stages.typing import Array, Float64Array, Int64Array

_FLOAT32_ERRORS: dict[tuple[str, str, int], float] = {}


def float32_error(xp: Any, device: Any, dim: int) -> float:
    """The proven relative error of the float32 product of `xp` on `device`, in the precision that really runs."""

    def multiply(left: Array, right: Array) -> Array:
        return to_host(xp.asarray(left, device=device) @ xp.asarray(right, device=device).T)

    # devices of CuPy have no hash
    key = (xp.__name__, str(device), dim)
    if key not in _FLOAT32_ERRORS:
        _FLOAT32_ERRORS[key] = product_bound(precision_of(multiply, dim, np.float32, among=("float32", "tf32")), dim)
    return _FLOAT32_ERRORS[key]


class ArrayTable:
    """The `Table` of canonical `rows` on their own device; only clusters of several members keep their sums."""

    def __init__(self, rows: CanonicalRows, members: ClusterSlices):
        self.metric, self.members = rows.metric, members
        self._xp = array_api_compat.array_namespace(rows.features)
        self._rows, self._grid = rows, rows.grid
        self._scale = 0.5 if rows.metric == "cosine" else 1.0
        counts = members.counts
        self._slot = slots_of(counts, fewest=2)
        several = counts > 1
        self._moments: Moments = moments_in_parts(rows, members.order[np.repeat(several, counts)], counts[several])
        self.variances: Float64Array = np.zeros(len(counts))
        self.variances[several] = to_host(variances_in_parts(self._moments))

    def ordered_means(self) -> Float64Array:
        """See `Table`."""
        if self.metric != "euclidean":
            return 2.0 * self._scale * self.variances
        everything = np.arange(len(self.variances))
        squares = (self.members.counts**2).astype(np.float64)
        high, low = self.blocks(everything, everything)
        return high / squares + low / squares

    def inter(self, first: Int64Array, second: Int64Array) -> Float64Array:
        """See `Table`."""
        if self.metric == "euclidean":
            weights = (self.members.counts[first] * self.members.counts[second]).astype(np.float64)
            high, low = self.blocks(first, second)
            return high / weights + low / weights
        spread = self._squared(self.means, first, second)
        return self._scale * ((self.variances[second] + self.variances[first]) + spread)

    def blocks(self, first: Int64Array, second: Int64Array) -> tuple[Float64Array, Float64Array]:
        """See `Table`."""
        members = self.members
        result = np.zeros((2, len(first)))
        for i, (a, b) in enumerate(zip(first, second, strict=True)):
            own = members.order[members.starts[a] : members.stops[a]]
            other = members.order[members.starts[b] : members.stops[b]]
            squared = self._squared(self._samples, np.repeat(own, len(other)), np.tile(other, len(own)))
            halves = split_on_grids(np.sqrt(squared), bound=self._grid.distance_bound, n_terms=self._grid.n_samples**2)
            result[:, i] = [half.sum() for half in halves]
        return result[0], result[1]

    def means(self, ids: Int64Array) -> Array:
        """See `Table`."""
        means = self._samples(self.members.order[self.members.starts[ids]])
        slots = self._slot[ids]
        if (slots < 0).all():
            return means
        xp, index = self._xp, self._index(np.maximum(slots, 0))
        sums = xp.take(self._moments.sums, index, axis=0) / xp.take(self._moments.counts, index)[:, None]
        return xp.where(self._index(slots)[:, None] >= 0, sums, means)

    def _samples(self, ids: Int64Array) -> Array:
        return self._rows.take(self._index(ids))

    def squared_distances(self, rows: Array, a: int, others: Int64Array) -> Float64Array:
        """See `Table`."""
        return self._squared(lambda ids: self._xp.take(rows, self._index(ids), axis=0), np.full(len(others), a), others)

    def squared_norm(self, row: Array) -> float:
        """See `Table`."""
        return float(halving_sum((row * row)[None, :])[0])

    def contents(self, cluster: int) -> tuple[Array, float, float]:
        """See `Table`."""
        moments, slot = self._moments, int(self._slot[cluster])
        if slot >= 0:
            return moments.sums[slot, :], float(moments.norms_high[slot]), float(moments.norms_low[slot])
        row = self._samples(self.members.order[self.members.starts[cluster]][None])[0, :]
        halves = split_on_grids(
            halving_sum((row * row)[None, :]), bound=self._grid.norm_bound, n_terms=self._grid.n_samples
        )
        return row, float(halves[0][0]), float(halves[1][0])

    def carry(self, members: ClusterSlices, carried: Carried) -> ArrayTable:
        """See `Table`."""
        table, moments = copy.copy(self), self._moments
        counts = members.counts
        table.members, table._slot, table.variances = members, slots_of(counts, fewest=2), carried.variances
        old = self._index(np.maximum(self._slot[carried.old[counts > 1]], 0))
        kept = moments if moments.sums.shape[0] else _empty_like(moments)
        sums, high, low = (self._xp.take(part, old, axis=0) for part in (kept.sums, kept.norms_high, kept.norms_low))
        for cluster, content in carried.contents.items():
            slot = int(table._slot[cluster])
            sums[slot, :] = content[0]
            high[slot], low[slot] = content[1:]
        weights = self._xp.asarray(counts[counts > 1], dtype=self._xp.float64, device=self._device)
        table._moments = replace(moments, sums=sums, norms_high=high, norms_low=low, counts=weights)
        return table

    def screen(
        self,
        ids: Int64Array,
        weights: Float64Array,
        owner: Int64Array,
        shared: SharedCamera | None = None,  # noqa: ARG002 — all pairs may pass
    ) -> ArrayScreen:
        """See `Table`."""
        xp, dim = self._xp, self._grid.dim
        parts = parts_of(len(ids), dim)
        peak = max(largest(self.means(ids[first:stop])) for first, stop in parts) or 1.0
        stored = xp.empty((len(ids), dim), dtype=xp.float32, device=self._device)
        norms, residuals = [], []
        for first, stop in parts:
            means = self.means(ids[first:stop])
            stored[first:stop, :] = xp.astype(means / peak, xp.float32)
            rest = means - xp.astype(stored[first:stop, :], xp.float64) * peak
            norms.append(halving_sum(means * means))
            residuals.append(xp.sqrt(halving_sum(rest * rest)) * (1 + 2.0**-20))
        norm = xp.concat(norms)
        is_root = self.metric == "euclidean"
        slack = 4 * slack_of(self._grid, metric="sqeuclidean")
        offset = xp.asarray(weights, device=self._device)
        variance = xp.asarray(self.variances[ids], device=self._device)
        base = norm if is_root else self._scale * (variance + norm) + offset
        return ArrayScreen(
            stored=stored,
            error=float32_error(xp, self._device, dim),
            unit=peak,
            length=xp.sqrt(norm) * (1 + 2.0**-20),
            residual=xp.concat(residuals),
            base=base - slack - xp.abs(base) * 2.0**-44,
            offset=offset,
            owner=owner,
            scale=self._scale,
            is_root=is_root,
            margin=slack_of(self._grid, metric=self.metric),
        )

    def _squared(self, rows: Callable[[Int64Array], Array], first: Int64Array, second: Int64Array) -> Float64Array:
        """‖rows(first[i]) − rows(second[i])‖² (P,), by `halving_sum`."""
        found = [np.empty(0)]
        for start, stop in parts_of(len(first), self._grid.dim):
            difference = rows(second[start:stop]) - rows(first[start:stop])
            found.append(to_host(halving_sum(difference * difference)))
        return np.concatenate(found)

    def _index(self, ids: Int64Array) -> Array:
        return self._xp.asarray(np.ascontiguousarray(ids), device=self._device)

    @property
    def _device(self) -> Any:
        return array_api_compat.device(self._rows.features)


def _empty_like(moments: Moments) -> Moments:
    """`moments` of one empty cluster, to take rows from if there are none."""
    xp = array_api_compat.array_namespace(moments.sums)
    device = array_api_compat.device(moments.sums)
    row = xp.zeros((1, moments.sums.shape[1]), dtype=xp.float64, device=device)
    return replace(moments, sums=row, norms_high=row[:, 0], norms_low=row[:, 0])


@dataclass(frozen=True)
class ArrayScreen:
    """`ScreenedRows` by whole-array operations.

    Fields are those of `compiled_scan.Screen`, with one unit for all rows, and `error` is that of the product.
    """

    stored: Array
    error: float
    unit: float
    length: Array
    residual: Array
    base: Array
    offset: Array
    owner: Int64Array
    scale: float
    is_root: bool
    margin: float

    @property
    def tile(self) -> int:
        """See `ScreenedRows`; large for GPUs, which a small tile leaves idle."""
        return 4096 if array_api_compat.is_cupy_array(self.stored) else 512

    def near(self, rows: slice, columns: slice, threshold: float) -> tuple[Int64Array, Int64Array]:
        """See `ScreenedRows`."""
        require_bound(self.stored)
        xp = array_api_compat.array_namespace(self.stored)
        product = xp.astype(self.stored[rows, :] @ self.stored[columns, :].T, xp.float64) * self.unit**2
        size = self.length + self.residual
        # what is too small for float32 is lost: at most 2^-126 in each of d products of stored values of 1 at most
        error = self.error * size[rows, None] * size[None, columns] + self.stored.shape[1] * 2.0**-126 * self.unit**2
        error = error + size[rows, None] * self.residual[None, columns]
        error = error + self.residual[rows, None] * self.length[None, columns]
        lowest = self.base[rows, None] + self.base[None, columns] - 2 * self.scale * (product + error)
        room = threshold + self.margin + abs(threshold) * 2.0**-40
        if self.is_root:
            reach = room - self.offset[rows, None] - self.offset[None, columns]
            near = (reach >= 0) & (lowest <= reach * reach)
        else:
            near = lowest <= room
        first, second = (to_host(index) for index in xp.nonzero(near))
        first, second = first + rows.start, second + columns.start
        kept = (first < second) & (self.owner[first] != self.owner[second])
        return first[kept], second[kept]

    def estimates(self, rows: Int64Array, columns: Int64Array) -> Float64Array:
        """See `ScreenedRows`."""
        require_bound(self.stored)
        xp = array_api_compat.array_namespace(self.stored)
        left, right = (xp.asarray(index, device=self.stored.device) for index in (rows, columns))
        product = xp.take(self.stored, left, axis=0) @ xp.take(self.stored, right, axis=0).T
        product = xp.astype(product, xp.float64) * self.unit**2
        base, offset = self.base, self.offset
        values = xp.take(base, left)[:, None] + xp.take(base, right)[None, :] - 2 * self.scale * product
        if self.is_root:
            values = xp.sqrt(xp.maximum(values, xp.zeros_like(values)))
            values = values + xp.take(offset, left)[:, None] + xp.take(offset, right)[None, :]
        host = np.array(to_host(values))
        host[self.owner[rows, None] == self.owner[columns]] = np.inf
        return host
