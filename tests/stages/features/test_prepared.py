"""What centring and whitening take beside the features, against what Python traces, and the refusal of too little."""

import tracemalloc
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import numpy as np
import pytest

from schemas.parameters import MergeParameters
from stages.arrays.memory_limit import require_memory
from stages.errors import DbcError, MemoryLimitError
from stages.features.centring import centred_by_camera, centring_bytes
from stages.features.prepared import compared_features, needed_cameras, prepared, whitening_bytes
from stages.features.whitening import fit_whitening, whitened
from tests.stages.features.held import Held


def some_features(n_samples, dim=48):
    rows = np.random.default_rng(0).standard_normal((n_samples, dim)).astype(np.float32)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def traced_peak(call):
    call()
    tracemalloc.start()
    try:
        call()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(("n_samples", "dim"), [(300, 48), (9000, 48), (100, 400), (1100, 400)])
def test_whitening_takes_at_most_what_its_model_says_and_no_more_than_thrice_less(n_samples, dim):
    rows = some_features(n_samples, dim)
    peak = traced_peak(lambda: whitened(rows, fit_whitening(rows, ridge=3)))
    assert peak <= whitening_bytes(n_samples=n_samples, dim=dim) <= 3 * peak


@pytest.mark.parametrize("n_cameras", [1, 6])
def test_centring_takes_at_most_what_its_model_says_and_no_more_than_twice_less(n_cameras):
    rows, camid = some_features(9000), (np.arange(9000) % n_cameras).astype(np.int32)
    peak = traced_peak(lambda: centred_by_camera(rows, camid))
    assert peak <= centring_bytes(n_samples=9000, dim=48, largest_camera=9000 // n_cameras) <= 2 * peak


@pytest.mark.parametrize(
    ("parameters", "flag"),
    [(MergeParameters(whiten=3.0), "`whiten`"), (MergeParameters(whiten=0, camera="centring"), "`camera='centring'`")],
)
def test_too_little_memory_is_refused_before_any_is_taken(parameters, flag):
    rows = some_features(500)
    features = Held(pooled=rows)
    dataset = Held(split=np.zeros(500, dtype=np.uint8), camid=(np.arange(500) % 2).astype(np.int32))
    with pytest.raises(DbcError, match=rf"{flag} of 500 features of 48 dimensions takes .* raise `memory_limit`"):
        compared_features(features, dataset, parameters, memory_limit=rows.nbytes)
    assert compared_features(features, dataset, parameters, memory_limit=1 << 30).shape == rows.shape
    assert compared_features(features, dataset, MergeParameters(whiten=0), memory_limit=1) is rows


def test_too_little_memory_is_told_alike_by_another_process():
    with pytest.raises(MemoryLimitError) as caught:
        require_memory(2048, memory_limit=1024, what="merging")
    with ProcessPoolExecutor(1, get_context("spawn")) as pool, pytest.raises(MemoryLimitError) as sent:
        pool.submit(require_memory, 2048, memory_limit=1024, what="merging").result()
    assert (
        str(sent.value)
        == str(caught.value)
        == ("merging takes 2.0 KiB of memory, and the limit is 1.0 KiB; raise `memory_limit`, or merge fewer samples")
    )


def test_only_train_rows_are_compared():
    rows, split = some_features(9), np.array([0, 1, 0, 2, 0, 0, 1, 2, 0], dtype=np.uint8)
    found = compared_features(Held(pooled=rows), Held(split=split), MergeParameters(whiten=0, camera="ignored"))
    np.testing.assert_array_equal(found, rows[split == 0])


def test_cameras_are_read_for_a_penalty_alone_and_all_are_wanted():
    camid, split = np.array([4, 2, 4, -2], dtype=np.int32), np.array([0, 0, 1, 2], dtype=np.uint8)
    dataset = Held(split=split, camid=camid)
    assert needed_cameras(dataset, MergeParameters(camera="penalty")).tolist() == [4, 2]
    known = Held(split=np.zeros(4, dtype=np.uint8), camid=np.array([4, 2, 4, 2], dtype=np.int32))
    assert prepared(Held(pooled=some_features(4)), known, MergeParameters(camera="centring", whiten=0)).camid is None
    dataset = Held(split=np.zeros(4, dtype=np.uint8), camid=camid)
    with pytest.raises(
        DbcError, match="`camera='penalty'` needs all cameras, but 1 of 4 train samples have no camera id"
    ):
        needed_cameras(dataset, MergeParameters(camera="penalty"))


def test_the_penalty_keeps_the_keys_of_parameters_from_before_it():
    assert "camera_weight" not in MergeParameters(camera_weight=0.7).request()
    assert MergeParameters(camera_weight=0.7).request() == MergeParameters().request()
    assert "camera_weight" not in MergeParameters(camera="penalty").request()
    assert MergeParameters(camera="penalty", camera_weight=0.2).request()["camera_weight"] == 0.2


def test_what_auto_finds_needs_features_splits_and_cameras_alone():
    rows, camid = some_features(80), np.repeat(np.array([7, 3, 5, 5], dtype=np.int32), 20)
    split = np.repeat(np.array([0, 0, 1, 2], dtype=np.uint8), 20)
    # an artifact without identities: reading them would fail
    dataset = Held(split=split, camid=camid)
    found = prepared(Held(pooled=rows), dataset, MergeParameters(camera="auto", whiten=0))
    np.testing.assert_array_equal(found.rows, rows[:40])
    assert found.finding is not None
    assert found.finding.chance == pytest.approx(19 / 39)
    rows[:20] += np.float32(0.2)
    follows = prepared(Held(pooled=rows), dataset, MergeParameters(camera="auto", whiten=0))
    assert follows.camid is not None
    assert follows.camid.tolist() == camid[:40].tolist()
    assert follows.camera_weight > 0


def test_images_of_one_encounter_are_not_pushed_apart_for_sharing_a_camera():
    rows, camid = some_features(60), (np.arange(60) % 2).astype(np.int32)
    rows[:, 0] += 2.0 * camid
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    split, encounter = np.zeros(60, dtype=np.uint8), (np.arange(60) // 4).astype(np.int32)
    parameters = MergeParameters(camera="auto")
    plain = prepared(Held(pooled=rows), Held(camid=camid, split=split), parameters)
    known = prepared(Held(pooled=rows), Held(camid=camid, split=split, encounter=encounter), parameters)
    assert plain.camera_weight > 0
    assert (known.camid, known.camera_weight) == (None, 0)
    np.testing.assert_array_equal(known.rows, plain.rows)
    asked = prepared(
        Held(pooled=rows), Held(camid=camid, split=split, encounter=encounter), MergeParameters(camera="penalty")
    )
    assert asked.camera_weight == 0.1
