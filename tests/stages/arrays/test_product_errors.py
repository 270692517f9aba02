"""Errors of matrix products: bounds hold for what they are proven for, and probes tell precisions apart."""

from __future__ import annotations

import numpy as np
import pytest

from stages.arrays.product_errors import precision_of, product_bound, seen_error
from stages.errors import DbcError

DIMS = [1, 2, 7, 64, 500, 2048]


def float32(left, right):
    return left.astype(np.float32) @ right.astype(np.float32).T


def one_by_one(keep_bits: int, *, cut: bool):
    """Products summed one term at a time in `keep_bits` bits, rounded or cut off."""

    def multiply(left, right):
        terms = left.astype(np.float64)[:, None, :] * right.astype(np.float64)[None, :, :]
        total = np.zeros(terms.shape[:2])
        for place in range(terms.shape[2]):
            mantissa, exponent = np.frexp(total + terms[..., place])
            digits = mantissa * 2.0**keep_bits
            total = np.ldexp(np.trunc(digits) if cut else np.rint(digits), exponent - keep_bits)
        return total

    return multiply


def tensor_float(left, right):
    """float32 inputs cut to 11 bits, as TensorFloat-32 hardware may."""
    cut = [(rows.view(np.uint32) & np.uint32(0xFFFFE000)).view(np.float32) for rows in (left, right)]
    return cut[0] @ cut[1].T


@pytest.mark.parametrize("dim", DIMS)
def test_float32_is_told_from_tensor_float(dim: int) -> None:
    among = ("float32", "tf32")
    assert precision_of(float32, dim, np.float32, among=among) == "float32"
    assert precision_of(tensor_float, dim, np.float32, among=among) == "tf32"


@pytest.mark.parametrize("dim", [1, 7, 64, 500])
def test_sums_cut_off_at_24_bits_are_within_the_bound_of_half_rows_and_beyond_that_of_float32_rounding(dim) -> None:
    assert seen_error(one_by_one(24, cut=True), dim, np.float16) <= product_bound("float16", dim)
    assert seen_error(one_by_one(24, cut=False), dim, np.float32) <= product_bound("float32", dim)


@pytest.mark.parametrize("dim", [64, 500])
@pytest.mark.parametrize("bits", [11, 14, 20, 22])
def test_sums_that_keep_fewer_bits_are_refused(dim: int, bits: int) -> None:
    with pytest.raises(
        DbcError, match=r"error of .* in \d+ dimensions, expected at most .*float16.*; give `device='cpu'`"
    ):
        precision_of(one_by_one(bits, cut=True), dim, np.float16, among=("float16",))


def test_a_product_of_nan_is_refused() -> None:
    with pytest.raises(DbcError, match="error of inf"):
        precision_of(lambda left, right: float32(left, right) * np.nan, 8, np.float32, among=("float32",))
