"""Clusters on any array-API library: the same numbers as `HostTable` by whole-array operations, for GPUs."""

from __future__ import annotations

import copy
from dataclasses import dataclass, replace

import array_api_compat
import numpy as np

from stages.backend import to_host
from stages.merge.exact_sums import halving_sum, split_on_grids
from stages.merge.moments import Moments, moments_of
from stages.merge.samples import Frame, Metric
from stages.merge.table import Carried, Members, slack_of
from stages.typing import Array, Float64Array, Int64Array

_CHUNK_VALUES = 1 << 22

PRODUCT_ERROR = 2.0**-8
"""Relative error allowed to the library's float32 product: covers TF32 inputs (2^-10 each) and any summation."""


class ArrayTable:
    """The `Table` of canonical rows (n, d) float64 wherever they live."""

    def __init__(self, rows: Array, frame: Frame, members: Members, *, metric: Metric):
        xp = array_api_compat.array_namespace(rows)
        self.metric, self.members = metric, members
        self._xp, self._rows, self._frame = xp, rows, frame
        self._scale = 0.5 if metric == "cosine" else 1.0
        self._moments: Moments = moments_of(
            rows, frame, *(self._index(part) for part in (members.order, members.starts, members.stops))
        )
        self._means = self._moments.means()
        self._variance: Float64Array = to_host(self._moments.variances())

    def variances(self) -> Float64Array:
        """See `Table`."""
        return self._variance

    def ordered_means(self) -> Float64Array:
        """See `Table`."""
        if self.metric != "euclidean":
            return 2.0 * self._scale * self._variance
        everything = np.arange(len(self._variance))
        squares = (self.members.counts**2).astype(np.float64)
        high, low = self.blocks(everything, everything)
        return high / squares + low / squares

    def inter(self, first: Int64Array, second: Int64Array) -> Float64Array:
        """See `Table`."""
        if self.metric == "euclidean":
            weights = (self.members.counts[first] * self.members.counts[second]).astype(np.float64)
            high, low = self.blocks(first, second)
            return high / weights + low / weights
        spread = self._squared(self._means, first, second)
        return self._scale * ((self._variance[second] + self._variance[first]) + spread)

    def blocks(self, first: Int64Array, second: Int64Array) -> tuple[Float64Array, Float64Array]:
        """See `Table`."""
        members = self.members
        result = np.zeros((2, len(first)))
        for i, (a, b) in enumerate(zip(first, second, strict=True)):
            own = members.order[members.starts[a] : members.stops[a]]
            other = members.order[members.starts[b] : members.stops[b]]
            squared = self._squared(self._rows, np.repeat(own, len(other)), np.tile(other, len(own)))
            halves = split_on_grids(
                np.sqrt(squared), bound=self._frame.distance_bound, n_terms=self._frame.n_samples**2
            )
            result[:, i] = [half.sum() for half in halves]
        return result[0], result[1]

    def means(self, ids: Int64Array) -> Array:
        """See `Table`."""
        return self._xp.take(self._means, self._index(ids), axis=0)

    def squared_distances(self, rows: Array, a: int, others: Int64Array) -> Float64Array:
        """See `Table`."""
        return self._squared(rows, np.full(len(others), a), others)

    def squared_norm(self, row: Array) -> float:
        """See `Table`."""
        return float(halving_sum((row * row)[None, :])[0])

    def contents(self, cluster: int) -> tuple[Array, float, float]:
        """See `Table`."""
        moments = self._moments
        return moments.sums[cluster, :], float(moments.norms_high[cluster]), float(moments.norms_low[cluster])

    def carry(self, members: Members, carried: Carried) -> ArrayTable:
        """See `Table`."""
        table, old = copy.copy(self), self._index(carried.old)
        table.members = members
        moments = self._moments
        sums, high, low = (
            self._xp.take(part, old, axis=0) for part in (moments.sums, moments.norms_high, moments.norms_low)
        )
        for cluster, content in carried.contents.items():
            sums[cluster, :] = content[0]
            high[cluster], low[cluster] = content[1:]
        counts = self._xp.asarray(members.counts, dtype=self._xp.float64, device=self._rows.device)
        table._moments = replace(moments, sums=sums, norms_high=high, norms_low=low, counts=counts)
        table._means, table._variance = table._moments.means(), carried.variances
        return table

    def screen(self, ids: Int64Array, weights: Float64Array, groups: Int64Array) -> ArrayScreen:
        """See `Table`."""
        xp = self._xp
        means = self.means(ids)
        peak = float(xp.max(xp.abs(means))) or 1.0
        stored = xp.astype(means / peak, xp.float32)
        rest = means - xp.astype(stored, xp.float64) * peak
        norm = halving_sum(means * means)
        residual = xp.sqrt(halving_sum(rest * rest)) * (1 + 2.0**-20)
        length = xp.sqrt(norm) * (1 + 2.0**-20)
        is_root = self.metric == "euclidean"
        slack = 4 * slack_of(self._frame, metric="sqeuclidean")
        offset = xp.asarray(weights, device=means.device)
        variance = xp.asarray(self._variance[ids], device=means.device)
        base = norm if is_root else self._scale * (variance + norm) + offset
        return ArrayScreen(
            stored=stored,
            unit=peak,
            length=length,
            residual=residual,
            base=base - slack - xp.abs(base) * 2.0**-44,
            offset=offset,
            groups=groups,
            scale=self._scale,
            is_root=is_root,
            margin=slack_of(self._frame, metric=self.metric),
        )

    def _squared(self, rows: Array, first: Int64Array, second: Int64Array) -> Float64Array:
        """‖rows[first[i]] − rows[second[i]]‖² (P,), by `halving_sum`."""
        step = max(1, _CHUNK_VALUES // rows.shape[1])
        parts = [np.empty(0)]
        for start in range(0, len(first), step):
            left, right = (self._index(ids[start : start + step]) for ids in (first, second))
            difference = self._xp.take(rows, right, axis=0) - self._xp.take(rows, left, axis=0)
            parts.append(to_host(halving_sum(difference * difference)))
        return np.concatenate(parts)

    def _index(self, ids: Int64Array) -> Array:
        return self._xp.asarray(np.ascontiguousarray(ids), device=self._rows.device)


@dataclass(frozen=True)
class ArrayScreen:
    """`ScreenedRows` by whole-array operations; fields as `compiled_scan.Screen`, with one unit for all rows."""

    stored: Array
    unit: float
    length: Array
    residual: Array
    base: Array
    offset: Array
    groups: Int64Array
    scale: float
    is_root: bool
    margin: float

    @property
    def n_rows(self) -> int:
        """R."""
        return len(self.groups)

    @property
    def tile(self) -> int:
        """See `ScreenedRows`; large for GPUs, which a small tile leaves idle."""
        return 4096 if array_api_compat.is_cupy_array(self.stored) else 512

    def near(self, rows: slice, columns: slice, threshold: float) -> tuple[Int64Array, Int64Array]:
        """See `ScreenedRows`."""
        xp = array_api_compat.array_namespace(self.stored)
        product = xp.astype(self.stored[rows, :] @ self.stored[columns, :].T, xp.float64) * self.unit**2
        size = self.length + self.residual
        error = PRODUCT_ERROR * size[rows, None] * size[None, columns]
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
        kept = (first < second) & (self.groups[first] != self.groups[second])
        return first[kept], second[kept]

    def estimates(self, rows: Int64Array, columns: slice) -> Float64Array:
        """See `ScreenedRows`."""
        xp = array_api_compat.array_namespace(self.stored)
        left = xp.asarray(rows, device=self.stored.device)
        product = xp.take(self.stored, left, axis=0) @ self.stored[columns, :].T
        product = xp.astype(product, xp.float64) * self.unit**2
        base, offset = self.base, self.offset
        values = xp.take(base, left)[:, None] + base[None, columns] - 2 * self.scale * product
        if self.is_root:
            values = xp.sqrt(xp.maximum(values, xp.zeros_like(values)))
            values = values + xp.take(offset, left)[:, None] + offset[None, columns]
        host = np.array(to_host(values))
        host[self.groups[rows, None] == self.groups[columns]] = np.inf
        return host
