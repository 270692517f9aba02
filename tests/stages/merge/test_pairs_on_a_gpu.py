"""Merging by pairs that a GPU finds, emulated: few passes for many merges, the features sent once, room asked for first."""

from importlib import import_module

import numpy as np
import pytest

from stages.arrays import pair_engines
from stages.arrays.pair_engines import ArrayPairs
from stages.arrays.product_errors import product_bound
from stages.errors import MemoryLimitError
from stages.merge.memory_model import pair_bytes
from stages.merge.selection.cameras import CameraPenalty
from stages.merge.tables.array_table import float32_error
from tests.reference.published import merge_stage

HALF = {"kernels": "compiled", "precision": "float16"}


@pytest.fixture
def submissions(monkeypatch):
    """The threshold of every submission to the engine so far."""
    found, submit = [], ArrayPairs.submit

    def counted(self, rows, strips, threshold):
        found.append(threshold)
        return submit(self, rows, strips, threshold)

    monkeypatch.setattr(ArrayPairs, "submit", counted)
    return found


def test_exact_asks_for_pairs_once_for_many_merges(random_clusters, submissions):
    features, labels = random_clusters(0, 400, 16, 380)
    found = merge_stage(features, labels, 150, update="exact", **HALF)
    expected = merge_stage(features, labels, 150, update="exact", kernels="compiled", precision="float32")
    np.testing.assert_array_equal(found.merges, expected.merges)
    np.testing.assert_array_equal(found.distance, expected.distance)
    assert len(submissions) <= 10


def test_features_are_sent_once_a_stage(random_clusters, monkeypatch):
    module = import_module("stages.merge.tables.pair_screen")
    sent, made = [], module.pair_source
    monkeypatch.setattr(module, "pair_source", lambda *given, **options: sent.append(1) or made(*given, **options))
    features, labels = random_clusters(1, 300, 8, 300)
    merge_stage(features, labels, 200, update="exact", **HALF)
    assert sent == [1]


def test_a_backend_takes_the_features_and_the_result_is_the_same(random_clusters):
    class Backend:
        def __init__(self):
            self.taken = []

        def asarray(self, host):
            self.taken.append(host.shape)
            return host

    backend, (features, labels) = Backend(), random_clusters(2, 90, 6, 60)
    found = merge_stage(features, labels, 20, backend=backend, **HALF)
    np.testing.assert_array_equal(found.labels, merge_stage(features, labels, 20).labels)
    assert backend.taken == [(90, 6)]


def test_too_little_room_on_the_gpu_is_said_before_anything_is_sent(random_clusters, submissions):
    features, labels = random_clusters(3, 200, 8, 200)
    needed = pair_bytes(n_rows=200, dim=8)
    with pytest.raises(MemoryLimitError, match="merging 200 clusters of 200 samples by pairs found on a GPU takes"):
        merge_stage(features, labels, 20, memory_limit=needed - 1, **HALF)
    assert not submissions


def test_what_pairs_were_found_in_is_told_as_the_probe_of_the_device_says(random_clusters, monkeypatch):
    features, labels = random_clusters(3, 90, 6, 60)
    exact = merge_stage(features, labels, 20, kernels="compiled", precision="float32")
    half = merge_stage(features, labels, 20, **HALF)
    monkeypatch.setattr(pair_engines, "storage_of", lambda _multiply, dim: ("float32", product_bound("float32", dim)))
    fallen_back = merge_stage(features, labels, 20, **HALF)
    assert (exact.pairs_in, half.pairs_in, fallen_back.pairs_in) == (None, "float16", "float32")
    np.testing.assert_array_equal(half.distance, exact.distance)
    np.testing.assert_array_equal(fallen_back.distance, exact.distance)
    told = [import_module("stages.merge.stage")._precision(result) for result in (exact, fallen_back)]
    assert told == ["float64", "float64, pairs found in float32"]


@pytest.mark.parametrize("update", ["stale", "exact"])
def test_pairs_of_one_camera_are_proposed_only_if_its_penalty_lets_them(random_clusters, monkeypatch, update):
    features, labels = random_clusters(4, 240, 8, 240)
    camid = np.arange(240) % 2
    proposed, found_by = [], ArrayPairs._found

    def counted(self, rows, strip, threshold):
        found = found_by(self, rows, strip, threshold)
        proposed.append(found[0])
        return found

    monkeypatch.setattr(ArrayPairs, "_found", counted)
    options = {"update": update, "camid": camid, "camera_weight": 0.5, "lambda_": 0.0}
    found = merge_stage(features, labels, 60, **options, **HALF)
    expected = merge_stage(features, labels, 60, kernels="arrays", **options)
    np.testing.assert_array_equal(found.merges, expected.merges)
    np.testing.assert_array_equal(found.distance, expected.distance)
    with_cameras = sum(proposed)
    proposed.clear()
    monkeypatch.setattr(CameraPenalty, "alone", lambda _, clusters: np.full(len(clusters), -1, dtype=np.int32))
    np.testing.assert_array_equal(merge_stage(features, labels, 60, **options, **HALF).merges, expected.merges)
    assert with_cameras < sum(proposed)


def test_the_error_of_a_product_is_probed_once_on_a_device_that_has_no_hash_as_those_of_cupy():
    class Device:
        __hash__ = None

        def __str__(self):
            return "<a device>"

    class Library:
        __name__ = "a library"
        n_sent = 0

        def asarray(self, rows, *, device):
            self.n_sent += 1
            return np.asarray(rows)

    library = Library()
    errors = {float32_error(library, Device(), 37) for _ in range(3)}
    assert errors == {product_bound("float32", 37)}
    assert library.n_sent == 2
