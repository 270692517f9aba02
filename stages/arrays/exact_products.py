"""Matrix products that are exact in float64, and a Cholesky factor made of them: the same bits from every BLAS.

Operands are rounded to power-of-two grids so coarse that every partial sum of a product is a whole number of steps below
2^53. Float64 then adds them exactly, in any order, with or without fused multiply-add. Everything else is elementwise, which
IEEE 754 defines to the last bit. So no processor, thread count or library changes a result.
"""

from __future__ import annotations

from concurrent.futures import Executor, Future, ThreadPoolExecutor

import numpy as np
from array_api_compat import array_namespace

from stages.arrays.backend import n_cores, one_library_thread, to_host
from stages.arrays.exact_sums import exponent_of, round_into, round_to_grid
from stages.typing import Array, Float64Array

MANTISSA_BITS = 53
_BLOCK = 64
"""Rows of a block of the factorisation. Part of the last bits of the result, so it is fixed."""
_THREADS = 4
_PANEL = 256
"""Columns of a product that are computed at once; no result depends on it."""


def exact_matrix_product(a: Array, b: Array) -> Array:
    """a @ b, (m, k) by (k, n) → (m, n) float64, each first rounded to (53 − ⌈log₂ k⌉) / 2 bits of its largest value."""
    bits = _bits(a.shape[1])
    return _rounded(a, bits) @ _rounded(b, bits)


def _bits(n_terms: int) -> int:
    """Bits that either factor may have so that a sum of `n_terms` products is exact."""
    return (MANTISSA_BITS - max(1, (n_terms - 1).bit_length())) // 2


def _rounded(a: Array, bits: int) -> Array:
    grid = bits - exponent_of(_largest(a))
    return round_into(a, grid) if isinstance(a, np.ndarray) else round_to_grid(a, grid)


def _largest(a: Array) -> float:
    if 0 in a.shape:
        return 0.0
    xp = array_namespace(a)
    return max(float(xp.max(a)), -float(xp.min(a)))


def inverse_cholesky_factor(matrix: Array) -> Array:
    """L⁻¹ (d, d), lower triangular, of L Lᵀ = `matrix` (d, d) float64, which is symmetric and positive definite.

    Block by block: the products between blocks are `exact_matrix_product`, so L is as good as 23-bit operands make it
    (L⁻¹ A L⁻ᵀ differs from I by about 2e-7 if A is as well conditioned as a shrunk covariance).
    `matrix` is used up. On a GPU the products are made there, and the blocks on the diagonal here: the same bits.
    """
    dim, xp = matrix.shape[0], array_namespace(matrix)
    # columns that are done hold the factor, the others what is left to factorise
    rest, inverse = matrix, _RoundedRows(matrix)
    # a library's own threads wait for one another at every small product
    with one_library_thread(), ThreadPoolExecutor(min(_THREADS, n_cores())) as threads:
        for start in range(0, dim, _BLOCK):
            own = slice(start, min(dim, start + _BLOCK))
            before, after = slice(0, own.start), slice(own.stop, dim)
            own_inverse = xp.asarray(_inverse_of_lower(_cholesky_of_block(to_host(rest[own, own]))))
            inverse.rows[own, own] = own_inverse
            rest[after, own] = below = exact_matrix_product(rest[after, own], own_inverse.T)
            subtracting = _subtract_square(rest[after, after], _rounded(below, _bits(below.shape[1])), threads)
            if start:
                mixed = _times_lower(_rounded(rest[own, before], _bits(start)), inverse.first(start, _bits(start)))
                inverse.rows[own, before] = -exact_matrix_product(own_inverse, mixed)
            for part in subtracting:
                part.result()
    return inverse.rows


class _RoundedRows:
    """A lower triangular matrix `rows` (d, d) that is filled from above, and a rounded copy that is kept up with it."""

    def __init__(self, like: Array) -> None:
        self.rows = array_namespace(like).zeros_like(like)
        self._copy = array_namespace(like).empty_like(like)
        self._n_rounded, self._grid, self._largest = 0, 0, 0.0

    def first(self, n_rows: int, bits: int) -> Array:
        """The first rows and columns (n, n), rounded to `bits` of their largest value."""
        new = self.rows[self._n_rounded : n_rows, :n_rows]
        self._largest = max(self._largest, _largest(new))
        grid = bits - exponent_of(self._largest)
        if grid != self._grid:
            self._grid, self._n_rounded = grid, 0
        # columns beyond its diagonal are zeros in every row
        rows = slice(self._n_rounded, n_rows)
        if isinstance(self.rows, np.ndarray):
            round_into(self.rows[rows, :], grid, out=self._copy[rows, :])
        else:
            self._copy[rows, :] = round_to_grid(self.rows[rows, :], grid)
        self._n_rounded = n_rows
        return self._copy[:n_rows, :n_rows]


def _times_lower(rows: Array, lower: Array) -> Array:
    """`rows` (m, n) @ `lower` (n, n), here without most zeros above its diagonal; for products whose sums are exact."""
    if not isinstance(rows, np.ndarray):
        return rows @ lower
    product = np.empty_like(rows)
    for start in range(0, len(lower), _PANEL):
        panel = slice(start, start + _PANEL)
        product[:, panel] = rows[:, start:] @ lower[start:, panel]
    return product


def _subtract_square(rest: Array, rows: Array, threads: Executor) -> list[Future[None]]:
    """Begin to subtract `rows` · `rows`ᵀ from `rest` (n, n) on and below its diagonal; above it is nothing of use."""
    if not isinstance(rest, np.ndarray):
        rest[...] = rest - rows @ rows.T
        return []

    def subtract(start: int) -> None:
        rest[start:, start : start + _PANEL] -= rows[start:] @ rows[start : start + _PANEL].T

    return [threads.submit(subtract, start) for start in range(0, len(rest), _PANEL)]


def _cholesky_of_block(block: Float64Array) -> Float64Array:
    """L (b, b), column by column, each subtracted from those after it."""
    rest = block.copy()
    for k in range(len(rest)):
        rest[k, k] = np.sqrt(rest[k, k])
        rest[k + 1 :, k] /= rest[k, k]
        rest[k + 1 :, k + 1 :] -= np.multiply.outer(rest[k + 1 :, k], rest[k + 1 :, k])
    return np.tril(rest)


def _inverse_of_lower(lower: Float64Array) -> Float64Array:
    """L⁻¹ (b, b) by forward substitution, row by row."""
    inverse = np.eye(len(lower))
    for k in range(len(lower)):
        inverse[k, : k + 1] /= lower[k, k]
        inverse[k + 1 :, : k + 1] -= np.multiply.outer(lower[k + 1 :, k], inverse[k, : k + 1])
    return inverse
