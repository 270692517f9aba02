"""Clusters on the CPU as the fast product reads them: rows stored small, with bounds on what that leaves out."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from stages.arrays.exact_sums import exponent_of
from stages.arrays.row_blocks import Buffers
from stages.arrays.screening_products import Product
from stages.merge.tables import compiled_scan
from stages.merge.tables.canonical_rows import FeatureGrid
from stages.merge.tables.compiled_quantise import FLOAT32, INT8, Origin, QuantisedRows
from stages.merge.tables.compiled_scan import Screen
from stages.typing import Array, Float64Array, Int64Array

_KINDS = {"int8": (INT8, np.int8), "float32": (FLOAT32, np.float32)}
_FACTOR_FROM = 60
"""Rows whose length bound is above 2^60 or below 2^-60 are scaled before they are cast to float32."""


def quantised_rows(n_rows: int, dim: int, storage: str, fill: Callable[[int, QuantisedRows], None]) -> QuantisedRows:
    """`QuantisedRows` of `n_rows` rows of `dim`, stored as `storage`, which `fill(kind, rows)` fills."""
    kind, dtype = _KINDS[storage]
    fine_rows = n_rows if kind == INT8 else 0
    rows = QuantisedRows(
        stored=np.empty((n_rows, dim), dtype=dtype),
        unit=np.empty(n_rows),
        norm=np.empty(n_rows),
        length=np.empty(n_rows),
        residual=np.empty(n_rows),
        fine=np.empty((fine_rows, dim), dtype=np.int8),
        fine_residual=np.empty(fine_rows),
    )
    fill(kind, rows)
    return rows


def origin_of(shift: Array, grid: FeatureGrid, features: Array) -> Origin:
    """The `Origin` next to `shift` (d,) float64, a canonical point, that the dtype of `features` can hold."""
    raw = (grid.centre + shift).astype(features.dtype)
    exponent = exponent_of(math.sqrt(grid.norm_bound))
    factor = 2.0**-exponent if abs(exponent) > _FACTOR_FROM else 1.0
    return Origin(raw, raw.astype(np.float64) - grid.centre, factor)


@dataclass(frozen=True)
class HostScreen:
    """`ScreenedRows` in host memory."""

    screen: Screen
    owner: Int64Array
    product: Product
    margin: float
    found: Buffers = field(default_factory=Buffers)

    @property
    def tile(self) -> int:
        """See `ScreenedRows`."""
        return self.product.tile

    def near(self, rows: slice, columns: slice, threshold: float) -> tuple[Int64Array, Int64Array]:
        """See `ScreenedRows`."""
        stored = self.screen.stored
        tile = self.product.multiply(stored[rows], stored[columns])
        first, second = self.found.array((2, tile.size), np.int64)
        limit = threshold + self.margin + abs(threshold) * 2.0**-40
        n_found = compiled_scan.scan(tile, rows.start, columns.start, self.screen, self.owner, limit, first, second)
        return first[:n_found].copy(), second[:n_found].copy()

    def estimates(self, rows: Int64Array, columns: Int64Array) -> Float64Array:
        """See `ScreenedRows`."""
        stored = self.screen.stored
        tile = self.product.multiply(stored[rows], stored[columns])
        values = np.empty(tile.shape)
        compiled_scan.estimate(tile, rows, columns, self.screen, self.owner, values)
        return values
