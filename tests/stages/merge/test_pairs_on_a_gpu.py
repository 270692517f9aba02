"""Merging by pairs that a GPU finds, emulated: few passes for many merges, the features sent once, room asked for first."""

from importlib import import_module

import numpy as np
import pytest

from stages.arrays.pair_engines import ArrayPairs
from stages.errors import MemoryLimitError
from stages.merge.memory_model import pair_bytes
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
