"""A merge stage equals the loops over samples, merge by merge, on every array library."""

import merge_loops
import numpy as np
import pytest

from tests.pairwise import slow_beyond_pairs
from tests.reference.published import merge_stage


def assert_equals_loops(result, merges, clusters):
    expected = np.array(merges, dtype=np.float64)
    np.testing.assert_array_equal(result.merges, expected[:, :2])
    np.testing.assert_allclose(result.distance, expected[:, 2], rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(result.inter, expected[:, 3], rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(result.intra, expected[:, 4:6], rtol=1e-10, atol=1e-12)
    np.testing.assert_array_equal(result.sizes, expected[:, 6:])
    np.testing.assert_array_equal(result.labels, merge_loops.labels_of(clusters))


# n_clusters, n_merges
CASES = [(12, 5), (24, 20), (7, 6)]


@pytest.mark.parametrize(
    ("update", "normalizer", "metric", "case"),
    slow_beyond_pairs(("stale", "exact", "union"), ("n", "n2"), ("sqeuclidean", "euclidean", "cosine"), CASES),
)
def test_merges_equal_the_loops(xp, random_clusters, *, update, normalizer, metric, case):
    n_clusters, n_merges = case
    features, labels = random_clusters(CASES.index(case), 24, 5, n_clusters)
    options = {"lambda_": 0.1, "metric": metric}
    merges, clusters = merge_loops.merged(features, labels, n_merges, update=update, normalizer=normalizer, **options)
    result = merge_stage(xp.asarray(features), labels, n_merges, update=update, intra_normalizer=normalizer, **options)
    assert_equals_loops(result, merges, clusters)


@pytest.mark.parametrize("lambda_", [0.0, 0.02, 1.0, 50.0])
@pytest.mark.parametrize("update", ["stale", "exact", "union"])
def test_merges_equal_the_loops_for_every_lambda(random_clusters, update, lambda_):
    features, labels = random_clusters(3, 30, 4, 18)
    merges, clusters = merge_loops.merged(features, labels, 9, update=update, lambda_=lambda_)
    assert_equals_loops(merge_stage(features, labels, 9, update=update, lambda_=lambda_), merges, clusters)


def test_a_common_offset_does_not_cost_precision(random_clusters):
    features, labels = random_clusters(4, 24, 3, 15)
    far = features.astype(np.float64) + 1e6
    merges, clusters = merge_loops.merged(far, labels, 10, update="exact")
    result = merge_stage(far, labels, 10, update="exact")
    np.testing.assert_array_equal(result.merges, np.array(merges)[:, :2])
    np.testing.assert_allclose(result.distance, np.array(merges)[:, 2], rtol=1e-8)
    np.testing.assert_array_equal(result.labels, merge_loops.labels_of(clusters))
