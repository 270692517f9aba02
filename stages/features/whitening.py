"""Shrunk whitening: features in which no direction that all samples share drowns those that tell them apart."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from functools import partial

import numpy as np
from array_api_compat import array_namespace

from stages.arrays.backend import Backend, to_host
from stages.arrays.blas import add_square, multiply_by_upper
from stages.arrays.device_memory import there_or_here
from stages.arrays.exact_products import MANTISSA_BITS, inverse_cholesky_factor
from stages.arrays.exact_sums import exponent_of, grid_exponent, halving_sum, round_into, round_to_grid
from stages.arrays.finite import require_finite
from stages.arrays.row_blocks import by_blocks
from stages.errors import DbcError, UsageError
from stages.typing import Array, Float32Array, Float64Array

BLOCK_ROWS = 512
"""Rows of float64 that a thread holds and multiplies at once."""
BLOCK_ROWS_ON_A_GPU = 4096
"""The same on a GPU: about 300 MB of 2,192 dimensions in all that a block takes."""
_PART_ROWS = 64
"""Rows that all elementwise steps pass over while they are in cache."""
_FEATURE_BITS = 25
"""Bits that features keep below four times the largest train feature: one more than float32 holds."""

NOT_WHITENED = "features are measured as they are"
"""Begins a note of metrics whose features were to be whitened and could not be."""


class NothingToWhitenError(DbcError):
    """Features among which no two differ, or none at all."""


@dataclass(frozen=True)
class Whitening:
    """The map x ↦ (x − `mean`) @ `matrix`, fitted on train features.

    `mean` (d,) and `matrix` (d, d), upper triangular, float64. Features are first rounded to multiples of 2^−`grid`, on which
    the products of the map are exact in float64, so that every processor and library gives the same bits. They are made by
    `backend`, or by threads of this process if it is None.
    """

    mean: Float64Array
    matrix: Float64Array
    grid: int
    backend: Backend | None = field(default=None, compare=False, repr=False)


def fit_whitening(features: Float32Array, *, ridge: float, backend: Backend | None = None) -> Whitening:
    """The whitening L⁻ᵀ about the mean of `features` (n, d) float32, where L Lᵀ = Σ + ρσ²I.

    Σ is their covariance, σ² its mean diagonal and ρ the `ridge`. Distances and angles after the map are those of any other
    root of (Σ + ρσ²I)⁻¹. ρ near 0 lets all directions vary alike; a large ρ only centres. No label is used. The same rows in
    any order, on any machine, by any `backend`, give the same bits; without room on its GPU it is done here. Raises
    UsageError unless ρ > 0, NothingToWhitenError for no rows or rows that are all equal, DbcError for values that are not
    finite.
    """
    if not (np.isfinite(ridge) and ridge > 0):
        raise UsageError(f"`whiten` must be a finite number above 0, got {ridge}; use `whiten=3`")
    if not len(features):
        raise NothingToWhitenError(
            "there are no train features to whiten by, at least 2 that differ are needed; use `whiten=0`"
        )
    require_finite(features)
    largest = max(float(features.max()), -float(features.min()))
    grid = _FEATURE_BITS - (exponent_of(largest) + 2)
    mean = _mean(features, grid=grid, largest=largest)
    root = partial(_inverse_root, features, mean, ridge=ridge, grid=grid, largest=largest)
    matrix = root(None) if backend is None else there_or_here(partial(root, backend), partial(root, None))
    if not np.isfinite(matrix).all():
        raise UsageError(
            f"`whiten` must be larger for these {len(features)} features of {len(mean)} numbers, got {ridge:g}, by which they "
            "cannot be told apart in float64; use `whiten=3`"
        )
    # |x − mean| is below 2^(bound), and so every partial sum of (x − mean) @ matrix below 2^(bound) · Σ|matrix|
    bound = exponent_of(largest) + 3
    widest = exponent_of(float(np.abs(matrix).sum(axis=0).max()) * (1 + 2.0**-20))
    in_rows = np.empty(matrix.shape)
    return Whitening(mean, round_into(matrix, MANTISSA_BITS - grid - bound - widest, out=in_rows), grid, backend)


def _inverse_root(
    features: Float32Array, mean: Float64Array, backend: Backend | None, *, ridge: float, grid: int, largest: float
) -> Float64Array:
    """L⁻ᵀ (d, d) of `fit_whitening`, not yet rounded; its values are not finite if float64 cannot tell features apart."""
    covariance = _covariance(features, mean, backend, grid=grid, largest=largest)
    xp = array_namespace(covariance)
    variances = to_host(xp.linalg.diagonal(covariance))
    mean_variance = math.fsum(variances) / len(mean)
    if mean_variance == 0:
        raise NothingToWhitenError(
            f"all {len(features)} features are the same, some that differ are needed to whiten: are the pictures copies of "
            "one? ingest others, or merge them as they are by `whiten=0`"
        )
    if isinstance(covariance, np.ndarray):
        covariance[np.diag_indices(len(mean))] += ridge * mean_variance
    else:
        covariance += xp.eye(len(mean), dtype=xp.float64) * (ridge * mean_variance)
    with np.errstate(all="ignore"):
        return to_host(inverse_cholesky_factor(covariance)).T


def whitened(features: Float32Array, whitening: Whitening) -> Float32Array:
    """`features` (n, d) float32 through `whitening`, each of unit length: (n, d) float32. A row at the mean stays 0.

    The bits of a row depend on nothing but that row and the whitening (for rows at most four times as large as those that
    were fitted on).
    """
    if whitening.backend is not None:
        here = partial(whitened, features, replace(whitening, backend=None))
        return there_or_here(partial(_whitened_by, whitening.backend, features, whitening), here)
    result = np.empty(features.shape, dtype=np.float32)
    mean = whitening.mean * 2.0**whitening.grid

    def move(starts: range) -> None:
        buffer = np.empty((BLOCK_ROWS, features.shape[1]))
        for start in starts:
            block = buffer[: len(features) - start]
            _fill_centred(block, features[start : start + BLOCK_ROWS], mean, grid=whitening.grid)
            # in steps of the grid
            multiply_by_upper(block, whitening.matrix)
            for part in _parts(len(block)):
                rows = block[part]
                length = np.sqrt(halving_sum(np.square(rows)))[:, None]
                rows /= np.where(length > 0, length, 1)
                # + 0 takes the sign from a negative zero, which an order of summation may leave or not
                np.add(rows, 0.0, out=result[start:][part], casting="same_kind")

    by_blocks(move, len(features), BLOCK_ROWS)
    return result


def _whitened_by(backend: Backend, features: Float32Array, whitening: Whitening) -> Float32Array:
    """`whitened` by the products and elementwise steps of another array library."""
    result, xp = np.empty(features.shape, dtype=np.float32), backend.namespace
    mean, matrix = (backend.asarray(array) for array in (whitening.mean * 2.0**whitening.grid, whitening.matrix))
    for start in range(0, len(features), BLOCK_ROWS_ON_A_GPU):
        block = slice(start, start + BLOCK_ROWS_ON_A_GPU)
        rows = _centred(backend.asarray(features[block]), mean, grid=whitening.grid) @ matrix
        length = xp.sqrt(halving_sum(rows * rows))[:, None]
        rows = rows / xp.where(length > 0, length, 1.0) + 0.0
        result[block] = to_host(xp.astype(rows, xp.float32))
    return result


def _mean(features: Float32Array, *, grid: int, largest: float) -> Float64Array:
    """The mean (d,) of rows on the grid that makes their sum exact, rounded to the grid of `grid`."""
    n_samples, dim = features.shape
    coarse = min(grid, grid_exponent(largest, n_samples))
    no_mean = np.zeros(dim)

    def total(starts: range) -> Float64Array:
        buffer, sums = np.empty((BLOCK_ROWS, dim)), np.zeros(dim)
        for start in starts:
            block = buffer[: n_samples - start]
            _fill_centred(block, features[start : start + BLOCK_ROWS], no_mean, grid=coarse)
            sums += block.sum(axis=0)
        return sums

    sums = sum(by_blocks(total, n_samples, BLOCK_ROWS), no_mean) * 2.0**-coarse
    mean: Float64Array = round_to_grid(sums / n_samples, grid)
    return mean


def _covariance(
    features: Float32Array, mean: Float64Array, backend: Backend | None, *, grid: int, largest: float
) -> Array:
    """Σ (d, d) about `mean`, of rows on a grid that makes the sums of their products exact; an array of `backend`."""
    n_samples, dim = features.shape
    farthest = largest + float(np.abs(mean).max())
    free_bits = MANTISSA_BITS - max(1, (n_samples - 1).bit_length()) - 2 * exponent_of(farthest)
    coarse = min(grid, free_bits // 2)

    scaled_mean = mean * 2.0**grid

    def products(starts: range) -> Float64Array:
        """The lower triangle of the sum of products of some blocks, in steps of the grid; zeros above it."""
        buffer, sums = np.empty((BLOCK_ROWS, dim)), np.zeros((dim, dim))
        for start in starts:
            block = buffer[: n_samples - start]
            _fill_centred(block, features[start : start + BLOCK_ROWS], scaled_mean, grid=grid, coarse=coarse)
            add_square(block, sums)
        return sums

    if backend is None:
        covariance, *others = by_blocks(products, n_samples, BLOCK_ROWS)
        for sums in others:
            covariance += sums
        covariance += np.tril(covariance, -1).T
    else:
        covariance = _sum_of_products(features, scaled_mean, backend, grid=grid, coarse=coarse)
    covariance *= 2.0 ** (-2 * coarse)
    covariance /= n_samples
    return covariance


def _sum_of_products(features: Float32Array, mean: Float64Array, backend: Backend, *, grid: int, coarse: int) -> Array:
    """The sum (d, d) of products of rows less `mean`, in steps of 2^−2·`coarse`."""
    xp, dim = backend.namespace, len(mean)
    mean, total = backend.asarray(mean), xp.zeros((dim, dim), dtype=xp.float64)
    for start in range(0, len(features), BLOCK_ROWS_ON_A_GPU):
        rows = _centred(backend.asarray(features[start : start + BLOCK_ROWS_ON_A_GPU]), mean, grid=grid, coarse=coarse)
        total += rows.T @ rows
    return total


def _centred(features: Array, mean: Array, *, grid: int, coarse: int | None = None) -> Array:
    """What `_fill_centred` fills, as a new array (b, d) of any library."""
    xp = array_namespace(features)
    rows = xp.round(xp.astype(features, xp.float64) * 2.0**grid) - mean
    return rows if coarse is None or coarse == grid else xp.round(rows * 2.0 ** (coarse - grid))


def _fill_centred(
    block: Float64Array, features: Float32Array, mean: Float64Array, *, grid: int, coarse: int | None = None
) -> None:
    """Set `block` (b, d) to `features` less `mean`, both in whole steps of 2^−`grid`; then to the steps of 2^−`coarse`."""
    for part in _parts(len(block)):
        rows = block[part]
        np.multiply(features[part], 2.0**grid, out=rows, dtype=np.float64)
        np.rint(rows, out=rows)
        rows -= mean
        if coarse is not None and coarse != grid:
            rows *= 2.0 ** (coarse - grid)
            np.rint(rows, out=rows)


def _parts(n_rows: int) -> list[slice]:
    return [slice(start, start + _PART_ROWS) for start in range(0, n_rows, _PART_ROWS)]
