"""The map of a comparison gives train rows what a merge compares, whatever the cameras are used for."""

import tracemalloc

import numpy as np
import pytest

from schemas.parameters import MergeParameters
from stages.errors import MemoryLimitError
from stages.features.camera_whitening import OwnWhitening, Whitenings
from stages.features.comparison import Comparison, comparison
from stages.features.prepared import compared_features
from stages.features.whitening import fit_whitening
from tests.stages.features.held import Held


@pytest.fixture
def artifacts(tmp_path):
    generator = np.random.default_rng(1)
    split = np.repeat([0, 1], [60, 20]).astype(np.uint8)
    camid = (np.arange(80) % 3).astype(np.int32)
    rows = generator.standard_normal((80, 12)) + 2 * generator.standard_normal((3, 12))[camid]
    rows = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
    return Held(tmp_path, pooled=rows), Held(tmp_path, split=split, camid=camid)


@pytest.mark.parametrize("camera", ["ignored", "centring", "penalty", "auto"])
@pytest.mark.parametrize("whiten", [0.0, 3.0])
def test_train_rows_are_mapped_to_what_a_merge_compares(artifacts, camera, whiten):
    features, dataset = artifacts
    parameters = MergeParameters(camera=camera, whiten=whiten)
    compared = comparison(features, dataset, parameters)
    rows, camid = features.read("pooled"), dataset.read("camid")
    mapped = compared.of(rows, camid)
    tolerance = 1e-6 if camera == "centring" else 0
    wanted = compared_features(features, dataset, parameters)
    np.testing.assert_allclose(mapped[dataset.read("split") == 0], wanted, rtol=0, atol=tolerance)
    np.testing.assert_allclose(np.linalg.norm(mapped, axis=1), 1, atol=1e-6)
    # no row depends on others, and an unknown camera is allowed
    np.testing.assert_array_equal(compared.of(rows[70:71], camid[70:71]), mapped[70:71])
    assert np.isfinite(compared.of(rows[70:72], np.full(2, -2, dtype=np.int32))).all()


@pytest.mark.parametrize(("camera", "whiten"), [("ignored", 3.0), ("centring", 0.0), ("centring", 3.0), ("auto", 3.0)])
def test_a_comparison_fitted_on_some_rows_is_that_of_these_alone(artifacts, tmp_path, camera, whiten):
    features, dataset = artifacts
    rows, camid, split = features.read("pooled"), dataset.read("camid"), dataset.read("split")
    train = np.flatnonzero(split == 0)
    some, others = train[train % 4 > 0], train[train % 4 == 0]
    parameters = MergeParameters(camera=camera, whiten=whiten)
    compared = comparison(features, dataset, parameters)
    held = Held(tmp_path / "some", pooled=rows[some]), Held(tmp_path, split=split[some], camid=camid[some])
    wanted = comparison(*held, parameters)
    if camera == "auto":
        # each camera of 15 has the share of all its 20
        own = {each: fit_whitening(rows[some][camid[some] == each], ridge=whiten) for each in range(3)}
        shared = fit_whitening(rows[some], ridge=whiten)
        wanted = Comparison(Whitenings(shared, {each: OwnWhitening(one, 20 / 120) for each, one in own.items()}))
        # of the last camera none is there
        two, third = train[camid[train] < 2], train[camid[train] == 2]
        without = Comparison(Whitenings(fit_whitening(rows[two], ridge=whiten)))
        _, found = compared.held_out(rows, camid, two, third, ridge=whiten)
        np.testing.assert_array_equal(found, without.of(rows[third], camid[third]))
    for found, those in zip(compared.held_out(rows, camid, some, others, ridge=whiten), (some, others), strict=True):
        # means of cameras are summed in another order
        tolerance = 1e-6 if camera == "centring" else 0
        np.testing.assert_allclose(found, wanted.of(rows[those], camid[those]), rtol=0, atol=tolerance)


def test_the_room_to_fit_on_others_is_what_that_takes_beside_the_maps_that_are_there():
    rows = np.random.default_rng(4).standard_normal((240, 128)).astype(np.float32)
    camid = (np.arange(240) % 12).astype(np.int32)
    tracemalloc.start()
    try:
        one = fit_whitening(rows, ridge=3.0)
        own = {each: OwnWhitening(fit_whitening(rows, ridge=3.0), 0.5) for each in range(12)}
        compared = Comparison(Whitenings(one, own))
        tracemalloc.reset_peak()
        some = np.arange(216)
        compared.held_out(rows, camid, some, np.arange(216, 240), ridge=3.0)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    with pytest.raises(MemoryLimitError, match="`whiten` of 240 features of 128 dimensions"):
        compared.require_room_to_fit(rows, memory_limit=peak - 1)
    compared.require_room_to_fit(rows, memory_limit=3 * peak)
    Comparison().require_room_to_fit(rows, memory_limit=0)
