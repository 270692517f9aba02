"""Products in place by SciPy's BLAS against NumPy's, on whole numbers, which both multiply exactly."""

import numpy as np
import pytest

from stages.arrays.blas import add_square, multiply_by_upper


@pytest.mark.parametrize(("n_rows", "dim"), [(0, 3), (1, 1), (1, 5), (7, 5), (3, 40)])
def test_products_in_place_are_those_of_numpy_and_leave_the_other_triangle(n_rows, dim):
    generator = np.random.default_rng(dim)
    rows = generator.integers(-99, 99, (n_rows, dim)).astype(np.float64)
    upper = generator.integers(-99, 99, (dim, dim)).astype(np.float64)
    # a part of a larger array, as the last block of a buffer is
    block = np.vstack([rows, np.ones((2, dim))])
    multiply_by_upper(block[:n_rows], upper)
    assert np.array_equal(block[:n_rows], rows @ np.triu(upper))
    assert (block[n_rows:] == 1).all()
    total = upper.copy()
    add_square(rows, total)
    assert np.array_equal(np.tril(total), np.tril(upper + rows.T @ rows))
    assert np.array_equal(np.triu(total, 1), np.triu(upper, 1))
