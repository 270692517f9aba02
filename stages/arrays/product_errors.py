"""How far a library's matrix product may be from the exact one, and which precision it really multiplies in.

A bound is proven for a precision; a probe says which precision runs. Rows of one number show how inputs are rounded, and
rows of one large number and many small ones how many bits a sum keeps, which for tensor cores is documented nowhere.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from stages.errors import DbcError
from stages.typing import Array, Float64Array

_LEAST_BITS, _MOST_BITS = 8, 26
_RANDOM_ROWS = 16


def accumulation_error(dim: int, unit_roundoff: float) -> float:
    """Relative error of a sum of `dim` rounded products, with what underflow can add for rows of size at least 1."""
    return dim * unit_roundoff / (1 - min(0.5, dim * unit_roundoff)) + dim * 2.0**-126


def product_bound(precision: str, dim: int) -> float:
    """The γ of |product − exact| ≤ γ ‖left row‖ ‖right row‖ of rows of `dim` values and of size 1 or more.

    'float32': rounded sums in any order, fused or not, u = 2^-24. 'float16': float16 rows, whose products float32 holds
    exactly, in sums that keep 24 bits, rounded or cut off, one term at a time or in groups: u = 2^-23. 'tf32': the same
    sums of float32 rows that were first rounded or cut to 11 bits, which moves a product by 2^-9 of itself at most.
    """
    if precision == "float32":
        return accumulation_error(dim, 2.0**-24)
    sums = accumulation_error(dim, 2.0**-23)
    return sums if precision == "float16" else 2.0**-9 + sums * (1 + 2.0**-9)


def probe_rows(dim: int, dtype: type[np.floating]) -> tuple[Array, Array]:
    """Rows (r, dim) of `dtype`, to be multiplied with each other, that show what a product loses."""
    generator = np.random.default_rng(0)
    digits = np.finfo(dtype).nmant
    left, right = np.zeros((2, _MOST_BITS - _LEAST_BITS + 2 + _RANDOM_ROWS, dim))
    left[0, 0], right[0, 0] = 1 + 2.0**-digits, 2 - 2.0**-digits
    for row, bits in enumerate(range(_LEAST_BITS, _MOST_BITS + 1), start=1):
        left[row, 1:], right[row, 1:] = 2.0 ** -(bits // 2), 1.75 * 2.0 ** (bits // 2 - bits)
        left[row, 0] = right[row, 0] = 1
    left[-_RANDOM_ROWS:] = generator.standard_normal((_RANDOM_ROWS, dim))
    right[-_RANDOM_ROWS:] = np.abs(generator.standard_normal((_RANDOM_ROWS, dim)))
    return left.astype(dtype), right.astype(dtype)


def seen_error(multiply: Callable[[Array, Array], Array], dim: int, dtype: type[np.floating]) -> float:
    """The largest |product − exact| / (‖left row‖ ‖right row‖) that `multiply` makes of the probes; infinity for NaN.

    `multiply(left, right)` of host rows is left · rightᵀ (r, c) on the host.
    """
    left, right = probe_rows(dim, dtype)
    wide_left, wide_right = left.astype(np.float64), right.astype(np.float64)
    length: Float64Array = np.linalg.norm(wide_left, axis=1)[:, None] * np.linalg.norm(wide_right, axis=1)
    error = np.abs(multiply(left, right) - wide_left @ wide_right.T) / length
    return float(error.max()) if np.isfinite(error).all() else float("inf")


def precision_of(
    multiply: Callable[[Array, Array], Array], dim: int, dtype: type[np.floating], *, among: Sequence[str]
) -> str:
    """The first of the precisions `among` whose bound holds for what `multiply` makes of the probes.

    Raises DbcError if none does.
    """
    seen = seen_error(multiply, dim, dtype)
    # what float64 makes of the exact value is far below any bound
    found = next((precision for precision in among if seen <= product_bound(precision, dim)), None)
    if found is None:
        raise DbcError(
            f"the matrix product of this library has an error of {seen:.1e} in {dim} dimensions, expected at most "
            f"{product_bound(among[-1], dim):.1e} ({among[-1]}); give `device='cpu'`"
        )
    return found
