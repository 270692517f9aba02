"""Threads that share the tiles: each is bound to the device of the features before it works on them."""

import threading
from importlib import import_module

import numpy as np

from stages.merge.tables import array_table


def test_every_thread_that_works_on_arrays_was_bound_to_their_device(monkeypatch, random_clusters):
    bound, worked = threading.local(), []
    module = import_module("stages.merge.merge_stage")
    features, labels = random_clusters(0, 120, 6, 60)
    monkeypatch.setattr(module, "binder_of", lambda array: lambda: setattr(bound, "to", id(array)))
    monkeypatch.setattr(
        array_table, "require_bound", lambda array: worked.append(getattr(bound, "to", None) == id(features))
    )
    for update in ("stale", "exact"):
        module.merge_stage(features, labels, 10, update=update, kernels="arrays", n_threads=2, tile=32)
    assert len(worked) > 10
    assert np.all(worked)
