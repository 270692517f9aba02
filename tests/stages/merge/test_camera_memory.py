"""What a merge that penalises shared cameras takes, against its model, where many pairs are ranked or many cameras counted."""

import tracemalloc

import numpy as np
import pytest

from stages.merge import initial_labels
from stages.merge.memory_model import engine_bytes
from tests.reference.published import merge_stage


def peak_and_model(features, n_merges, *, camid, n_threads=2, **options):
    """Peak bytes of a merge, and what the model says of it."""
    n_samples, dim = features.shape
    exact, compiled = options["update"] == "exact", options["kernels"] == "compiled"
    options |= {"tile": 1024, "n_threads": n_threads, "camid": camid, "camera_weight": 30.0}
    merge_stage(features[:50], initial_labels(50), 5, **{**options, "camid": camid if camid is None else camid[:50]})
    tracemalloc.start()
    merge_stage(features, initial_labels(n_samples), n_merges, **options)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    shape = {"n_samples": n_samples, "n_clusters": n_samples, "dim": dim, "n_merges": n_merges, "tile": 1024}
    n_cameras = 0 if camid is None else len(np.unique(camid))
    return peak, engine_bytes(n_threads=n_threads, compiled=compiled, exact=exact, n_cameras=n_cameras, **shape)


def unit_rows(n_samples):
    rows = np.random.default_rng(0).standard_normal((n_samples, 16)).astype(np.float32)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


@pytest.mark.parametrize("kernels", ["compiled", "arrays"])
def test_a_tile_of_which_every_pair_passes_takes_no_more_than_the_model_says(kernels):
    camid = np.zeros(2100, dtype=np.int64)
    options = {"update": "stale", "kernels": kernels}
    peak, model = peak_and_model(unit_rows(2100), 150, camid=camid, **options)
    assert peak <= model
    # nor much more than a tile of which few pass; in one thread, as two may hold their tiles at different times
    every, few = (
        peak_and_model(unit_rows(2100), 150, camid=camera, n_threads=1, **options)[0] for camera in (camid, None)
    )
    assert every <= 2.5 * few


@pytest.mark.parametrize("update", ["stale", "exact"])
def test_the_counts_of_many_cameras_are_in_the_model(update):
    options = {"update": update, "kernels": "compiled"}
    peak, model = peak_and_model(unit_rows(1500), 700, camid=np.arange(1500), **options)
    without, model_without = peak_and_model(unit_rows(1500), 700, camid=None, **options)
    assert peak <= model
    assert peak - without <= model - model_without
