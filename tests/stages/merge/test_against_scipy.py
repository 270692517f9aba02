"""At lambda = 0 `exact` is average linkage, `buc` single linkage: SciPy's merges, ids, heights and sizes, one by one."""

import numpy as np
import pytest
from scipy.cluster.hierarchy import average, cut_tree, is_valid_linkage, single
from scipy.spatial.distance import pdist

from stages.merge import empty_linkage, extend_linkage, initial_labels, labels_of_linkage, last_stage, number_of_merges
from stages.merge.schedule import least_merge_percent
from tests.pairwise import slow_beyond_pairs
from tests.reference.published import dispersion_linkage, merge_stage


def linkage_by_stages(features, n_merges, **options):
    """The full linkage, made `n_merges` merges a stage, and the labels after each stage."""
    labels = initial_labels(len(features))
    linkage, history = empty_linkage(), []
    while (n_clusters := int(labels.max()) + 1) > 1:
        result = merge_stage(features, labels, min(n_merges, n_clusters - 1), **options)
        linkage = extend_linkage(linkage, labels, result)
        labels = result.labels
        history.append((linkage, labels))
    return linkage, history


def assert_equals_scipy(features, metric, normalizer):
    linkage, _ = linkage_by_stages(
        features, 17, lambda_=0.0, update="exact", metric=metric, intra_normalizer=normalizer
    )
    expected = average(pdist(np.asarray(features, dtype=np.float64), metric))
    np.testing.assert_array_equal(linkage[:, [0, 1, 3]], expected[:, [0, 1, 3]])
    np.testing.assert_allclose(linkage[:, 2], expected[:, 2], rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize(
    ("metric", "seed", "normalizer"), slow_beyond_pairs(("euclidean", "sqeuclidean", "cosine"), range(3), ("n", "n2"))
)
def test_exact_equals_average_linkage_on_random_features(random_clusters, metric, seed, normalizer):
    assert_equals_scipy(random_clusters(seed, 60, 8, 60)[0], metric, normalizer)


@pytest.mark.parametrize("normalizer", ["n", "n2"])
@pytest.mark.parametrize("metric", ["euclidean", "sqeuclidean"])
def test_exact_equals_average_linkage_on_real_features(colour_histograms, metric, normalizer):
    distinct = np.unique(colour_histograms[::2], axis=0)
    assert_equals_scipy(distinct, metric, normalizer)


@pytest.mark.parametrize("update", ["stale", "exact"])
@pytest.mark.parametrize("metric", ["euclidean", "sqeuclidean"])
def test_the_linkage_is_valid_and_cutting_it_gives_the_labels(random_clusters, update, metric):
    features, _ = random_clusters(7, 45, 6, 45)
    linkage, history = linkage_by_stages(features, 8, update=update, metric=metric)
    assert is_valid_linkage(linkage)
    for partial, labels in history:
        np.testing.assert_array_equal(labels_of_linkage(partial, 45), labels)
        cut = cut_tree(linkage, n_clusters=int(labels.max()) + 1)[:, 0]
        assert len(set(zip(cut, labels, strict=True))) == len(set(cut)) == len(set(labels))


PEERS = {"dbc": average, "buc": single}


@pytest.mark.parametrize(
    ("metric", "seed", "kernels", "criterion"),
    slow_beyond_pairs(("euclidean", "sqeuclidean", "cosine"), range(4), ("compiled", "arrays"), PEERS),
)
def test_dispersion_linkage_at_lambda_zero_is_the_linkage_of_scipy(metric, seed, kernels, criterion):
    features = np.random.default_rng(seed).standard_normal((40, 7)).astype(np.float32)
    features = np.maximum(features, 0) + 2 if seed == 3 else features
    expected = PEERS[criterion](pdist(features.astype(np.float64), metric))
    found = dispersion_linkage(features, lambda_=0.0, metric=metric, kernels=kernels, criterion=criterion)
    np.testing.assert_array_equal(found[:, [0, 1, 3]], expected[:, [0, 1, 3]])
    np.testing.assert_allclose(found[:, 2], expected[:, 2], rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("normalizer", ["n", "n2"])
@pytest.mark.parametrize("metric", ["euclidean", "sqeuclidean"])
def test_dispersion_linkage_is_valid_and_its_heights_ascend(random_clusters, metric, normalizer):
    features, _ = random_clusters(12, 90, 6, 90)
    linkage = dispersion_linkage(features, lambda_=0.3, metric=metric, intra_normalizer=normalizer)
    assert is_valid_linkage(linkage)
    assert np.diff(linkage[:, 2]).min() > -1e-12
    by_stages, _ = linkage_by_stages(
        features, 7, lambda_=0.3, update="exact", metric=metric, intra_normalizer=normalizer
    )
    np.testing.assert_array_equal(linkage, by_stages)


def test_merges_per_stage_follow_the_decimal_text_of_the_fraction():
    assert number_of_merges(12936, 0.05) == 646
    assert number_of_merges(100, 0.29) == 29  # 0.29 * 100 is 28.999999999999996 in floating point
    assert number_of_merges(10, 0.05) == 0
    assert last_stage(0.05) == 19
    assert last_stage(0.1) == 9
    assert last_stage(0.3) == 2


def test_the_least_merge_percent_is_one_merge_and_hardly_more():
    for n_samples in (2, 3, 7, 8, 16, 97, 820, 12936):
        least = least_merge_percent(n_samples)
        assert number_of_merges(n_samples, least) == 1
        assert least < 1.001 / n_samples
