"""Shrunk whitening against a plain calculation, and what must not change it."""

import numpy as np
import pytest
from scipy.linalg import sqrtm

from stages.errors import DbcError, UsageError
from stages.whitening import fit_whitening, whitened


def some_features(seed, n=60, dim=7):
    generator = np.random.default_rng(seed)
    features = generator.normal(size=(n, dim)) * np.arange(1, dim + 1) + 3
    return (features / np.linalg.norm(features, axis=1, keepdims=True)).astype(np.float32)


def plainly_whitened(features, fitted_on, ridge):
    rows = fitted_on.astype(np.float64)
    covariance = np.cov(rows.T, bias=True)
    shrunk = covariance + ridge * np.trace(covariance) / len(covariance) * np.eye(len(covariance))
    moved = np.array([np.linalg.inv(sqrtm(shrunk)) @ (row - rows.mean(axis=0)) for row in features])
    return moved / np.linalg.norm(moved, axis=1, keepdims=True)


@pytest.mark.parametrize("ridge", [0.01, 3.0])
def test_whitening_is_the_inverse_root_of_the_shrunk_covariance(ridge):
    train, other = some_features(0), some_features(1, n=9)
    whitening = fit_whitening(train, ridge=ridge)
    for features in (train, other):
        assert np.allclose(whitened(features, whitening), plainly_whitened(features, train, ridge), atol=1e-6)


def test_almost_no_ridge_leaves_every_direction_the_same_variance():
    train = some_features(2, n=400)
    whitening = fit_whitening(train, ridge=1e-9)
    moved = (train - whitening.mean) @ whitening.matrix
    assert np.allclose(np.cov(moved.T, bias=True), np.eye(7), atol=1e-5)


def test_the_order_of_the_rows_changes_no_bit():
    train = some_features(3, n=5000)
    train[7] = train[4001]
    order = np.random.default_rng(4).permutation(len(train))
    straight = whitened(train, fit_whitening(train, ridge=3))
    permuted = whitened(train[order], fit_whitening(train[order], ridge=3))
    assert np.array_equal(straight[order], permuted)
    assert np.array_equal(straight[7], straight[4001])


def test_more_columns_than_rows_are_whitened_too():
    train = some_features(5, n=4, dim=30)
    result = whitened(train, fit_whitening(train, ridge=1))
    assert np.allclose(np.linalg.norm(result, axis=1), 1, atol=1e-6)


def test_what_cannot_be_whitened_is_refused():
    train = some_features(6)
    with pytest.raises(UsageError, match="--whiten: found 0"):
        fit_whitening(train, ridge=0)
    with pytest.raises(DbcError, match="all the same"):
        fit_whitening(np.repeat(train[:1], 5, axis=0), ridge=1)
    with pytest.raises(DbcError, match="no train features found to whiten by"):
        fit_whitening(train[:0], ridge=1)
    train[3, 2] = np.nan
    with pytest.raises(DbcError, match="features row 3 holds NaN"):
        fit_whitening(train, ridge=1)
