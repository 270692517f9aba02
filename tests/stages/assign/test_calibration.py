"""Nearest clusters and the calibration, against plain loops, scikit-learn and data whose answer is known."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

from stages.assign.calibration import calibrate, logistic, nearest_clusters, ordered_share
from stages.assign.stage import too_sure
from stages.errors import DbcError


def unit(rows: np.ndarray) -> np.ndarray:
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def individuals(n: int, each: int, *, spread: float, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(seed)
    centres = generator.standard_normal((n, 16))
    rows = np.repeat(centres, each, axis=0) + spread * generator.standard_normal((n * each, 16))
    return unit(rows), np.repeat(np.arange(n), each)


def by_hand(asked, rows, labels, own=None, without_cluster=False):
    found = []
    for q, row in enumerate(asked):
        best, there = {}, []
        for i, other in enumerate(rows):
            skipped = own is not None and (i == own[q] or (without_cluster and labels[i] == labels[own[q]]))
            if not skipped:
                value = float(row.astype(np.float64) @ other.astype(np.float64))
                there.append((value, i))
                best[int(labels[i])] = max(value, best.get(int(labels[i]), -np.inf))
        ranked = sorted(best, key=lambda label: (-best[label], label))
        second = best[ranked[1]] if len(ranked) > 1 else -np.inf
        nearest = rows[max(there)[1]].astype(np.float64)
        n_nearer = sum(
            float(nearest @ rows[i].astype(np.float64)) > max(there)[0] for _, i in there if i != max(there)[1]
        )
        found.append((ranked[0], best[ranked[0]], second, n_nearer))
    return [np.array(column) for column in zip(*found, strict=True)]


@pytest.mark.parametrize("without_cluster", [False, True])
@pytest.mark.parametrize("asks_itself", [False, True])
def test_nearest_clusters_are_those_of_a_plain_loop(asks_itself: bool, without_cluster: bool) -> None:
    generator = np.random.default_rng(1)
    rows = unit(generator.standard_normal((150, 5)))
    labels = np.unique(generator.integers(0, 40, 150), return_inverse=True)[1]
    own = generator.permutation(150)[:140] if asks_itself else None
    asked = unit(generator.standard_normal((50, 5))) if own is None else rows[own]
    found = nearest_clusters(asked, rows, labels, own=own, without_cluster=without_cluster)
    label, first, second, n_nearer = by_hand(asked, rows, labels, own, without_cluster)
    assert found.label.tolist() == label.tolist()
    np.testing.assert_allclose(found.similarity, first, rtol=1e-12)
    np.testing.assert_allclose(found.second, second, rtol=1e-12)
    assert found.n_nearer.tolist() == n_nearer.tolist()


def test_a_logistic_regression_is_that_of_scikit_learn() -> None:
    generator = np.random.default_rng(2)
    values = np.concatenate([generator.normal(1, (1, 3), (60, 2)), generator.normal(0, (1, 3), (200, 2))])
    is_first = np.arange(260) < 60
    mean, deviation = values.mean(axis=0), values.std(axis=0)
    fitted = LogisticRegression(class_weight="balanced", C=1.0, tol=1e-10, max_iter=1000)
    fitted.fit((values - mean) / deviation, is_first)
    slopes, intercept = logistic(values, is_first)
    wanted = fitted.coef_[0] / deviation
    np.testing.assert_allclose(slopes, wanted, rtol=1e-4)
    assert intercept == pytest.approx(fitted.intercept_[0] - wanted @ mean, rel=1e-4)
    # what tells the wrong way round tells nothing
    assert logistic(-values, is_first)[0].tolist() == [0, 0]
    assert logistic(values * [1, -1], is_first)[0] == pytest.approx([logistic(values[:, :1], is_first)[0][0], 0])


def test_an_ordered_share_is_the_area_under_the_curve() -> None:
    generator = np.random.default_rng(3)
    larger, smaller = generator.integers(0, 20, 70) / 4, generator.integers(0, 15, 90) / 4
    wanted = roc_auc_score(np.repeat([1, 0], [70, 90]), np.concatenate([larger, smaller]))
    assert ordered_share(larger, smaller) == pytest.approx(wanted, abs=1e-12)


def test_known_and_new_individuals_are_told_apart() -> None:
    rows, individual = individuals(60, 8, spread=0.35)
    is_there = individual < 40
    is_later = np.arange(len(rows)) % 8 < 2
    labels, clustered = individual[is_there & ~is_later], rows[is_there & ~is_later]
    calibration = calibrate(clustered, labels)
    asked = nearest_clusters(rows[is_later], clustered, labels)
    probability = calibration.probability(asked)
    is_known = is_there[is_later]
    assert calibration.separation > 0.99
    assert ((probability >= 0.5) == is_known).mean() > 0.97
    assert (asked.label[is_known] == individual[is_later][is_known]).mean() > 0.97
    # renaming clusters changes nothing
    renamed = calibrate(clustered, labels.max() - labels)
    assert renamed.slope == pytest.approx(calibration.slope, rel=1e-9)


def test_features_that_tell_nothing_give_no_certainty() -> None:
    generator = np.random.default_rng(5)
    rows, labels = unit(generator.standard_normal((400, 16))), np.repeat(np.arange(100), 4)
    calibration = calibrate(rows, labels)
    asked = nearest_clusters(unit(generator.standard_normal((200, 16))), rows, labels)
    probability = calibration.probability(asked)
    assert abs(calibration.separation - 0.5) < 0.05
    assert probability.min() > 0.2
    assert probability.max() < 0.8


def test_few_pictures_that_were_whitened_by_themselves_are_warned_of() -> None:
    (told,) = too_sure(68, 1280)
    assert told.startswith("the clusters have 68 pictures, fewer than the 1280 numbers of a feature")
    assert too_sure(1280, 1280) == ()


def test_too_little_to_learn_from_is_refused() -> None:
    rows, _ = individuals(10, 1, spread=0.1)
    with pytest.raises(DbcError, match="at least 8 samples in clusters of two or more, and two clusters"):
        calibrate(rows, np.arange(10))
    with pytest.raises(DbcError, match="got 10 and 1"):
        calibrate(rows, np.zeros(10, dtype=np.int64))
