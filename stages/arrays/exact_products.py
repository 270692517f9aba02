"""Matrix products that are exact in float64, and a Cholesky factor made of them: the same bits from every BLAS.

Operands are rounded to power-of-two grids so coarse that every partial sum of a product is a whole number of steps below
2^53. Float64 then adds them exactly, in any order, with or without fused multiply-add. Everything else is elementwise, which
IEEE 754 defines to the last bit. So no processor, thread count or library changes a result.
"""

from __future__ import annotations

import numpy as np

from stages.arrays.exact_sums import exponent_of, round_to_grid
from stages.typing import Float64Array

MANTISSA_BITS = 53
_BLOCK = 64
"""Rows of a block of the factorisation. Part of the last bits of the result, so it is fixed."""


def exact_product(a: Float64Array, b: Float64Array) -> Float64Array:
    """a @ b, (m, k) by (k, n) → (m, n), with each operand first rounded to (53 − ⌈log₂ k⌉) / 2 bits of its largest value."""
    bits = (MANTISSA_BITS - max(1, (a.shape[1] - 1).bit_length())) // 2
    return _rounded(a, bits) @ _rounded(b, bits)


def _rounded(a: Float64Array, bits: int) -> Float64Array:
    largest = float(np.abs(a).max(initial=0.0))
    rounded: Float64Array = round_to_grid(a, bits - exponent_of(largest))
    return rounded


def inverse_cholesky_factor(matrix: Float64Array) -> Float64Array:
    """L⁻¹ (d, d), lower triangular, of the factor L Lᵀ = `matrix` (d, d), which is symmetric and positive definite.

    Block by block: the products between blocks are `exact_product`, so L is as good as 23-bit operands make it
    (L⁻¹ A L⁻ᵀ differs from I by about 2e-7 if A is as well conditioned as a shrunk covariance).
    """
    dim = len(matrix)
    rest, factor, inverse = matrix.copy(), np.zeros_like(matrix), np.zeros_like(matrix)
    for start in range(0, dim, _BLOCK):
        own = slice(start, min(dim, start + _BLOCK))
        before, after = slice(0, own.start), slice(own.stop, dim)
        inverse[own, own] = own_inverse = _inverse_of_lower(_cholesky_of_block(rest[own, own]))
        if start:
            mixed = exact_product(factor[own, before], inverse[before, before])
            inverse[own, before] = -exact_product(own_inverse, mixed)
        factor[after, own] = below = exact_product(rest[after, own], own_inverse.T)
        rest[after, after] -= exact_product(below, below.T.copy())
    return inverse


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
