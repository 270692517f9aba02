"""Inner products of unit vectors without rounding, and how far a float32 product may be from them.

Similarity is *defined* here so that it has no rounding: features are rounded to multiples of 2⁻²⁶ (about the
precision that float32 leaves them), so every product and every partial sum of an inner product of unit vectors is a
whole multiple of 2⁻⁵² below 2, which float64 holds exactly whatever the order of summation. Equal images
therefore tie exactly, and what is ranked by it depends on no block size, thread count, library or machine.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from array_api_compat import array_namespace

from stages.arrays.backend import device_number
from stages.typing import Array

QUANTUM = 2.0**-26
"""The step that features are rounded to before an exact inner product."""

PAIR_CHUNK, PAIR_CHUNK_ON_A_GPU = 512, 16384
"""Pairs of feature vectors gathered at once; a GPU waits for launches if they are few."""

COMPILED_PAIRS = 20_000
"""Pairs above which compiled loops repay the time that loading them takes."""


def quantised(features: Array) -> Array:
    """`features` (n, d) rounded to multiples of `QUANTUM`, float64; float32 does it exactly as the step is a power of two."""
    xp = array_namespace(features)
    return xp.astype(xp.round(features * (1 / QUANTUM)), xp.float64) * QUANTUM


def exact_similarity(left: Array, right: Array) -> Array:
    """Exact inner products (r, c) float64 of all rows of `left` (r, d) with all rows of `right` (c, d)."""
    return quantised(left) @ quantised(right).T


def exact_similarity_of_pairs(left: Array, right: Array, row: Array, column: Array) -> Array:
    """Exact inner products (n_pairs, float64) of the rows `row` of `left` and `column` of `right` (n_pairs, int64).

    NumPy arrays with many pairs go through a compiled loop; the values are the same, being exact.
    """
    if isinstance(left, np.ndarray) and isinstance(right, np.ndarray) and len(row) > COMPILED_PAIRS:
        from stages.arrays.compiled_similarity import similarity_of_pairs

        result = np.empty(len(row))
        similarity_of_pairs(np.ascontiguousarray(left), np.ascontiguousarray(right), row, column, result)
        return result
    return gathered_similarity(left, right, row, column)


def gathered_similarity(left: Array, right: Array, row: Array, column: Array) -> Array:
    """Similarities of pairs in any array library, by gathering the rows of `PAIR_CHUNK` pairs at once."""
    xp: Any = array_namespace(left)
    parts = [xp.zeros(0, dtype=xp.float64, device=left.device)]
    step = PAIR_CHUNK if device_number(left) is None else PAIR_CHUNK_ON_A_GPU
    for start in range(0, row.shape[0], step):
        chunk = slice(start, min(start + step, row.shape[0]))
        products = quantised(xp.take(left, row[chunk], axis=0)) * quantised(xp.take(right, column[chunk], axis=0))
        parts.append(xp.sum(products, axis=1))
    return xp.concat(parts)


def product_error(dim: int, *, n_roundings: int | None = None) -> float:
    """How far a float32 inner product of two unit vectors may lie from the exact one.

    `n_roundings` is how many a product passes at most on its way into the sum, itself included; the default, `dim`,
    holds for any order of summation, with fused additions or without.

    γ = n·u/(1 − n·u), u = 2⁻²⁴, for the sum, times Σ|xᵢ||yᵢ| ≤ ‖x‖‖y‖, a twentieth more for lengths that are not quite
    1; √d·2⁻²⁶ for what rounding both vectors to `QUANTUM` moves it; 2⁻²⁴ for products too small for float32.
    """
    relative = (dim if n_roundings is None else n_roundings) * 2.0**-24
    return float(1.05 * (relative / (1 - min(0.5, relative)) + dim**0.5 * QUANTUM)) + 2.0**-24


def screen_margin(error: Array, dim: int, *, n_roundings: int | None = None) -> np.float32:
    """How far the screen's inner product of `dim` terms may lie from the exact one, given the `error` (n) seen on some.

    `product_error`, which is proven for float32, so that every rank is certified. Eight times the largest error seen goes
    before it where a library multiplies in less precision than that (TensorFloat-32), for which nothing is proven. The
    added 2⁻²² is for rounding the exact value and the bounds about it to float32. In 2048 dimensions the margin is 1.3e-4,
    1.9e-5 where sums are formed in chunks (288 roundings), and 2e-7 the largest error seen.
    """
    observed = 8 * float(error.max()) if len(error) else 0.0
    return np.float32(max(product_error(dim, n_roundings=n_roundings), observed) + 2.0**-22)
