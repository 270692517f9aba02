"""Cluster measures against scikit-learn and against loops over all pairs of samples."""

import dataclasses
import math
from itertools import combinations

import numpy as np
import pytest
from sklearn import metrics

from stages.errors import DbcError
from stages.evaluate.clusters.agreement import Agreement, measure_agreement, told_of_labelled, without_labels


def random_labelling(seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    n = int(rng.integers(2, 60))
    pid = rng.integers(-2, int(rng.integers(1, 12)), n).astype(np.int32)
    pid[0] = 1
    labels = np.where(rng.random(n) < 0.5, pid.astype(np.int64) + 5, rng.integers(0, 15, n)) * 3
    return labels, pid, rng.integers(-2, 3, n).astype(np.int32)


def plain_pairwise(labels: np.ndarray, pid: np.ndarray) -> tuple[float, float]:
    in_cluster = [a == b for a, b in combinations(labels.tolist(), 2)]
    in_identity = [a == b for a, b in combinations(pid.tolist(), 2)]
    right = sum(c and i for c, i in zip(in_cluster, in_identity, strict=True))
    precision = right / sum(in_cluster) if any(in_cluster) else 1.0
    return precision, right / sum(in_identity) if any(in_identity) else 1.0


def plain_bcubed(labels: np.ndarray, pid: np.ndarray) -> tuple[float, float]:
    precision, recall = [], []
    for label, identity in zip(labels, pid, strict=True):
        both = int(((labels == label) & (pid == identity)).sum())
        precision.append(both / int((labels == label).sum()))
        recall.append(both / int((pid == identity).sum()))
    return math.fsum(precision) / len(pid), math.fsum(recall) / len(pid)


def harmonic(precision: float, recall: float) -> float:
    return 2 * precision * recall / (precision + recall) if precision + recall else 0.0


@pytest.mark.parametrize("seed", range(40))
def test_measures_equal_scikit_learn_and_loops_over_pairs(seed: int) -> None:
    labels, pid, camid = random_labelling(seed)
    found = measure_agreement(labels, pid, camid)
    known = pid > 0
    a, b = pid[known], labels[known]
    close = {"rel": 1e-10, "abs": 1e-12}
    assert found.ari == pytest.approx(metrics.adjusted_rand_score(a, b), **close)
    assert found.ami == pytest.approx(metrics.adjusted_mutual_info_score(a, b), **close)
    assert found.nmi == pytest.approx(metrics.normalized_mutual_info_score(a, b), **close)
    information = (found.homogeneity, found.completeness, found.v_measure)
    assert information == pytest.approx(metrics.homogeneity_completeness_v_measure(a, b), **close)
    assert found.purity == pytest.approx(sum(np.bincount(a[b == c]).max() for c in np.unique(b)) / len(a))
    pairwise, bcubed = plain_pairwise(b, a), plain_bcubed(b, a)
    assert (found.pairwise_precision, found.pairwise_recall) == pytest.approx(pairwise)
    assert found.pairwise_f == pytest.approx(harmonic(*pairwise))
    assert (found.bcubed_precision, found.bcubed_recall) == pytest.approx(bcubed)
    assert found.bcubed_f == pytest.approx(harmonic(*bcubed))


@pytest.mark.parametrize("seed", range(10))
def test_counts_and_cameras_are_measured_on_all_samples(seed: int) -> None:
    labels, pid, camid = random_labelling(seed)
    found = measure_agreement(labels, pid, camid)
    sizes = [int((labels == c).sum()) for c in np.unique(labels)]
    assert found.n_clusters == len(sizes)
    assert found.n_identities == len({p for p in pid.tolist() if p > 0})
    assert found.n_labelled == sum(p > 0 for p in pid.tolist())
    assert found.singleton_share == pytest.approx(sizes.count(1) / len(sizes))
    pairs = [
        camid[i] == camid[j]
        for i, j in combinations(range(len(labels)), 2)
        if labels[i] == labels[j] and camid[i] != -2 and camid[j] != -2
    ]
    assert found.same_camera_share == pytest.approx(np.mean(pairs) if pairs else np.nan, nan_ok=True)


def test_what_the_merge_was_told_is_not_measured() -> None:
    pid = np.array([3, 3, 5, -2, -1, 5], dtype=np.int32)
    known = np.array([0, -1, 1, 1, -1, -1])
    found, n_told = without_labels(pid, known)
    assert (found.tolist(), n_told) == ([-2, 3, -2, -2, -1, 5], 2)
    assert without_labels(pid, None) == (pid, 0)
    assert told_of_labelled(2, 6, 2).startswith(
        "ARI, purity and others are of 2 of 6 train samples, whose identity is known; 2 "
    )
    better = "; purity and precision look better than among all"
    assert [told_of_labelled(2, 6, n).endswith(better) for n in (0, 3, 4)] == [True, True, False]
    assert [told_of_labelled(n, 6, 0) == "" for n in (0, 3, 6)] == [True, False, True]


def test_relabelling_and_reordering_change_nothing() -> None:
    labels, pid, camid = random_labelling(7)
    order = np.random.default_rng(0).permutation(len(labels))
    moved = measure_agreement((1000 - labels)[order], pid[order], camid[order])
    expected = measure_agreement(labels, pid, camid)
    assert dataclasses.asdict(moved) == pytest.approx(dataclasses.asdict(expected))


def identity_figures(found: Agreement) -> list[float]:
    return list(dataclasses.astuple(found)[5:])


def test_without_identities_only_counts_are_known() -> None:
    labels = np.array([0, 0, 1])
    found = measure_agreement(labels, np.array([-1, -2, -2]), np.array([1, 1, 1]))
    assert np.isnan(identity_figures(found)).all()
    assert (found.n_labelled, found.n_identities, found.n_clusters) == (0, 0, 2)
    assert (found.singleton_share, found.same_camera_share) == (0.5, 1.0)


def test_perfect_clusters_have_every_figure_at_one() -> None:
    pid = np.repeat(np.arange(5), 3)
    assert identity_figures(measure_agreement(pid + 7, pid, pid)) == pytest.approx([1.0] * 13)


def test_all_singletons_are_precise_and_recall_nothing() -> None:
    pid = np.repeat(np.arange(40), 2) + 1
    found = measure_agreement(np.arange(80), pid, np.zeros(80, dtype=np.int32))
    assert (found.pairwise_precision, found.pairwise_recall, found.pairwise_f) == (1.0, 0.0, 0.0)
    assert (found.bcubed_precision, found.bcubed_recall) == (1.0, 0.5)
    assert (found.purity, found.singleton_share) == (1.0, 1.0)
    assert found.ari == 0.0
    assert np.isnan(found.same_camera_share)


def test_one_cluster_recalls_everything() -> None:
    pid = np.repeat(np.arange(4), 2) + 1
    found = measure_agreement(np.zeros(8, dtype=np.int64), pid, np.arange(8) % 2)
    assert (found.pairwise_recall, found.bcubed_recall, found.completeness) == (1.0, 1.0, 1.0)
    assert found.pairwise_precision == pytest.approx(4 / 28)
    assert (found.n_clusters, found.purity) == (1, 0.25)


def test_one_sample_and_no_sample_are_measured_without_warnings() -> None:
    one = measure_agreement(np.array([3]), np.array([1]), np.array([0]))
    assert identity_figures(one) == [1.0] * 13
    none = measure_agreement(*(np.empty(0, dtype=np.int64),) * 3)
    assert (none.n_clusters, none.n_identities) == (0, 0)
    assert np.isnan(none.singleton_share)


def test_lengths_that_differ_are_named() -> None:
    with pytest.raises(DbcError, match="equally many, got 2, 3 and 3"):
        measure_agreement(np.arange(2), np.arange(3), np.arange(3))


@pytest.mark.parametrize(
    ("place", "wrong", "got"),
    [
        (0, np.zeros((3, 1), dtype=np.int64), r"labels must be .*, got int64 of shape \(3, 1\)"),
        (1, [1, 2, 3], "pid must be .*, got list"),
        (2, np.full(3, np.nan), "camid must be .*, got float64"),
        (2, np.ma.array(np.arange(3)), "camid must be .*, got MaskedArray"),
    ],
)
def test_what_is_no_array_of_integers_is_refused(place: int, wrong: object, got: str) -> None:
    arrays = [np.arange(3)] * 3
    arrays[place] = wrong
    with pytest.raises(DbcError, match=got):
        measure_agreement(*arrays)
