"""int8 products: exact, whatever their shape and way."""

from __future__ import annotations

import numpy as np
import pytest

from stages.arrays import screening_products
from stages.arrays.compiled_int8 import LARGEST_DIM, multiplies_int8
from stages.arrays.screening_products import host_product
from stages.typing import Array

WAYS = [
    pytest.param(True, marks=pytest.mark.skipif(not multiplies_int8(), reason="needs AVX-512 VNNI")),
    False,
]
SHAPES = [
    (4, 6, 64),
    (5, 7, 65),
    (3, 6, 64),
    (4, 5, 64),
    (9, 20, 63),
    (33, 31, 200),
    (7, 12, 128),
    (1, 1, 1),
    (0, 6, 64),
]


def product_of(monkeypatch: pytest.MonkeyPatch, left: Array, right: Array, *, in_hardware: bool) -> Array:
    monkeypatch.setattr(screening_products, "multiplies_int8", lambda: in_hardware)
    return host_product("int8", n_rows=len(left), dim=left.shape[1]).multiply(left, right)


@pytest.mark.parametrize("in_hardware", WAYS)
@pytest.mark.parametrize("shape", SHAPES)
def test_products_are_exact(monkeypatch: pytest.MonkeyPatch, shape: tuple[int, int, int], in_hardware: bool) -> None:
    n_left, n_right, dim = shape
    drawn = np.random.default_rng(sum(shape)).integers(-127, 128, (n_left + n_right, dim), dtype=np.int8)
    for rows in (drawn, np.full_like(drawn, 127), np.full_like(drawn, -127)):
        left, right = rows[:n_left], rows[n_left:]
        expected = left.astype(np.int64) @ right.astype(np.int64).T
        np.testing.assert_array_equal(product_of(monkeypatch, left, right, in_hardware=in_hardware), expected)


@pytest.mark.parametrize("in_hardware", WAYS)
@pytest.mark.parametrize("sign", [-1, 1])
def test_sums_stay_exact_at_the_most_dimensions(monkeypatch: pytest.MonkeyPatch, sign: int, in_hardware: bool) -> None:
    left, right = np.full((4, LARGEST_DIM), 127, np.int8), np.full((6, LARGEST_DIM), sign * 127, np.int8)
    assert (product_of(monkeypatch, left, right, in_hardware=in_hardware) == sign * 127**2 * LARGEST_DIM).all()
