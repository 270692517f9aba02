"""Measures of a stage against scikit-learn and plain loops."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import silhouette_samples

from stages.errors import DbcError
from stages.loop.choice.measures import StageMeasures, measure
from stages.typing import Float32Array, Int64Array


def drawn(seed: int, *, n_samples: int = 40, n_clusters: int = 9) -> tuple[Float32Array, Int64Array]:
    generator = np.random.default_rng(seed)
    labels = np.sort(
        np.concatenate([np.arange(n_clusters), generator.integers(n_clusters, size=n_samples - n_clusters)])
    )
    labels[-1] = n_clusters  # one singleton for certain
    features = generator.normal(size=(n_clusters + 1, 6))[labels] + 0.7 * generator.normal(size=(n_samples, 6))
    return features.astype(np.float32), labels


def measured(features: Float32Array, labels: Int64Array, *, sample_limit: int = 5000, seed: int = 0) -> StageMeasures:
    return measure(
        features,
        labels,
        stage=1,
        generator=np.random.default_rng(seed),
        sample_limit=sample_limit,
    )


@pytest.mark.parametrize("seed", range(8))
def test_silhouettes_are_those_of_scikit_learn_by_sample_and_by_cluster(seed: int) -> None:
    features, labels = drawn(seed)
    oracle = silhouette_samples(features, labels, metric="cosine")
    found = measured(features, labels)
    assert found.silhouette == pytest.approx(oracle.mean(), abs=1e-5)
    of_clusters = [oracle[labels == label].mean() for label in np.unique(labels)]
    assert found.cluster_silhouette == pytest.approx(np.mean(of_clusters), abs=1e-5)


def test_blocks_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    features, labels = drawn(2)
    whole = measured(features, labels)
    monkeypatch.setattr("stages.arrays.silhouette.BLOCK", 7)
    parts = measured(features, labels)
    for name in ("silhouette", "cluster_silhouette"):
        assert getattr(parts, name) == pytest.approx(getattr(whole, name), abs=1e-12)


def test_labels_may_be_permuted_and_samples_reordered() -> None:
    features, labels = drawn(3)
    generator = np.random.default_rng(0)
    order, names = generator.permutation(len(labels)), generator.permutation(labels.max() + 1)
    one, other = measured(features, labels), measured(features[order], names[labels][order])
    for name in ("silhouette", "cluster_silhouette", "singleton_share"):
        assert getattr(one, name) == pytest.approx(getattr(other, name), abs=1e-6)


def test_drawn_samples_stand_for_all_of_them() -> None:
    features, labels = drawn(1, n_samples=2000, n_clusters=150)
    whole = measured(features, labels)
    parts = [measured(features, labels, sample_limit=500, seed=seed) for seed in range(20)]
    for name in ("silhouette", "cluster_silhouette"):
        assert np.mean([getattr(part, name) for part in parts]) == pytest.approx(getattr(whole, name), abs=0.02)
    assert parts[0].cluster_silhouette != whole.cluster_silhouette


def test_one_cluster_and_all_singletons_have_no_more_than_they_can() -> None:
    features, _ = drawn(0)
    one = measured(features, np.zeros(len(features), dtype=np.int64))
    assert np.isnan([one.silhouette, one.cluster_silhouette]).all()
    alone = measured(features, np.arange(len(features)))
    assert alone.silhouette == alone.cluster_silhouette == 0
    assert alone.singleton_share == 1.0


def test_identical_and_zero_rows_are_no_trouble() -> None:
    features = np.zeros((6, 3), dtype=np.float32)
    features[2:, 0] = 1
    found = measured(features, np.array([0, 0, 1, 1, 2, 2]))
    assert np.isfinite([found.silhouette, found.cluster_silhouette]).all()


def test_lengths_that_differ_are_refused() -> None:
    features, labels = drawn(0)
    with pytest.raises(DbcError, match="`labels` must have one entry for each of 40 rows of `features`, got 39"):
        measured(features, labels[:-1])
