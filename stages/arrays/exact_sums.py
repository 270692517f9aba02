"""Sums whose bits depend on neither the order of their terms nor the library that adds them.

Two tools. Values rounded to a power-of-two grid fine enough for the data and coarse enough that every partial sum
is a multiple of the grid below 2^53: float64 then adds them exactly, in any order. And a sum along the last axis as
a fixed tree of elementwise additions, which IEEE 754 defines to the last bit on every device.
"""

from __future__ import annotations

import math

import array_api_compat
import numpy as np

from stages.typing import Array, Float64Array


def halving_sum(terms: Array) -> Array:
    """Sums along the last axis, (..., d) → (...), added as a fixed binary tree.

    At each level the second half of the axis is added to the first (a middle element of an odd length goes up
    unchanged). Only elementwise additions: a library's own reduction chooses an order of its own.
    """
    xp = array_api_compat.array_namespace(terms)
    width = terms.shape[-1]
    while width > 1:
        half = (width + 1) // 2
        pairs = terms[..., : width - half] + terms[..., half:width]
        terms = pairs if 2 * half == width else xp.concat([pairs, terms[..., half - 1 : half]], axis=-1)
        width = half
    return terms[..., 0]


def exponent_of(bound: float) -> int:
    """The smallest e with bound ≤ 2^e, for a bound > 0; 0 for a bound of 0."""
    if bound == 0:
        return 0
    mantissa, exponent = math.frexp(bound)
    return exponent - 1 if mantissa == 0.5 else exponent


def grid_exponent(bound: float, n_terms: int) -> int:
    """The k for which sums of up to `n_terms` multiples of 2^-k, each at most `bound` in size, are exact in float64.

    |sum| ≤ n_terms · bound ≤ 2^(b + e) with b = ⌈log2 n_terms⌉ and e = ⌈log2 bound⌉, so with k = 53 − b − e every
    partial sum is an integer multiple of 2^-k of at most 2^53 units, and those are exact. For L2-normalised features
    and up to 2^14 samples k is 39 or more. b is taken as at least 2, which keeps a single value below 2^51 units.
    """
    return 53 - exponent_of(bound) - max(2, (n_terms - 1).bit_length())


def grid_exponents(bound: float, n_terms: int) -> tuple[int, int]:
    """The exponents (k of the coarse grid, k of the fine grid) of `split_on_grids`."""
    k = grid_exponent(bound, n_terms)
    return k, grid_exponent(2.0 ** -(k + 1), n_terms)


def round_to_grid(values: Array, k: int) -> Array:
    """`values` rounded to multiples of 2^-k, ties to even; shape and dtype kept."""
    xp = array_api_compat.array_namespace(values)
    return xp.round(values * 2.0**k) * 2.0**-k


def round_into(values: Float64Array, k: int, out: Float64Array | None = None) -> Float64Array:
    """`round_to_grid` of NumPy's `values`, without arrays between: into `out`, which may be they, or a new array."""
    rounded = np.multiply(values, 2.0**k, out=out)
    np.rint(rounded, out=rounded)
    rounded *= 2.0**-k
    return rounded


def split_on_grids(values: Array, *, bound: float, n_terms: int) -> tuple[Array, Array]:
    """(high, low), both of `values`' shape, whose sums over up to `n_terms` elements are exact in any order.

    |values| ≤ bound. `high` is `values` on the grid of `grid_exponent`; `low` is the remainder (exact, and at most
    half a step of `high`'s grid) on the finer grid that its own bound allows. high + low differs from `values` by at
    most bound · n_terms² · 2^-106.
    """
    coarse, fine = grid_exponents(bound, n_terms)
    high = round_to_grid(values, coarse)
    return high, round_to_grid(values - high, fine)


def segment_sums(rows: Array, starts: Array, stops: Array) -> Array:
    """Sums of consecutive rows, (n, ...) → (K, ...): rows starts[c] to stops[c] − 1 for each c.

    For values on a grid of `grid_exponent` with n_terms ≥ n: the running sums and their differences are then exact.
    `starts` and `stops` are (K,) int64.
    """
    xp = array_api_compat.array_namespace(rows)
    running = xp.cumulative_sum(rows, axis=0, include_initial=True)
    return xp.take(running, stops, axis=0) - xp.take(running, starts, axis=0)
