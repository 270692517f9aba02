"""Shrunk whitening against a plain calculation, and what must not change it."""

from types import SimpleNamespace

import numpy as np
import pytest

from stages.arrays import device_memory, row_blocks
from stages.arrays.backend import Backend, namespace_for
from stages.arrays.exact_sums import halving_sum
from stages.errors import DbcError, UsageError
from stages.features import whitening as whitening_module
from stages.features.whitening import BLOCK_ROWS, fit_whitening, whitened


def some_features(seed, n=60, dim=7):
    generator = np.random.default_rng(seed)
    features = generator.normal(size=(n, dim)) * np.arange(1, dim + 1) + 3
    return (features / np.linalg.norm(features, axis=1, keepdims=True)).astype(np.float32)


def plainly_whitened(features, fitted_on, ridge):
    rows = fitted_on.astype(np.float64)
    covariance = np.cov(rows.T, bias=True)
    shrunk = covariance + ridge * np.trace(covariance) / len(covariance) * np.eye(len(covariance))
    variance, directions = np.linalg.eigh(shrunk)
    root = directions / np.sqrt(variance) @ directions.T
    moved = np.array([root @ (row - rows.mean(axis=0)) for row in features])
    return moved / np.linalg.norm(moved, axis=1, keepdims=True)


@pytest.mark.parametrize("ridge", [0.01, 3.0])
@pytest.mark.parametrize("shape", [(60, 7), (40, 90), (300, 130)])
def test_whitening_is_an_inverse_root_of_the_shrunk_covariance(shape, ridge):
    train = some_features(0, *shape)
    features = np.concatenate([train, some_features(1, 9, shape[1])])
    result = whitened(features, fit_whitening(train, ridge=ridge))
    plain = plainly_whitened(features, train, ridge)
    # roots differ by a rotation, which leaves inner products as they are
    assert np.allclose(result @ result.T, plain @ plain.T, atol=2e-6 / np.sqrt(ridge))


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


def test_few_rows_in_any_order_give_the_same_bits():
    train = some_features(8, n=20, dim=50)
    order = np.random.default_rng(4).permutation(20)
    straight, permuted = (fit_whitening(rows, ridge=3).matrix for rows in (train, train[order]))
    assert np.array_equal(straight, permuted)


@pytest.mark.parametrize("dim", [2, 30])
def test_equal_rows_of_any_width_are_refused_without_a_warning(dim):
    with pytest.raises(DbcError, match="are the same"):
        fit_whitening(np.repeat(some_features(6, dim=dim)[:1], 5, axis=0), ridge=1)


def test_what_cannot_be_whitened_is_refused():
    train = some_features(6)
    with pytest.raises(UsageError, match="`whiten` must be a finite number above 0, got 0"):
        fit_whitening(train, ridge=0)
    with pytest.raises(DbcError, match="are the same"):
        fit_whitening(np.repeat(train[:1], 5, axis=0), ridge=1)
    for ridge in (1e-300, 1e-40):
        with pytest.raises(UsageError, match="`whiten` must be larger for these 20 features of 600 numbers, got 1e-"):
            fit_whitening(some_features(8, n=20, dim=600), ridge=ridge)
    with pytest.raises(DbcError, match="no train features to whiten by"):
        fit_whitening(train[:0], ridge=1)
    train[3, 2] = np.nan
    with pytest.raises(DbcError, match="row 3 holds NaN"):
        fit_whitening(train, ridge=1)


def test_a_row_is_whitened_alike_alone_and_among_others():
    train = some_features(9, n=1500, dim=20)
    whitening = fit_whitening(train, ridge=3)
    together = whitened(train, whitening)
    assert np.array_equal(together[1100:1103], whitened(train[1100:1103], whitening))


def test_the_number_of_threads_changes_no_bit(monkeypatch):
    train = some_features(10, n=2600, dim=30)
    monkeypatch.setattr(row_blocks, "n_cores", lambda: 1)
    alone = fit_whitening(train, ridge=3)
    rows = whitened(train, alone)
    monkeypatch.setattr(row_blocks, "n_cores", lambda: 5)
    shared = fit_whitening(train, ridge=3)
    assert row_blocks.n_threads(len(train), BLOCK_ROWS) == 5
    assert np.array_equal(alone.mean, shared.mean)
    assert np.array_equal(alone.matrix, shared.matrix)
    assert np.array_equal(rows, whitened(train, shared))


def test_rows_are_those_of_one_plain_float64_product():
    train = some_features(11, n=700, dim=40)
    whitening = fit_whitening(train, ridge=3)
    steps = np.round(train.astype(np.float64) * 2.0**whitening.grid) * 2.0**-whitening.grid
    moved = (steps - whitening.mean) @ whitening.matrix
    length = np.sqrt(halving_sum(moved**2))[:, None]
    assert np.array_equal(whitened(train, whitening), (moved / length).astype(np.float32))


@pytest.fixture(params=["strict", pytest.param("cupy", marks=pytest.mark.gpu)])
def backend(request):
    """An array library that is not NumPy: strict arrays, and CuPy where there is a GPU."""
    if request.param == "strict":
        return Backend(pytest.importorskip("array_api_strict"), "strict", "cpu")
    cupy = pytest.importorskip("cupy")
    if not cupy.cuda.is_available():
        pytest.skip("needs a CUDA device")
    return namespace_for("cuda")


@pytest.mark.parametrize("ridge", [0.01, 3.0])
@pytest.mark.parametrize("shape", [(1, 5), (60, 7), (40, 90), (700, 64), (2600, 201)])
def test_another_array_library_gives_the_same_bits(backend, shape, ridge, monkeypatch):
    monkeypatch.setattr(whitening_module, "BLOCK_ROWS_ON_A_GPU", 300)
    train = some_features(12, *shape)
    # rows at the mean, of which a library may make a negative zero
    train[-1] = train[: len(train) // 2 + 1].mean(axis=0)
    if len(train) == 1:
        with pytest.raises(DbcError, match="are the same"):
            fit_whitening(train, ridge=ridge, backend=backend)
        return
    here, there = (fit_whitening(train, ridge=ridge, backend=which) for which in (None, backend))
    assert there.backend is backend
    assert np.array_equal(here.mean, there.mean)
    assert np.array_equal(here.matrix, there.matrix)
    assert here.grid == there.grid
    more = np.concatenate([train, here.mean[None].astype(np.float32), some_features(13, 3, shape[1])])
    rows = whitened(more, there)
    assert rows.dtype == np.float32
    assert rows.tobytes() == whitened(more, here).tobytes()


def test_features_that_no_ridge_tells_apart_are_refused_by_any_library(backend):
    with pytest.raises(UsageError, match="`whiten` must be larger for these 20 features of 600 numbers, got 1e-"):
        fit_whitening(some_features(8, n=20, dim=600), ridge=1e-40, backend=backend)


class NoRoomError(Exception):
    """What CuPy raises when a GPU has no memory left."""


@pytest.mark.parametrize("error", [NoRoomError, ZeroDivisionError])
def test_without_room_on_a_gpu_whitening_is_done_here(error, monkeypatch):
    def asarray(_array):
        raise error

    cuda = SimpleNamespace(memory=SimpleNamespace(OutOfMemoryError=NoRoomError), is_available=lambda: False)
    monkeypatch.setattr(device_memory, "_imported", lambda name: SimpleNamespace(cuda=cuda) if name == "cupy" else None)
    full = Backend(SimpleNamespace(asarray=asarray), "full", "cuda:0")
    train = some_features(14)
    if error is ZeroDivisionError:
        with pytest.raises(ZeroDivisionError):
            fit_whitening(train, ridge=3, backend=full)
        return
    there, here = fit_whitening(train, ridge=3, backend=full), fit_whitening(train, ridge=3)
    assert np.array_equal(there.matrix, here.matrix)
    assert np.array_equal(whitened(train, there), whitened(train, here))
