"""What the dispersion criterion promises: its two properties, order independence, and the rare shapes."""

import numpy as np
import pytest
from scipy.spatial.distance import pdist, squareform

from stages.merge import extend_linkage, initial_labels
from stages.merge.linkage import empty_linkage
from tests.reference.published import merge_stage

OPTIONS = [(update, metric) for update in ("stale", "exact") for metric in ("sqeuclidean", "euclidean", "cosine")]


def same_partition(first, second):
    pairs = len(set(zip(first.tolist(), second.tolist(), strict=True)))
    return pairs == len(set(first.tolist())) == len(set(second.tolist()))


@pytest.mark.parametrize("update", ["stale", "exact"])
def test_isolated_point_priority(update):
    # Clusters at 0 (two samples, ±1), and singletons at 4 and -√15 - ... chosen so both d_ab are 17.
    features = np.array([[0.0, 1.0], [0.0, -1.0], [4.0, 0.0], [20.0, 0.0], [20.0, 17**0.5]])
    labels = np.array([0, 0, 1, 2, 3])
    result = merge_stage(features, labels, 1, update=update, lambda_=0.1)
    np.testing.assert_array_equal(result.merges, [[2, 3]])
    np.testing.assert_array_equal(result.intra, [[0.0, 0.0]])
    np.testing.assert_allclose(result.inter, [17.0])


@pytest.mark.parametrize("update", ["stale", "exact"])
def test_poor_clustering_prevention(update):
    # A loose pair (0) nearer to its neighbour (1) than a tight pair (2) is to its own (3).
    features = np.array([[0, 2.0], [0, -2.0], [1, 0], [50, 0.1], [50, -0.1], [53, 0.0]])
    labels = np.array([0, 0, 1, 2, 2, 3])
    unpenalised = merge_stage(features, labels, 1, update=update, lambda_=0.0)
    penalised = merge_stage(features, labels, 1, update=update, lambda_=1.0)
    np.testing.assert_array_equal(unpenalised.merges, [[0, 1]])
    np.testing.assert_array_equal(penalised.merges, [[2, 3]])


@pytest.mark.parametrize(("update", "metric"), OPTIONS)
@pytest.mark.parametrize("seed", range(4))
def test_samples_permuted_with_their_labels_merge_alike_to_the_last_bit(random_clusters, update, metric, seed):
    features, labels = random_clusters(seed, 80, 9, 50)
    order = np.random.default_rng(seed).permutation(80)
    straight = merge_stage(features, labels, 20, update=update, metric=metric)
    permuted = merge_stage(features[order], labels[order], 20, update=update, metric=metric)
    for name in ("merges", "distance", "inter", "intra", "sizes"):
        np.testing.assert_array_equal(getattr(permuted, name), getattr(straight, name))
    assert same_partition(permuted.labels, straight.labels[order])


@pytest.mark.parametrize("metric", ["sqeuclidean", "euclidean", "cosine"])
@pytest.mark.parametrize("seed", range(4))
def test_exact_gives_the_same_partition_from_singletons_in_any_order(random_clusters, metric, seed):
    features, _ = random_clusters(seed, 70, 9, 70)
    order = np.random.default_rng(seed).permutation(70)
    straight = merge_stage(features, initial_labels(70), 30, update="exact", metric=metric)
    permuted = merge_stage(features[order], initial_labels(70), 30, update="exact", metric=metric)
    np.testing.assert_array_equal(permuted.distance, straight.distance)
    assert same_partition(permuted.labels, straight.labels[order])


@pytest.mark.parametrize("seed", range(4))
def test_stale_gives_the_same_partition_in_any_order_while_the_closest_pairs_share_no_cluster(random_clusters, seed):
    features, _ = random_clusters(seed, 70, 9, 70)
    distances = squareform(pdist(features.astype(np.float64), "sqeuclidean"))
    pairs = np.argwhere(np.triu(np.ones((70, 70)), 1))
    closest = pairs[np.argsort(distances[tuple(pairs.T)])]
    n_disjoint = next(m for m in range(1, 70) if len(set(closest[: m + 1].ravel())) < 2 * m + 2)
    order = np.random.default_rng(seed).permutation(70)
    straight = merge_stage(features, initial_labels(70), n_disjoint)
    permuted = merge_stage(features[order], initial_labels(70), n_disjoint)
    assert same_partition(permuted.labels, straight.labels[order])


def test_under_stale_the_labels_say_who_may_merge_again():
    # Distances: 0-1 is 1, 1-2 is 1.44, 3-4 is 2.25, 0-2 is 4.84. Cluster 1 is absorbed first, so 1-2 is skipped ...
    features = np.array([[0.0], [1.0], [2.2], [10.0], [11.5]])
    np.testing.assert_array_equal(merge_stage(features, initial_labels(5), 2).merges, [[0, 1], [3, 4]])
    # ... and where the same point is called 0 it survives, and merges again.
    renamed = np.array([1, 0, 2, 3, 4])
    np.testing.assert_array_equal(merge_stage(features, renamed, 2).merges, [[0, 1], [0, 2]])


@pytest.mark.parametrize("update", ["stale", "exact"])
def test_ties_break_by_smaller_then_larger_label(xp, update):
    features = xp.asarray(np.array([[0.0], [1.0], [10.0], [11.0], [20.0], [21.0], [40.0], [41.0]]))
    result = merge_stage(features, np.array([5, 4, 1, 6, 0, 3, 2, 7]), 4, update=update)
    np.testing.assert_array_equal(result.merges, [[0, 3], [1, 6], [2, 7], [4, 5]])
    np.testing.assert_array_equal(result.distance, [1.0] * 4)


@pytest.mark.parametrize(("update", "metric"), OPTIONS)
def test_identical_points_are_at_distance_zero(xp, update, metric):
    rng = np.random.default_rng(0)
    distinct = rng.standard_normal((6, 11)).astype(np.float32) * np.float32(0.1)
    distinct[0] *= 1e-6
    features = np.repeat(distinct, [7, 3, 1, 5, 2, 1], axis=0)
    n_duplicates = len(features) - 6
    result = merge_stage(
        xp.asarray(features), initial_labels(len(features)), n_duplicates, update=update, metric=metric
    )
    np.testing.assert_array_equal(result.distance, 0.0)
    np.testing.assert_array_equal(result.intra, 0.0)
    np.testing.assert_array_equal(result.labels, np.repeat(np.arange(6), [7, 3, 1, 5, 2, 1]))


@pytest.mark.parametrize(("update", "metric"), OPTIONS)
def test_all_points_identical_merge_down_to_one_cluster(update, metric):
    features = np.full((9, 4), 0.3, dtype=np.float32)
    result = merge_stage(features, initial_labels(9), 8, update=update, metric=metric)
    np.testing.assert_array_equal(result.labels, 0)
    np.testing.assert_array_equal(result.merges, [[0, b] for b in range(1, 9)])


@pytest.mark.parametrize(("update", "metric"), OPTIONS)
def test_two_clusters_become_one(update, metric):
    features = np.array([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]])
    result = merge_stage(features, np.array([1, 0, 1]), 1, update=update, metric=metric)
    np.testing.assert_array_equal(result.merges, [[0, 1]])
    np.testing.assert_array_equal(result.sizes, [[1, 2]])
    np.testing.assert_array_equal(result.labels, [0, 0, 0])


def test_the_survivor_of_a_stage_may_absorb_again_and_the_linkage_follows():
    features = np.array([[0.0], [1.0], [3.0], [100.0]])
    result = merge_stage(features, initial_labels(4), 2)
    np.testing.assert_array_equal(result.merges, [[0, 1], [0, 2]])
    np.testing.assert_array_equal(result.sizes, [[1, 1], [1, 1]])
    linkage = extend_linkage(empty_linkage(), initial_labels(4), result)
    np.testing.assert_array_equal(linkage, [[0, 1, 1, 2], [2, 4, 9, 3]])


def test_progress_counts_up_to_its_total():
    seen = []
    merge_stage(
        np.arange(12.0)[:, None], initial_labels(12), 3, progress=lambda done, total: seen.append((done, total))
    )
    done, totals = zip(*seen, strict=True)
    assert list(done) == sorted(done)
    assert set(totals) == {done[-1]} == {66}


@pytest.mark.parametrize("update", ["stale", "exact", "union"])
def test_progress_never_falls_when_another_pass_is_needed(monkeypatch, update):
    monkeypatch.setattr("stages.merge.selection.walks.FEWEST_PAIRS", 3)
    monkeypatch.setattr("stages.merge.selection.walks.PAIRS_PER_MERGE", 0)
    seen = []
    features = np.random.default_rng(0).standard_normal((40, 3))
    report = lambda done, total: seen.append((done, total))  # noqa: E731
    merge_stage(features, initial_labels(40), 30, update=update, tile=8, progress=report)
    done, totals = zip(*seen, strict=True)
    assert list(done) == sorted(done)
    assert list(totals) == sorted(totals)
    assert len(set(totals)) > 1
    assert all(part <= total for part, total in seen)
    assert done[-1] == totals[-1]
