"""Reliable samples against plain loops, and how the threshold rules them."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.cluster import KMeans

from stages.errors import UsageError
from stages.merge.clusterers.pul import UNRELIABLE, pul_labels, reliable_labels
from stages.typing import Float32Array, Int64Array


def _features(n_samples: int, dim: int, *, seed: int) -> Float32Array:
    drawn = np.random.default_rng(seed).normal(size=(n_samples, dim)) + 0.8
    return (drawn / np.linalg.norm(drawn, axis=1, keepdims=True)).astype(np.float32)


def _plain(features: Float32Array, assigned: Int64Array, centroids: Float32Array, threshold: float) -> list[int]:
    rows = [row.astype(np.float64) for row in features]
    kept: dict[int, int] = {}
    for cluster in range(len(centroids)):
        members = [i for i in range(len(rows)) if assigned[i] == cluster]
        if not members:
            continue
        centre = min(members, key=lambda i: (float(np.linalg.norm(rows[i] - centroids[cluster])), i))
        for i in members:
            if i == centre or float(rows[i] @ rows[centre]) > threshold:
                kept[i] = cluster
    numbers: dict[int, int] = {}
    return [numbers.setdefault(kept[i], len(numbers)) if i in kept else UNRELIABLE for i in range(len(rows))]


@given(
    n_samples=st.integers(1, 12),
    n_clusters=st.integers(1, 5),
    threshold=st.floats(-1, 1),
    seed=st.integers(0, 500),
)
def test_labels_equal_plain_loops(n_samples: int, n_clusters: int, threshold: float, seed: int) -> None:
    generator = np.random.default_rng(seed)
    features = _features(n_samples, 4, seed=seed)
    assigned = generator.integers(n_clusters, size=n_samples)
    centroids = generator.normal(size=(n_clusters, 4)).astype(np.float32)
    found = reliable_labels(features, assigned, centroids, threshold=threshold)
    assert found.tolist() == _plain(features, assigned, centroids, threshold)


def test_the_whole_equals_k_means_and_the_plain_loops() -> None:
    features = _features(60, 6, seed=3)
    means = KMeans(n_clusters=7, n_init=1, random_state=5).fit(features)
    expected = _plain(features, means.labels_.astype(np.int64), means.cluster_centers_, 0.9)
    found = pul_labels(features, n_clusters=7, threshold=0.9, seed=5)
    assert found.tolist() == expected
    assert 0 < expected.count(UNRELIABLE) < 60


def test_a_lower_threshold_keeps_what_a_higher_one_kept() -> None:
    features = _features(80, 5, seed=1)
    kept = [pul_labels(features, n_clusters=9, threshold=t, seed=0) != UNRELIABLE for t in (0.97, 0.9, 0.8, -1.1)]
    for strict, lax in pairwise(kept):
        assert (lax | ~strict).all()
        assert lax.sum() > strict.sum()
    assert kept[-1].all()


def test_a_threshold_that_nothing_passes_leaves_one_sample_a_cluster() -> None:
    labels = pul_labels(_features(30, 5, seed=2), n_clusters=6, threshold=1.5, seed=0)
    assert sorted(labels[labels != UNRELIABLE].tolist()) == list(range(6))


def test_samples_that_are_the_same_go_together() -> None:
    features = np.repeat(np.eye(4, dtype=np.float32), 5, axis=0)
    labels = pul_labels(features, n_clusters=4, threshold=0.85, seed=0)
    assert labels.tolist() == np.repeat(np.arange(4), 5).tolist()


def test_more_clusters_than_samples_are_refused() -> None:
    with pytest.raises(UsageError, match="`n_clusters` must be at most 3, the number of train samples, got 5"):
        pul_labels(_features(3, 4, seed=0), n_clusters=5, threshold=0.85, seed=0)
