"""The engine equals the plain merge to the last bit, whatever computes it and however the work is cut."""

import functools

import merge_loops
import numpy as np
import pytest
from plain_merge import plain_merge_stage

from stages.merge import initial_labels
from tests.pairwise import slow_beyond_pairs
from tests.reference.published import merge_stage

FIELDS = ("labels", "merges", "distance", "inter", "intra", "sizes")
WAYS = {
    "float32": {"kernels": "compiled", "precision": "float32"},
    "int8": {"kernels": "compiled", "precision": "int8"},
    "small tiles": {"kernels": "compiled", "precision": "int8", "tile": 7, "n_threads": 3},
    "half": {"kernels": "compiled", "precision": "float16"},
    "half in small strips": {"kernels": "compiled", "precision": "float16", "tile": 7, "n_threads": 3},
    "arrays": {"kernels": "arrays"},
    "arrays in small tiles": {"kernels": "arrays", "tile": 13},
}
UPDATES = ("stale", "exact", "union")
METRICS = ("sqeuclidean", "euclidean", "cosine")


def assert_same(found, expected):
    for name in FIELDS:
        np.testing.assert_array_equal(getattr(found, name), getattr(expected, name), err_msg=name)


def random_case(seed, n_samples=110):
    """Features and labels: a mixture, of which a third of the seeds are singletons and a third few clusters."""
    rng = np.random.default_rng(seed)
    n_clusters = (n_samples, 2 * n_samples // 3, 12)[seed % 3]
    labels = np.concatenate([np.arange(n_clusters), rng.integers(0, n_clusters, n_samples - n_clusters)])
    rng.shuffle(labels)
    features = rng.standard_normal((n_samples, 19)) + 2 * rng.standard_normal((9, 19))[labels % 9]
    return features.astype(np.float32), labels, n_clusters // 3


def duplicates(rng):
    return np.repeat(rng.standard_normal((9, 5)), 8, axis=0)


def near_ties_at_the_last_bit(rng):
    points = rng.integers(0, 3, (60, 6)).astype(np.float64)
    return points * (1 + 2.0**-52 * rng.integers(0, 3, points.shape))


def equal_distances(rng):
    return np.eye(48)[rng.permutation(48)]


def positive_with_outlier_channels(rng):
    features = np.maximum(rng.standard_normal((70, 24)), 0) + 5
    features[:, 3] *= 300
    return features


def zero_vectors(rng):
    features = rng.standard_normal((60, 8))
    features[::4] = 0
    return features


def tiny_beside_large(rng):
    return rng.standard_normal((60, 8)) * 10.0 ** rng.integers(-30, 2, (60, 1))


ADVERSARIES = [
    duplicates,
    near_ties_at_the_last_bit,
    equal_distances,
    positive_with_outlier_channels,
    zero_vectors,
    tiny_beside_large,
]


@functools.cache
def random_expected(seed, **options):
    return plain_merge_stage(*random_case(seed), **options)


@pytest.mark.parametrize(
    ("seed", "update", "metric", "normalizer", "way"),
    slow_beyond_pairs(range(3), UPDATES, METRICS, ("n", "n2"), WAYS),
)
def test_random_clusters(seed, update, metric, normalizer, way):
    options = {"update": update, "metric": metric, "intra_normalizer": normalizer}
    assert_same(merge_stage(*random_case(seed), **options, **WAYS[way]), random_expected(seed, **options))


@functools.cache
def adversarial(adversary, update):
    """Features, and labels that give each update something to choose."""
    rng = np.random.default_rng(7)
    features = adversary(rng)
    n_samples = len(features)
    labels = initial_labels(n_samples) if update == "exact" else rng.permutation(n_samples) % (n_samples - 9)
    return features, labels


@functools.cache
def adversarial_expected(adversary, update, metric, n_merges):
    return plain_merge_stage(*adversarial(adversary, update), n_merges, update=update, metric=metric)


@pytest.mark.parametrize(
    ("adversary", "update", "metric", "way"),
    slow_beyond_pairs(ADVERSARIES, UPDATES, ("sqeuclidean", "euclidean"), WAYS),
)
def test_adversarial_features(adversary, update, metric, way):
    features, labels = adversarial(adversary, update)
    for n_merges in (len(features) // 3, int(labels.max())):
        found = merge_stage(features, labels, n_merges, update=update, metric=metric, **WAYS[way])
        assert_same(found, adversarial_expected(adversary, update, metric, n_merges))


@pytest.mark.parametrize("update", UPDATES)
def test_huge_clusters_beside_singletons(update):
    rng = np.random.default_rng(3)
    features = rng.standard_normal((260, 9)).astype(np.float32)
    labels = np.concatenate([np.zeros(120), np.full(90, 1), np.arange(2, 52)]).astype(int)
    expected = plain_merge_stage(features, labels, 20, update=update)
    for way in WAYS.values():
        assert_same(merge_stage(features, labels, 20, update=update, **way), expected)


@pytest.mark.parametrize(("way", "update", "seed"), slow_beyond_pairs(WAYS, UPDATES, range(3)))
def test_a_block_that_runs_out_is_followed_by_another(way, update, seed, monkeypatch):
    monkeypatch.setattr("stages.merge.selection.walks.FEWEST_PAIRS", 3)
    monkeypatch.setattr("stages.merge.selection.walks.PAIRS_PER_MERGE", 0)
    assert_same(merge_stage(*random_case(seed), update=update, **WAYS[way]), random_expected(seed, update=update))


@pytest.mark.parametrize(("way", "update", "metric", "lambda_"), slow_beyond_pairs(WAYS, UPDATES, METRICS, (0.0, 0.05)))
def test_cardinality_criterion_equals_the_loops(way, update, metric, lambda_):
    for seed, (n_samples, n_clusters) in enumerate([(24, 24), (30, 14), (26, 3)]):
        rng = np.random.default_rng(seed)
        labels = np.concatenate([np.arange(n_clusters), rng.integers(0, n_clusters, n_samples - n_clusters)])
        features = rng.standard_normal((n_samples, 6)).astype(np.float32)
        n_merges = n_clusters // 2
        merges, clusters = merge_loops.merged(
            features, labels, n_merges, update=update, criterion="buc", lambda_=lambda_, metric=metric
        )
        result = merge_stage(
            features, labels, n_merges, update=update, criterion="buc", lambda_=lambda_, metric=metric, **WAYS[way]
        )
        expected = np.array(merges, dtype=np.float64)
        np.testing.assert_array_equal(result.merges, expected[:, :2])
        np.testing.assert_allclose(result.distance, expected[:, 2], rtol=1e-9)
        np.testing.assert_allclose(result.inter, expected[:, 3], rtol=1e-9)
        np.testing.assert_array_equal(result.sizes, expected[:, 6:])
        np.testing.assert_array_equal(result.labels, merge_loops.labels_of(clusters))
