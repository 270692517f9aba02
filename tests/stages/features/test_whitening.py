"""Shrunk whitening against a plain calculation, and what must not change it."""

import numpy as np
import pytest
from scipy.linalg import sqrtm

from stages.errors import DbcError, UsageError
from stages.features import whitening as module
from stages.features.whitening import fit_whitening, whitened


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


@pytest.mark.parametrize("ridge", [1e-6, 0.01, 3.0])
@pytest.mark.parametrize("shape", [(2, 3), (30, 31), (40, 90), (60, 7)])
def test_inner_products_of_few_rows_give_what_the_covariance_gives(shape, ridge):
    train = some_features(7, *shape)
    train[1] = train[0] if len(train) > 2 else train[1]
    rows, _, counts = module._canonical(train)
    mean = train.astype(np.float64).mean(axis=0)
    by_covariance = module._from_covariance(rows, counts, mean, ridge=ridge)
    by_rows = module._from_gram(rows, counts, mean, ridge=ridge)
    assert by_rows[0] == pytest.approx(by_covariance[0], rel=1e-12)
    assert np.allclose(by_rows[1], by_covariance[1], rtol=0, atol=1e-9 * np.abs(by_covariance[1]).max())
    assert np.array_equal(by_rows[1], by_rows[1].T)


def test_few_rows_are_taken_by_their_inner_products(monkeypatch):
    taken = []
    for name in ("_from_gram", "_from_covariance"):
        plain = getattr(module, name)

        def noted(*arrays, name=name, plain=plain, **options):
            taken.append(name)
            return plain(*arrays, **options)

        monkeypatch.setattr(module, name, noted)
    fit_whitening(some_features(0, n=29, dim=30), ridge=1)
    # what counts is how many differ
    fit_whitening(np.repeat(some_features(0, n=29, dim=30), 2, axis=0), ridge=1)
    fit_whitening(some_features(0, n=30, dim=30), ridge=1)
    assert taken == ["_from_gram", "_from_gram", "_from_covariance"]


def test_few_rows_in_any_order_give_the_same_bits():
    train = some_features(8, n=20, dim=50)
    order = np.random.default_rng(4).permutation(20)
    straight, permuted = (fit_whitening(rows, ridge=3).matrix for rows in (train, train[order]))
    assert np.array_equal(straight, permuted)


@pytest.mark.parametrize("dim", [2, 30])
def test_equal_rows_of_any_width_are_refused_without_a_warning(dim):
    with pytest.raises(DbcError, match="all the same"):
        fit_whitening(np.repeat(some_features(6, dim=dim)[:1], 5, axis=0), ridge=1)


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
