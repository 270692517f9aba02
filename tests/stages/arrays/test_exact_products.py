"""Products that no order of summation changes, and the Cholesky factor made of them."""

import os
import subprocess
import sys
from fractions import Fraction

import numpy as np
import pytest

from stages.arrays.exact_products import exact_matrix_product, inverse_cholesky_factor
from stages.arrays.exact_sums import round_into, round_to_grid

DIGEST = """
import hashlib
import numpy as np
from stages.features.whitening import fit_whitening, whitened
features = np.random.default_rng(0).standard_normal((700, 150)).astype(np.float32) + np.float32(0.3)
features /= np.linalg.norm(features.astype(np.float64), axis=1, keepdims=True).astype(np.float32)
whitening = fit_whitening(features, ridge=3)
print(hashlib.sha256(whitening.matrix.tobytes() + whitened(features, whitening).tobytes()).hexdigest())
"""


def random_covariance(dim, seed=0):
    rows = np.random.default_rng(seed).standard_normal((3 * dim, dim)) * np.linspace(0.1, 2, dim)
    return rows.T @ rows / len(rows) + 0.1 * np.eye(dim)


@pytest.mark.parametrize("shape", [(3, 1, 2), (4, 7, 5), (9, 64, 6), (2, 130, 3)])
def test_a_product_is_that_of_its_rounded_operands_to_the_last_bit(shape):
    generator = np.random.default_rng(1)
    a, b = generator.standard_normal(shape[:2]), 1e-3 * generator.standard_normal(shape[1:])
    product = exact_matrix_product(a, b)
    assert np.allclose(product, a @ b, atol=2e-6 * np.abs(a).max() * np.abs(b).max() * shape[1])
    reversed_order = exact_matrix_product(a[:, ::-1].copy(), b[::-1].copy())
    assert np.array_equal(product, reversed_order)
    # every value is a sum of products of numbers of 26 bits, which fractions hold
    assert all(Fraction(value).denominator & (Fraction(value).denominator - 1) == 0 for value in product.ravel())


def test_products_with_zeros_are_zero():
    assert not exact_matrix_product(np.zeros((2, 3)), np.ones((3, 2))).any()


@pytest.mark.parametrize("dim", [1, 2, 63, 64, 65, 200])
def test_the_factor_is_that_of_lapack(dim):
    matrix = random_covariance(dim)
    inverse = inverse_cholesky_factor(matrix.copy())
    assert np.array_equal(inverse, np.tril(inverse))
    assert np.allclose(inverse @ matrix @ inverse.T, np.eye(dim), atol=3e-6)
    assert np.allclose(inverse, np.linalg.inv(np.linalg.cholesky(matrix)), atol=3e-6 * np.abs(inverse).max())


def test_whitening_has_the_same_bits_by_the_kernels_of_other_processors():
    digests = set()
    for kernel, threads in (("Prescott", "1"), ("Haswell", "2"), ("", "2")):
        environment = {**os.environ, "OPENBLAS_CORETYPE": kernel, "OPENBLAS_NUM_THREADS": threads}
        environment = {name: value for name, value in environment.items() if value}
        done = subprocess.run(
            [sys.executable, "-c", DIGEST], env=environment, capture_output=True, text=True, check=True
        )
        digests.add(done.stdout)
    assert len(digests) == 1


@pytest.mark.parametrize("k", [-3, 0, 11, 40])
def test_rounding_into_an_array_gives_the_bits_of_rounding_anew(k):
    values = np.random.default_rng(0).standard_normal((7, 5)) * 100
    # halves of a step are ties
    values[0] = (np.arange(5) + 0.5) * 2.0**-k
    expected = round_to_grid(values, k)
    out = np.empty(values.shape)
    assert np.array_equal(round_into(values, k), expected)
    round_into(values.T, k, out=out.T)
    assert np.array_equal(out, expected)
    assert np.array_equal(round_into(values, k, out=values), expected)
