"""Nearest clusters and the calibration, against plain loops, scikit-learn and data whose answer is known."""

from __future__ import annotations

from contextlib import contextmanager

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

from stages.assign import calibration as module
from stages.assign.calibration import (
    calibrate,
    cluster_folds,
    folds_asked,
    held_out_evidence,
    logistic,
    nearest_clusters,
    ordered_share,
)
from stages.errors import DbcError
from stages.features.whitening import fit_whitening, whitened
from stages.reporting import Silent


def unit(rows: np.ndarray) -> np.ndarray:
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def individuals(n: int, each: int, *, spread: float, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(seed)
    centres = generator.standard_normal((n, 16))
    rows = np.repeat(centres, each, axis=0) + spread * generator.standard_normal((n * each, 16))
    return unit(rows), np.repeat(np.arange(n), each)


def by_hand(asked, rows, labels):
    found = []
    for row in asked:
        best, there = {}, []
        for i, other in enumerate(rows):
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


def test_nearest_clusters_are_those_of_a_plain_loop() -> None:
    generator = np.random.default_rng(1)
    rows = unit(generator.standard_normal((150, 5)))
    labels = np.unique(generator.integers(0, 40, 150), return_inverse=True)[1]
    asked = unit(generator.standard_normal((150, 5)))
    found = nearest_clusters(asked, rows, labels)
    label, first, second, n_nearer = by_hand(asked, rows, labels)
    assert found.label.tolist() == label.tolist()
    np.testing.assert_allclose(found.similarity, first, rtol=1e-12)
    np.testing.assert_allclose(found.second, second, rtol=1e-12)
    assert found.n_nearer.tolist() == n_nearer.tolist()


def as_they_are(rows):
    """Nothing is fitted."""
    return lambda there, asked: (rows[there], rows[asked])


def by_whitening(rows):
    """A whitening is fitted."""

    def held_out(there, asked):
        whitening = fit_whitening(rows[there], ridge=3.0)
        return whitened(rows[there], whitening), whitened(rows[asked], whitening)

    return held_out


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
    calibration = calibrate(as_they_are(clustered), labels)
    asked = nearest_clusters(rows[is_later], clustered, labels)
    probability = calibration.probability(asked)
    is_known = is_there[is_later]
    assert calibration.separation > 0.99
    assert ((probability >= 0.5) == is_known).mean() > 0.97
    assert (asked.label[is_known] == individual[is_later][is_known]).mean() > 0.97
    # renaming clusters changes nothing
    renamed = calibrate(as_they_are(clustered), labels.max() - labels)
    assert renamed.slope == pytest.approx(calibration.slope, rel=1e-9)


def test_features_that_tell_nothing_give_no_certainty() -> None:
    generator = np.random.default_rng(5)
    rows, labels = unit(generator.standard_normal((400, 16))), np.repeat(np.arange(100), 4)
    calibration = calibrate(as_they_are(rows), labels)
    asked = nearest_clusters(unit(generator.standard_normal((200, 16))), rows, labels)
    probability = calibration.probability(asked)
    assert abs(calibration.separation - 0.5) < 0.05
    assert probability.min() > 0.2
    assert probability.max() < 0.8


def faces(n_individuals: int, n_known: int, *, dim: int, seed: int) -> tuple[np.ndarray, ...]:
    """Rows and cluster of 6 pictures of each known individual; then 6 other pictures of each individual, and who is known."""
    generator = np.random.default_rng(seed)
    # one strong direction that all share, as the light, and what an individual looks like
    centres = np.repeat(generator.standard_normal((n_individuals, dim)), 12, axis=0)
    rows = unit(centres + 1.2 * generator.standard_normal(centres.shape) + 4 * generator.standard_normal((1, dim)))
    individual, is_later = np.repeat(np.arange(n_individuals), 12), np.arange(12 * n_individuals) % 12 >= 6
    is_there = ~is_later & (individual < n_known)
    return rows[is_there], individual[is_there], rows[is_later], individual[is_later] < n_known


def test_few_pictures_that_were_whitened_by_themselves_do_not_make_new_individuals_known() -> None:
    rows, labels, later, is_known = faces(12, 6, dim=192, seed=6)
    whitening = fit_whitening(rows, ridge=3.0)
    there = whitened(rows, whitening)
    asked = nearest_clusters(whitened(later, whitening), there, labels)
    is_called = calibrate(by_whitening(rows), labels).probability(asked) >= 0.5
    assert is_called[is_known].mean() > 0.85
    assert is_called[~is_known].mean() < 0.15
    # if those that are asked are whitened by themselves, all are known
    assert (calibrate(as_they_are(there), labels).probability(asked)[~is_known] >= 0.5).all()


def test_many_pictures_may_as_well_be_whitened_by_themselves() -> None:
    rows, labels, *_ = faces(60, 60, dim=8, seed=7)
    there = whitened(rows, fit_whitening(rows, ridge=3.0))
    for found, by_all in zip(
        held_out_evidence(by_whitening(rows), labels), held_out_evidence(as_they_are(there), labels), strict=True
    ):
        np.testing.assert_allclose(found[:, 0], by_all[:, 0], atol=0.03)
        assert found.mean(axis=0) == pytest.approx(by_all.mean(axis=0), abs=0.05)


@pytest.mark.parametrize("n_looked_at", [2000, 20])
@pytest.mark.parametrize("with_encounters", [False, True])
def test_no_sample_that_is_asked_has_a_part_in_the_fit(
    monkeypatch: pytest.MonkeyPatch, with_encounters: bool, n_looked_at: int
) -> None:
    monkeypatch.setattr(module, "LOOKED_AT", n_looked_at)
    generator = np.random.default_rng(8)
    labels = np.unique(generator.integers(0, 25, 90), return_inverse=True)[1]
    encounter = np.where(generator.random(90) < 0.6, labels * 9 + generator.integers(0, 2, 90), -2).astype(np.int32)
    encounter = encounter if with_encounters else None
    rows, seen = unit(generator.standard_normal((90, 5))), []

    def held_out(there: np.ndarray, asked: np.ndarray):
        seen.append((asked, there))
        return rows[there], rows[asked]

    known, new = held_out_evidence(held_out, labels, encounter)
    by_kind: tuple[list[int], ...] = ([], [])
    wanted: list[list[np.ndarray]] = [[], []]
    n_known_folds = next(i for i in range(len(seen) + 1) if sum(len(asked) for asked, _ in seen[:i]) == len(known))
    for number, (asked, there) in enumerate(seen):
        is_new = number >= n_known_folds
        by_kind[is_new].extend(asked.tolist())
        assert not np.isin(asked, there).any()
        assert (np.isin(labels[asked], labels[there]) ^ is_new).all()
        if encounter is not None and not is_new:
            assert not np.isin(encounter[asked], encounter[there][encounter[there] >= 0]).any()
        _, first, _, n_nearer = by_hand(rows[asked], rows[there], labels[there])
        wanted[is_new].append(np.stack([first, -np.log1p(n_nearer)], axis=1))
    for found, by_loop, asked in zip((known, new), wanted, by_kind, strict=True):
        np.testing.assert_allclose(found, np.concatenate(by_loop), rtol=1e-12)
        assert len(set(asked)) == len(asked)
    size = np.bincount(labels)[labels]
    if n_looked_at == 20:
        assert (len(known), len(new)) == pytest.approx((20, 20), abs=4)
        assert len(seen) <= 2 * 4
    elif encounter is None:
        assert sorted(by_kind[0]) == np.flatnonzero(size > 1).tolist()
    if n_looked_at == 2000:
        assert sorted(by_kind[1]) == list(range(90))


@pytest.mark.parametrize(
    ("n_each", "n_maps", "dim", "n_folds"),
    [
        (100, 8, 2048, 10),
        (100, 33, 1280, 10),
        (100, 0, 9000, 10),
        (100, 1, 5120, 5),
        (100, 20, 8192, 3),
        (7, 20, 8192, 8),
        (2, 20, 8192, 10),
        (1000, 1, 2048, 2),
    ],
)
def test_wide_features_are_fitted_on_fewer_folds(n_each: int, n_maps: int, dim: int, n_folds: int) -> None:
    fold = np.arange(10 * n_each) % 10
    assert folds_asked(fold, fold >= 0, n_maps * float(dim) ** 3) == list(range(n_folds))
    # folds of which none is asked are passed over
    assert folds_asked(fold, fold > 8, n_maps * float(dim) ** 3) == [9]


def test_each_fold_is_told() -> None:
    rows, labels = individuals(24, 4, spread=0.5)
    told: list[int] = []
    wanted: list[tuple[str, int, str]] = []

    class Watching(Silent):
        @contextmanager
        def task(self, description: str, *, total: int, unit: str):
            wanted.append((description, total, unit))
            yield lambda amount, _text: told.append(amount)

    found = held_out_evidence(as_they_are(rows), labels, fit_work=1e15, reporter=Watching())
    assert wanted == [("tell known from new", 12, "folds")]
    assert told == [1] * 12
    assert min(map(len, found)) >= 50


def test_clusters_are_dealt_whole_and_evenly() -> None:
    labels = np.repeat(np.arange(30), np.arange(1, 31))
    fold = cluster_folds(labels)
    assert all(len(set(fold[labels == label])) == 1 for label in range(30))
    assert np.bincount(fold).max() < 1.1 * np.bincount(fold).mean()
    assert cluster_folds(np.array([0, 1, 1])).tolist() == [1, 0, 0]


def test_encounters_that_are_clusters_are_not_kept_together() -> None:
    rows, labels = individuals(20, 4, spread=0.5)
    alone = calibrate(as_they_are(rows), labels)
    assert calibrate(as_they_are(rows), labels, labels.astype(np.int32)) == alone
    assert calibrate(as_they_are(rows), labels, np.zeros(80, dtype=np.int32)) == alone
    assert calibrate(as_they_are(rows), labels, (np.arange(80) // 2).astype(np.int32)) != alone


def test_views_are_learnt_from_apart_where_they_have_enough() -> None:
    rows, labels = individuals(20, 8, spread=0.4)
    alone = calibrate(as_they_are(rows), labels)
    assert calibrate(as_they_are(rows), labels, view=np.zeros(160, dtype=np.int64)) == alone
    # pictures that are all of other views, and clusters that are alone in theirs, say nothing by themselves
    assert calibrate(as_they_are(rows), labels, view=np.arange(160)) == alone
    assert calibrate(as_they_are(rows), labels, view=labels) == alone
    # right flanks look like left ones of the next animal: compared with these, nothing tells known from new
    view = np.arange(160) % 2
    mixed = rows.reshape(20, 8, -1)[(np.arange(160) // 8 + view) % 20, np.arange(160) % 8]
    assert calibrate(as_they_are(mixed), labels, view=view).separation > 0.98
    assert calibrate(as_they_are(mixed), labels).separation < 0.9


def test_too_little_to_learn_from_is_refused() -> None:
    rows, _ = individuals(10, 1, spread=0.1)
    with pytest.raises(DbcError, match="at least 8 samples in clusters of two or more, and two clusters"):
        calibrate(as_they_are(rows), np.arange(10))
    with pytest.raises(DbcError, match="got 10 and 1"):
        calibrate(as_they_are(rows), np.zeros(10, dtype=np.int64))
