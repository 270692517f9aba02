"""Whitening by camera and what is found of cameras, on features whose camera part is known."""

import numpy as np
import pytest

from stages.arrays import row_blocks
from stages.arrays.similarity import exact_similarity
from stages.features import camera_finding
from stages.features.camera_finding import ByCamera, CameraPairs, nearest_by_camera
from stages.features.camera_whitening import HALF_TRUSTED, Whitenings, fit_by_camera
from stages.features.whitening import fit_whitening, whitened
from stages.samples import LEAST_IN_CAMERA, UNKNOWN

N_IDENTITIES, N_EACH, DIM = 20, 4, 32


def seen_by(n_cameras, *, look, n_each=N_EACH, seed=0):
    """Unit features (n, d), pid and camid: identities seen `n_each` times by each camera, whose look scales and shifts."""
    rng = np.random.default_rng(seed)
    centres = rng.standard_normal((N_IDENTITIES, DIM))
    pid, camid = (
        part.ravel()
        for part in np.meshgrid(np.arange(N_IDENTITIES), np.repeat(np.arange(n_cameras), n_each), indexing="ij")
    )
    rows = centres[pid] + 0.5 * rng.standard_normal((len(pid), DIM))
    scales = np.exp(look * rng.standard_normal((n_cameras, DIM)))
    shifts = look * 2 * rng.standard_normal((n_cameras, DIM))
    rows = rows * scales[camid] + shifts[camid]
    unit = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
    return unit, pid, camid.astype(np.int32)


def found(rows, camid, *, ridge=3.0, metric="sqeuclidean"):
    finding, whitenings, compared = ByCamera(rows, camid, fit if ridge else None).find(metric=metric)
    return finding, whitenings, compared()


def fit(rows, _camera):
    return fit_whitening(rows, ridge=3)


def finds_the_identity(rows, pid, camid):
    """How often the nearest row of another camera is of the same identity."""
    squared = np.square(rows[:, None].astype(np.float64) - rows).sum(axis=2)
    squared[camid[:, None] == camid] = np.inf
    return float((pid[squared.argmin(axis=1)] == pid).mean())


def test_each_camera_is_whitened_as_its_own_features_say_the_more_the_more_it_has():
    rows, _, camid = seen_by(3, look=1)
    shared = fit_whitening(rows, ridge=3)
    whitenings = fit_by_camera(rows, camid, shared, fit)
    assert list(whitenings.own) == [0, 1, 2]
    result = whitenings.of(rows, camid)
    cautious = fit_by_camera(rows, camid, shared, fit).scaled(0.5).of(rows, camid)
    for camera in range(3):
        own = rows[camid == camera]
        for found_rows, strength in ((result, 1), (cautious, 0.5)):
            share = strength * len(own) / (len(own) + HALF_TRUSTED)
            mixed = share * whitened(own, fit_whitening(own, ridge=3)) + (1 - share) * whitened(own, shared)
            expected = mixed / np.linalg.norm(mixed, axis=1, keepdims=True)
            np.testing.assert_allclose(found_rows[camid == camera], expected, atol=1e-6)


def test_cameras_with_few_samples_and_unknown_ones_keep_the_shared_whitening():
    rows, _, camid = seen_by(3, look=1)
    camid[camid == 1] = np.where(np.arange((camid == 1).sum()) < LEAST_IN_CAMERA - 1, 1, UNKNOWN)
    shared = fit_whitening(rows, ridge=3)
    whitenings = fit_by_camera(rows, camid, shared, fit)
    assert list(whitenings.own) == [0, 2]
    rest = ~np.isin(camid, (0, 2))
    np.testing.assert_array_equal(whitenings.of(rows, camid)[rest], whitened(rows[rest], shared))


def test_a_camera_whose_features_are_all_the_same_keeps_the_shared_whitening():
    rows, _, camid = seen_by(2, look=1)
    rows[camid == 1] = rows[camid == 1][0]
    assert list(fit_by_camera(rows, camid, fit(rows, None), fit).own) == [0]


def test_whitening_by_camera_follows_a_permutation_of_the_samples():
    rows, _, camid = seen_by(3, look=1)
    order = np.random.default_rng(1).permutation(len(rows))
    finding, _, result = found(rows, camid)
    moved_finding, _, moved = found(rows[order], camid[order])
    np.testing.assert_array_equal(moved, result[order])
    assert moved_finding == finding


def test_nearest_neighbours_by_camera_are_those_of_all_pairs():
    rows, _, camid = seen_by(3, look=0.5)
    near = nearest_by_camera(rows, camid)
    squared = np.square(rows[:, None].astype(np.float64) - rows).sum(axis=2)
    np.fill_diagonal(squared, np.inf)
    same = camid[:, None] == camid
    np.testing.assert_allclose(near.same, np.where(same, squared, np.inf).min(axis=1), atol=1e-6)
    np.testing.assert_allclose(near.other, np.where(same, np.inf, squared).min(axis=1), atol=1e-6)
    np.testing.assert_allclose(near.chance, (N_IDENTITIES * N_EACH - 1) / (len(rows) - 1))


@pytest.mark.parametrize("n_cores", [1, 3])
@pytest.mark.parametrize("alike", [False, True])
def test_nearest_neighbours_by_camera_are_exact_to_the_last_bit(monkeypatch, n_cores, alike):
    monkeypatch.setattr(row_blocks, "n_cores", lambda: n_cores)
    monkeypatch.setattr(camera_finding, "_BLOCK", 50)
    rows, _, camid = seen_by(3, look=0.5)
    if alike:
        rows[:] = rows[0]
    near = nearest_by_camera(rows, camid)
    distance = 2 - 2 * exact_similarity(rows, rows)
    np.fill_diagonal(distance, np.inf)
    same = camid[:, None] == camid
    np.testing.assert_array_equal(near.same, np.maximum(np.where(same, distance, np.inf).min(axis=1), 0))
    np.testing.assert_array_equal(near.other, np.maximum(np.where(same, np.inf, distance).min(axis=1), 0))


def test_a_camera_of_one_sample_has_no_nearest_one():
    rows, _, camid = seen_by(2, look=0)
    camid[0] = 7
    near = nearest_by_camera(rows, camid)
    assert np.flatnonzero(np.isinf(near.same)).tolist() == [0]
    assert np.isfinite(near.other).all()


@pytest.mark.parametrize(
    ("metric", "scaled"), [("sqeuclidean", lambda d: d), ("euclidean", np.sqrt), ("cosine", lambda d: d / 2)]
)
def test_pairs_of_one_camera_are_nearer_by_the_difference_of_two_quantiles(metric, scaled):
    rows, _, camid = seen_by(4, look=1)
    camid[3] = UNKNOWN
    squared = np.square(rows[:, None].astype(np.float64) - rows).sum(axis=2)
    both = np.triu(np.outer(camid != UNKNOWN, camid != UNKNOWN), 1)
    same = camid[:, None] == camid
    expected = np.quantile(scaled(squared[both & ~same]), 0.05) - np.quantile(scaled(squared[both & same]), 0.05)
    assert CameraPairs.of(rows, camid).nearer(metric) == pytest.approx(expected, abs=1e-3)


def test_pairs_of_one_camera_alone_say_nothing():
    rows, _, camid = seen_by(2, look=1)
    assert CameraPairs.of(rows, 0 * camid).nearer() == 0
    assert CameraPairs.of(rows, np.arange(len(camid)).astype(np.int32)).nearer() == 0


def test_pairs_of_many_samples_are_those_of_some_that_are_spread_evenly(monkeypatch):
    rows, _, camid = seen_by(3, look=1)
    monkeypatch.setattr(camera_finding, "PAIRS_OF", 40)
    some = np.unique(np.linspace(0, len(rows) - 1, 40).round().astype(int))
    few, expected = CameraPairs.of(rows, camid), CameraPairs.of(rows[some], camid[some])
    np.testing.assert_array_equal(few.same, expected.same)
    np.testing.assert_array_equal(few.other, expected.other)


@pytest.mark.parametrize("n_others", [1, 2, 5, LEAST_IN_CAMERA - 1])
@pytest.mark.parametrize("seed", range(3))
def test_a_few_samples_of_another_camera_are_no_reason_to_change_all_others(n_others, seed):
    rows, _, camid = seen_by(2, look=0, n_each=8, seed=seed)
    camid[:] = np.arange(len(camid)) < n_others
    finding, whitenings, _ = found(rows, camid)
    assert finding.told.endswith("cameras are ignored")
    assert finding.weight == 0
    assert not whitenings.own


def test_a_camera_that_has_no_sample_among_those_compared_is_no_reason_to_whiten_by_camera(monkeypatch):
    rows, _, camid = seen_by(2, look=0, n_each=8)
    camid[:] = np.isin(np.arange(len(camid)), range(1, 21))
    monkeypatch.setattr(camera_finding, "PAIRS_OF", 16)
    assert len(CameraPairs.of(rows, camid).other) == 0
    finding, whitenings, _ = found(rows, camid)
    assert finding.told.endswith("cameras are ignored")
    assert not whitenings.own


def test_individuals_whom_a_camera_took_several_times_are_no_look_of_the_camera():
    """Most nearest neighbours share a camera, as in Market-1501, because few individuals were in several cameras."""
    rng = np.random.default_rng(0)
    pid = np.repeat(np.arange(60), 6)
    camid = np.where(np.arange(360) % 6 < 5, pid % 3, (pid + 1) % 3).astype(np.int32)
    rows = rng.standard_normal((60, DIM))[pid] + 0.5 * rng.standard_normal((360, DIM))
    rows = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
    finding, _, _ = found(rows, camid)
    assert finding.neighbours > finding.chance + 0.3
    assert finding.weight < 0.02


def test_features_that_follow_cameras_are_whitened_by_camera_and_find_identities_in_other_cameras():
    rows, pid, camid = seen_by(3, look=2, n_each=8)
    finding, whitenings, result = found(rows, camid)
    assert finding.by_camera
    assert finding.neighbours > 0.9
    assert finding.weight > 0
    assert list(whitenings.own) == [0, 1, 2]
    before = finds_the_identity(whitened(rows, fit_whitening(rows, ridge=3)), pid, camid)
    assert finds_the_identity(result, pid, camid) > before + 0.1


@pytest.mark.parametrize(("share", "by_camera"), [(0.99, True), (1.01, False)])
def test_near_pairs_of_one_camera_that_are_hardly_nearer_say_nothing(monkeypatch, share, by_camera):
    rows, _, camid = seen_by(2, look=1)
    nearer = CameraPairs.of(whitened(rows, fit_whitening(rows, ridge=3)), camid).nearer()
    assert nearer > 0
    monkeypatch.setattr(camera_finding, "LEAST_NEARER", share * nearer)
    finding, whitenings, _ = found(rows, camid)
    assert finding.by_camera == by_camera
    assert (finding.weight > 0 or bool(whitenings.own)) == by_camera


def test_a_weight_without_any_whitening_by_camera_leaves_the_shared_whitening(monkeypatch):
    rows, _, camid = seen_by(3, look=1)
    monkeypatch.setattr(ByCamera, "_evening_strength", 0.0)
    finding, whitenings, compared = found(rows, camid)
    assert finding.weight > 0
    np.testing.assert_array_equal(whitenings.of(rows, camid), compared)


def test_features_without_cameras_in_them_are_left_alone():
    rows, _, camid = seen_by(4, look=0)
    camid = np.random.default_rng(2).permutation(camid)
    finding, whitenings, result = found(rows, camid)
    assert not finding.by_camera
    assert finding.weight == 0
    assert finding.told.endswith("cameras are ignored")
    assert isinstance(whitenings, Whitenings)
    assert not whitenings.own
    np.testing.assert_array_equal(result, whitened(rows, fit_whitening(rows, ridge=3)))


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda camid: np.arange(len(camid)) // 2, "too few to compare cameras by"),
        (lambda camid: 0 * camid, "all train samples are of one camera"),
        (
            lambda camid: np.where(np.arange(len(camid)) < 81, UNKNOWN, camid),
            "81 of 160 train samples have no camera id",
        ),
        (
            lambda camid: np.where(camid == 1, UNKNOWN, 0),
            "one camera: there is nothing to tell apart (80 of 160 have no",
        ),
    ],
)
def test_cameras_that_say_nothing_are_ignored_and_it_is_told(change, told):
    rows, _, camid = seen_by(2, look=1)
    finding, _, result = found(rows, change(camid).astype(np.int32))
    assert told in finding.told
    assert not finding.by_camera
    assert finding.weight == 0
    assert finding.summary().same_camera_neighbours is None
    np.testing.assert_array_equal(result, whitened(rows, fit_whitening(rows, ridge=3)))


def test_samples_without_a_camera_have_no_part_in_it_and_keep_the_shared_whitening():
    rows, _, camid = seen_by(3, look=2, n_each=8)
    is_known = np.random.default_rng(4).random(len(rows)) > 0.2
    some = np.where(is_known, camid, UNKNOWN).astype(np.int32)
    near, of_known = nearest_by_camera(rows, some), nearest_by_camera(rows[is_known], camid[is_known])
    for name in ("same", "other", "chance"):
        np.testing.assert_array_equal(getattr(near, name), getattr(of_known, name))
    finding, whitenings, result = found(rows, some)
    assert finding.by_camera
    assert finding.weight > 0
    assert f"({(~is_known).sum()} of {len(rows)} have no camera id and are taken as they are)" in finding.told
    assert list(whitenings.own) == [0, 1, 2]
    np.testing.assert_array_equal(result[~is_known], whitened(rows[~is_known], fit_whitening(rows, ridge=3)))


def test_without_whitening_there_is_a_weight_and_without_a_metric_there_is_none():
    rows, _, camid = seen_by(2, look=1)
    finding, whitenings, result = found(rows, camid, ridge=0)
    assert finding.weight > 0
    assert whitenings is None
    assert result is rows
    assert found(rows, camid, metric=None)[0].weight == 0


def test_it_is_told_how_much_nearer_near_pairs_of_one_camera_are():
    rows, _, camid = seen_by(3, look=2, n_each=8)
    nearer = CameraPairs.of(whitened(rows, fit_whitening(rows, ridge=3)), camid).nearer()
    assert (
        f"; near pairs of one camera are nearer than others by {nearer:.3f}: features are" in found(rows, camid)[0].told
    )
