"""Clusters as a pair engine reads them: rows in half precision, on a GPU or emulated, with bounds on what that leaves out.

The engine only proposes pairs: their D comes from the table in host memory, bit for bit as without it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import array_api_compat
import numpy as np

from schemas.choices import SampleMetric
from stages.arrays.backend import require_bound, to_host
from stages.arrays.exact_sums import halving_sum
from stages.arrays.pair_engines import PairEngine, PairRows, engine_of, n_pairs_of, near_pairs, padded, strips_of
from stages.merge.tables.canonical_rows import CanonicalRows, FeatureGrid, parts_of
from stages.merge.tables.table import ClusterSlices, SharedCamera, slack_of
from stages.typing import Array, Float64Array, Int64Array

PAIR_PART_VALUES = 1 << 24
"""Values that are stored at once, 128 MiB of float64: a GPU starts about a hundred kernels for each part."""


@dataclass(frozen=True)
class PairSource:
    """Canonical `rows` where an `engine` works; made once a stage, so that features go there once."""

    rows: CanonicalRows
    engine: PairEngine

    def screen(
        self,
        means_of: Callable[[Int64Array], Float64Array],
        variances: Float64Array,
        members: ClusterSlices,
        ids: Int64Array,
        weights: Float64Array,
        owner: Int64Array,
        shared: SharedCamera | None,
    ) -> PairScreen:
        """The clusters `ids` (R,) of `members`: samples are read there, means of several come by `means_of(clusters)`."""
        rows, grid, metric = self.rows, self.rows.grid, self.rows.metric
        xp, device = array_api_compat.array_namespace(rows.features), array_api_compat.device(rows.features)

        def there(host: Array) -> Array:
            return xp.asarray(np.ascontiguousarray(host), device=device)

        shift = there(means_of(ids[:: max(1, len(ids) // 64)]).mean(axis=0))
        is_single = members.counts[ids] == 1
        stored = xp.zeros((len(ids), padded(grid.dim)), dtype=getattr(xp, self.engine.storage), device=device)
        measured = []
        for first, stop in parts_of(len(ids), grid.dim, part_values=PAIR_PART_VALUES):
            own = ids[first:stop]
            values = rows.take(there(members.order[members.starts[own]]))
            several = np.flatnonzero(~is_single[first:stop])
            if len(several):
                values[there(several), :] = there(means_of(own[several]))
            stored[first:stop, : grid.dim], numbers = _stored(values - shift, stored.dtype, grid)
            measured.append(numbers)
        unit, norm, length, residual = (xp.concat(column) for column in zip(*measured, strict=True))
        size = length + residual
        is_root = metric == "euclidean"
        scale = 0.5 if metric == "cosine" else 1.0
        offset = there(weights)
        base = norm if is_root else scale * (there(variances[ids]) + norm) + offset
        slack = 4 * slack_of(grid, metric="sqeuclidean")
        pair_rows = PairRows(
            stored=stored,
            unit=unit,
            size=size,
            length=length,
            residual=residual,
            reach=residual + self.engine.error * size,
            base=base - slack - xp.abs(base) * 2.0**-44,
            offset=offset,
            group=there(owner.astype(np.int32)),
            camera=there(np.full(len(ids), -1, dtype=np.int32) if shared is None else shared.camera),
            shared=0.0 if shared is None else shared.weight,
            scale=scale,
            is_root=is_root,
        )
        return PairScreen(pair_rows, owner, self.engine, slack_of(grid, metric=metric))


def pair_source(features: Array, grid: FeatureGrid, metric: SampleMetric) -> PairSource:
    """The source of `features` (n, d) where an engine works; `grid` is theirs, from host memory."""
    xp, device = array_api_compat.array_namespace(features), array_api_compat.device(features)
    own = replace(grid, centre=xp.asarray(to_host(grid.centre), device=device))
    return PairSource(CanonicalRows(features, own, metric), engine_of(features))


def _stored(values: Array, dtype: Any, grid: FeatureGrid) -> tuple[Array, tuple[Array, ...]]:
    """`values` (p, d) float64 in units of about their largest, as `dtype`; and unit, norm, length and residual (p,)."""
    xp = array_api_compat.array_namespace(values)
    peak = xp.max(xp.abs(values), axis=1)
    one = xp.ones_like(peak)
    unit = xp.pow(2 * one, xp.floor(xp.log2(xp.where(peak > 0, peak, one))))
    stored = xp.astype(values / unit[:, None], dtype)
    rest = values - xp.astype(stored, xp.float64) * unit[:, None]
    norm = halving_sum(values * values)
    length = xp.sqrt(norm) * (1 + 2.0**-20)
    # the rows were moved by their origin, which rounds each coordinate once
    moved = 2.0**-50 * (grid.dim * grid.norm_bound) ** 0.5
    return stored, (unit, norm, length + moved, xp.sqrt(halving_sum(rest * rest)) * (1 + 2.0**-20) + moved)


@dataclass(frozen=True)
class PairScreen:
    """The `StripScreen` of a pair engine, which takes strips in turn instead of tiles in threads."""

    rows: PairRows
    owner: Int64Array
    engine: PairEngine
    margin: float

    def found(
        self, threshold: Callable[[], float], *, tile: int | None, share: slice
    ) -> tuple[int, Iterator[tuple[int, Int64Array, Int64Array]]]:
        """How many pairs the strips of this `share` have, and what `near_pairs` yields of them; `tile` rows in a strip."""
        require_bound(self.rows.stored)
        n_rows = len(self.owner)
        strips = (strips_of(n_rows) if tile is None else strips_of(n_rows, tile, 4 * tile))[share]

        def limit() -> float:
            value = threshold()
            return value + self.margin + abs(value) * 2.0**-40

        return sum(map(n_pairs_of, strips)), near_pairs(self.engine, self.rows, strips, limit)

    def estimates(self, rows: Int64Array, columns: Int64Array) -> Float64Array:
        """See `StripScreen`."""
        require_bound(self.rows.stored)
        own = self.rows
        xp, device = array_api_compat.array_namespace(own.stored), array_api_compat.device(own.stored)
        left, right = (xp.asarray(index, device=device) for index in (rows, columns))
        stored = [xp.astype(xp.take(own.stored, index, axis=0), xp.float32) for index in (left, right)]
        product = xp.astype(stored[0] @ stored[1].T, xp.float64)
        product = product * xp.take(own.unit, left)[:, None] * xp.take(own.unit, right)[None, :]
        values = xp.take(own.base, left)[:, None] + xp.take(own.base, right)[None, :] - 2 * own.scale * product
        if own.is_root:
            values = xp.sqrt(xp.maximum(values, xp.zeros_like(values)))
            values = values + xp.take(own.offset, left)[:, None] + xp.take(own.offset, right)[None, :]
        host: Float64Array = np.array(to_host(values))
        host[self.owner[rows, None] == self.owner[columns]] = np.inf
        return host
