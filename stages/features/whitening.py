"""Shrunk whitening: features in which no direction that all samples share drowns those that tell them apart."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from stages.arrays.exact_products import MANTISSA_BITS, inverse_cholesky_factor
from stages.arrays.exact_sums import exponent_of, grid_exponent, halving_sum, round_to_grid
from stages.arrays.finite import require_finite
from stages.errors import DbcError, UsageError
from stages.typing import Float32Array, Float64Array

_BLOCK_ROWS = 1024
"""Rows of float64 held at once."""
_BLOCK_COLUMNS = 512
"""Columns of a product at once: those of a triangular matrix need only the rows above their last one."""
_FEATURE_BITS = 25
"""Bits that features keep below four times the largest train feature: one more than float32 holds."""


class NothingToWhitenError(DbcError):
    """Features among which no two differ, or none at all."""


@dataclass(frozen=True)
class Whitening:
    """The map x ↦ (x − `mean`) @ `matrix`, fitted on train features.

    `mean` (d,) and `matrix` (d, d), upper triangular, float64. Features are first rounded to multiples of 2^−`grid`, on which
    the products of the map are exact in float64, so that every processor and library gives the same bits.
    """

    mean: Float64Array
    matrix: Float64Array
    grid: int


def fit_whitening(features: Float32Array, *, ridge: float) -> Whitening:
    """The whitening L⁻ᵀ about the mean of `features` (n, d) float32, where L Lᵀ = Σ + ρσ²I.

    Σ is their covariance, σ² its mean diagonal and ρ the `ridge`. Distances and angles after the map are those of any other
    root of (Σ + ρσ²I)⁻¹. ρ near 0 lets all directions vary alike; a large ρ only centres. No label is used. The same rows in
    any order, on any machine, give the same bits. Raises UsageError unless ρ > 0, NothingToWhitenError for no rows or rows
    that are all equal, DbcError for values that are not finite.
    """
    if not (np.isfinite(ridge) and ridge > 0):
        raise UsageError(f"`whiten` must be a finite number above 0, got {ridge}; use `whiten=3`")
    if not len(features):
        raise NothingToWhitenError(
            "there are no train features to whiten by, at least 2 that differ are needed; use `whiten=0`"
        )
    require_finite(features)
    largest = float(np.abs(features).max())
    grid = _FEATURE_BITS - (exponent_of(largest) + 2)
    mean = _mean(features, grid=grid, largest=largest)
    covariance = _covariance(features, mean, grid=grid, largest=largest)
    dim = len(mean)
    mean_variance = math.fsum(covariance.diagonal()) / dim
    if mean_variance == 0:
        raise NothingToWhitenError(
            f"all {len(features)} features are the same, some that differ are needed to whiten; use `whiten=0`"
        )
    covariance[np.diag_indices(dim)] += ridge * mean_variance
    matrix = inverse_cholesky_factor(covariance).T
    # |x − mean| is below 2^(bound), and so every partial sum of (x − mean) @ matrix below 2^(bound) · Σ|matrix|
    bound = exponent_of(largest) + 3
    widest = exponent_of(float(np.abs(matrix).sum(axis=0).max()) * (1 + 2.0**-20))
    matrix = round_to_grid(matrix, MANTISSA_BITS - grid - bound - widest)
    return Whitening(mean, np.ascontiguousarray(matrix), grid)


def whitened(features: Float32Array, whitening: Whitening) -> Float32Array:
    """`features` (n, d) float32 through `whitening`, each of unit length: (n, d) float32. A row at the mean stays 0.

    The bits of a row depend on nothing but that row and the whitening (for rows at most four times as large as those that
    were fitted on).
    """
    result = np.empty(features.shape, dtype=np.float32)
    dim = features.shape[1]
    moved = np.empty((min(_BLOCK_ROWS, len(features)), dim))
    for rows, centred in _centred(features, whitening.mean, grid=whitening.grid):
        block = moved[: len(centred)]
        for start in range(0, dim, _BLOCK_COLUMNS):
            stop = min(dim, start + _BLOCK_COLUMNS)
            np.matmul(centred[:, :stop], whitening.matrix[:stop, start:stop], out=block[:, start:stop])
        length = np.sqrt(halving_sum(np.square(block)))[:, None]
        # + 0 takes the sign from a negative zero, which an order of summation may leave or not
        result[rows] = block / np.where(length > 0, length, 1) + 0.0
    return result


def _mean(features: Float32Array, *, grid: int, largest: float) -> Float64Array:
    """The mean (d,) of rows on the grid that makes their sum exact, rounded to the grid of `grid`."""
    coarse = min(grid, grid_exponent(largest, len(features)))
    total = np.zeros(features.shape[1])
    for start in range(0, len(features), _BLOCK_ROWS):
        total += round_to_grid(features[start : start + _BLOCK_ROWS].astype(np.float64), coarse).sum(axis=0)
    mean: Float64Array = round_to_grid(total / len(features), grid)
    return mean


def _covariance(features: Float32Array, mean: Float64Array, *, grid: int, largest: float) -> Float64Array:
    """Σ (d, d) about `mean`, of rows on a grid that makes the sums of their products exact."""
    n_samples, dim = features.shape
    farthest = largest + float(np.abs(mean).max())
    free_bits = MANTISSA_BITS - max(1, (n_samples - 1).bit_length()) - 2 * exponent_of(farthest)
    coarse = min(grid, free_bits // 2)
    covariance = np.zeros((dim, dim))
    for _, centred in _centred(features, mean, grid=grid):
        rows = centred if coarse == grid else round_to_grid(centred, coarse)
        covariance += rows.T @ rows
    covariance /= n_samples
    return covariance


def _centred(features: Float32Array, mean: Float64Array, *, grid: int) -> Iterator[tuple[slice, Float64Array]]:
    """(rows, values less the mean (b, d) float64 on the grid), a block of rows at a time."""
    for start in range(0, len(features), _BLOCK_ROWS):
        rows = slice(start, start + _BLOCK_ROWS)
        yield rows, round_to_grid(features[rows].astype(np.float64), grid) - mean
