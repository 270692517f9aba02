"""Label-free figures against equations (2) and (3) as loops and against scikit-learn's silhouette."""

import numpy as np
import pytest
from sklearn.metrics import silhouette_score

from stages.errors import DbcError
from stages.evaluate.clusters import compactness
from stages.evaluate.clusters.compactness import Compactness, measure_compactness


def clustered(seed: int, *, n: int = 60, n_labels: int = 9, spread: float = 0.5) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, n_labels, n) * 5 - 3
    features = rng.standard_normal((5 * n_labels, 12))[labels] + spread * rng.standard_normal((n, 12))
    return (features / np.linalg.norm(features, axis=1, keepdims=True)).astype(np.float32), labels


def measure(features: np.ndarray, labels: np.ndarray, **options: int) -> Compactness:
    return measure_compactness(features, labels, generator=np.random.default_rng(0), **options)


def plain_dispersions(features: np.ndarray, labels: np.ndarray) -> tuple[float, float]:
    x = features.astype(np.float64)
    clusters = [x[labels == label] for label in np.unique(labels)]

    def total(a: np.ndarray, b: np.ndarray) -> float:
        return sum(float(np.square(p - q).sum()) for p in a for q in b)

    intra = [total(a, a) / len(a) for a in clusters]
    nearest = [
        min(total(a, b) / (len(a) * len(b)) for j, b in enumerate(clusters) if j != i) for i, a in enumerate(clusters)
    ]
    return float(np.mean(intra)), float(np.mean(nearest))


@pytest.mark.parametrize("seed", range(5))
def test_dispersions_equal_the_equations(seed: int) -> None:
    features, labels = clustered(seed)
    found = measure(features, labels)
    intra, nearest = plain_dispersions(features, labels)
    assert found.mean_intra_dispersion == pytest.approx(intra, rel=1e-9)
    assert found.mean_nearest_inter_dispersion == pytest.approx(nearest, rel=1e-9)


@pytest.mark.parametrize("n_labels", [2, 9, 40])
@pytest.mark.parametrize("spread", [0.5, 1e-4])
def test_silhouette_equals_scikit_learns(n_labels: int, spread: float) -> None:
    features, labels = clustered(3, n_labels=n_labels, spread=spread)
    expected = silhouette_score(features.astype(np.float64), labels, metric="sqeuclidean")
    assert measure(features, labels).silhouette == pytest.approx(expected, rel=1e-6)


def test_dispersions_of_collapsed_features_keep_their_digits() -> None:
    features, labels = clustered(1)
    collapsed = (1 + 1e-3 * features.astype(np.float64)).astype(np.float32)
    found = measure(collapsed, labels)
    intra, nearest = plain_dispersions(collapsed, labels)
    assert found.mean_intra_dispersion == pytest.approx(intra, rel=1e-9)
    assert found.mean_nearest_inter_dispersion == pytest.approx(nearest, rel=1e-9)


def test_blocks_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    features, labels = clustered(4)
    whole = measure(features, labels)
    monkeypatch.setattr(compactness, "BLOCK", 7)
    parts = measure(features, labels)
    assert parts.silhouette == pytest.approx(whole.silhouette, rel=1e-12)
    assert parts.mean_nearest_inter_dispersion == pytest.approx(whole.mean_nearest_inter_dispersion, rel=1e-12)


def test_a_sample_limit_is_obeyed_recorded_and_seeded() -> None:
    features, labels = clustered(5, n=2000, n_labels=20)
    whole = measure(features, labels)
    part = measure(features, labels, sample_limit=400)
    again = measure(features, labels, sample_limit=400)
    few = measure(features, labels, sample_limit=6)
    assert (whole.n_silhouette_samples, part.n_silhouette_samples) == (2000, 400)
    assert (part.n_nearest_clusters, few.n_nearest_clusters) == (20, 6)
    assert part.silhouette == again.silhouette != whole.silhouette
    assert part.silhouette == pytest.approx(whole.silhouette, abs=0.05)


def test_sizes_are_counted() -> None:
    labels = np.array([4, 4, 4, 1, 1, 2, 2, 9])
    found = measure(clustered(0, n=8)[0], labels)
    assert found.cluster_size.tolist() == [1, 2, 3]
    assert found.size_clusters.tolist() == [1, 2, 1]


def test_singletons_have_silhouette_zero_and_no_dispersion() -> None:
    features, _ = clustered(0, n=10)
    found = measure(features, np.arange(10))
    assert (found.silhouette, found.mean_intra_dispersion) == (0.0, 0.0)
    assert found.mean_nearest_inter_dispersion > 0


def test_identical_points_in_several_clusters_have_silhouette_zero() -> None:
    found = measure(np.full((6, 3), 0.57735, dtype=np.float32), np.arange(6) // 2)
    assert (found.silhouette, found.mean_nearest_inter_dispersion) == (0.0, 0.0)


@pytest.mark.parametrize("n", [0, 1, 7])
def test_fewer_than_two_clusters_have_no_silhouette(n: int) -> None:
    found = measure(np.ones((n, 3), dtype=np.float32), np.zeros(n, dtype=np.int64))
    assert np.isnan([found.silhouette, found.mean_nearest_inter_dispersion]).all()
    assert (found.n_silhouette_samples, found.n_nearest_clusters) == (0, 0)
    assert found.cluster_size.tolist() == ([n] if n else [])
    assert np.isnan(found.mean_intra_dispersion) == (n == 0)


def test_lengths_that_differ_are_named() -> None:
    with pytest.raises(DbcError, match="equally many, got 3 and 2"):
        measure(np.ones((3, 2), dtype=np.float32), np.zeros(2, dtype=np.int64))
