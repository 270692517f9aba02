"""What the tests of the merge share: the array libraries, random clusters, and the oracles' folder."""

import os
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import array_api_compat.numpy as numpy_namespace
import numpy as np
import pytest

from tests.reference.published import merge_stage

sys.path.insert(0, str(Path(__file__).parents[2] / "reference"))


@pytest.fixture(params=["numpy", "strict", pytest.param("cupy", marks=pytest.mark.gpu)])
def xp(request):
    """Each array library in turn; CuPy where there is a GPU."""
    if request.param == "numpy":
        return numpy_namespace
    if request.param == "strict":
        return pytest.importorskip("array_api_strict")
    cupy = pytest.importorskip("cupy")
    if not cupy.cuda.is_available():
        pytest.skip("needs a CUDA device")
    import array_api_compat.cupy as cupy_namespace

    return cupy_namespace


PATIENCE = 300
"""Seconds: one of them may compile first, beside other tests."""


class SharedProcesses:
    """Processes played by threads: each leaves its part on a table and takes everyone's."""

    def __init__(self, rank, table, barrier):
        self.rank, self.size = rank, barrier.parties
        self._table, self._barrier = table, barrier

    def all_gather(self, values):
        self._table[self.rank] = values.copy()
        self._barrier.wait(timeout=PATIENCE)
        everything = [self._table[rank] for rank in range(self.size)]
        self._barrier.wait(timeout=PATIENCE)
        return everything


@pytest.fixture(scope="session")
def by_processes():
    """A function (size, features, labels, n_merges, **options) -> what each of `size` processes finds, by `merge`."""

    def merged(size, features, labels, n_merges, merge=merge_stage, **options):
        table, barrier = {}, threading.Barrier(size)
        with ThreadPoolExecutor(size) as pool:
            return list(
                pool.map(
                    lambda rank: merge(
                        features, labels, n_merges, processes=SharedProcesses(rank, table, barrier), **options
                    ),
                    range(size),
                )
            )

    return merged


@pytest.fixture
def random_clusters():
    """A function (seed, n, d, K) -> float32 features of a mixture, and labels that use each of 0..K-1."""

    def make(seed, n_samples, dim, n_clusters):
        rng = np.random.default_rng(seed)
        labels = np.concatenate([np.arange(n_clusters), rng.integers(0, n_clusters, n_samples - n_clusters)])
        rng.shuffle(labels)
        centres = rng.standard_normal((max(2, n_clusters // 3), dim))
        features = centres[labels % len(centres)] + 0.7 * rng.standard_normal((n_samples, dim))
        return features.astype(np.float32), labels

    return make


@pytest.fixture(scope="session")
def colour_histograms():
    """Colour histograms (150, 192) float32 of real training images, skipped where the data folder is absent."""
    root = Path(os.environ.get("DBC_TEST_DATA", Path(__file__).parents[4] / "shared" / "data"))
    folder = root / "eth80-market" / "bounding_box_train"
    if not folder.is_dir():
        pytest.skip(f"no real images: set DBC_TEST_DATA to a folder that holds {folder.name}")
    image_module = pytest.importorskip("PIL.Image")
    paths = sorted(path for path in folder.iterdir() if path.suffix.lower() in {".jpg", ".png"})
    rows = []
    for path in paths[:: max(1, len(paths) // 150)][:150]:
        with image_module.open(path) as image:
            rows.append(image.convert("RGB").resize((64, 64)).histogram())
    return np.sqrt(np.array(rows, dtype=np.float64).reshape(len(rows), 192, 4).sum(axis=2)).astype(np.float32)
