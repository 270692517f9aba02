"""Samples that differ get different clusters, and no other answer changes."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest

from stages.assign.calibration import Calibration, nearest_clusters
from stages.assign.forbidden_clusters import Apart, answers_apart, apart_of, one_answer_each

ROWS = np.eye(4, dtype=np.float32)
LABELS = np.array([1, 0, 2, 3])
NONE = np.empty((0, 2), dtype=np.int64)
SIMILARITY = Calibration(slope=20, rank_slope=0, intercept=-10, separation=1)
"""Known from a similarity of 0.5 on."""


def answers(asked: list[list[float]], pairs: list[list[int]], labels: list[list[int]]) -> list[int]:
    apart = Apart(np.array(pairs or NONE), np.array(labels or NONE))
    found = answers_apart(np.array(asked, dtype=np.float32), ROWS, LABELS, SIMILARITY, threshold=0.5, apart=apart)
    assert np.isfinite(found.nearest.similarity).all()
    assert ((found.probability >= 0.5) == found.is_known).all()
    return np.where(found.is_known, found.nearest.label, -1).tolist()


@pytest.mark.parametrize(
    ("asked", "pairs", "labels", "wanted"),
    [
        # the most similar keeps the individual; the next ones take their next best, or are new
        ([[0.8, 0.6, 0, 0], [0.9, 0, 0.4, 0], [0.7, 0, 0, 0.7]], [[0, 1], [0, 2], [1, 2]], [], [0, 1, 3]),
        ([[0.8, 0.4, 0, 0], [0.9, 0, 0.4, 0]], [[0, 1]], [], [-1, 1]),
        ([[0.8, 0.6, 0, 0], [0.9, 0, 0.4, 0]], [], [], [1, 1]),
        # two that are equally similar: the first; one that is new keeps nothing
        ([[0.9, 0.6, 0, 0], [0.9, 0.6, 0, 0]], [[0, 1]], [], [1, 0]),
        ([[0.4, 0, 0, 0], [0.3, 0, 0.9, 0]], [[0, 1]], [], [-1, 2]),
        # what one is driven to may be kept by another
        ([[0.9, 0.7, 0, 0], [1, 0, 0, 0], [0, 0.8, 0, 0.6]], [[0, 1], [0, 2]], [], [-1, 1, 0]),
        # a cluster that holds a sample it differs from; all of them
        ([[0.9, 0.7, 0, 0]], [], [[0, 1]], [0]),
        ([[0.9, 0.7, 0, 0], [0.9, 0, 0, 0]], [], [[0, 0], [0, 1], [0, 2], [0, 3]], [-1, 1]),
    ],
)
def test_samples_that_differ_get_different_clusters(
    asked: list[list[float]], pairs: list[list[int]], labels: list[list[int]], wanted: list[int]
) -> None:
    assert answers(asked, pairs, labels) == wanted


def test_samples_of_one_encounter_get_one_answer_unless_some_are_apart() -> None:
    asked = np.array(
        [[0.8, 0, 0, 0], [0.9, 0, 0, 0], [0.3, 0.4, 0, 0], [0, 0.7, 0, 0], [0, 0, 0.9, 0], [0, 0.6, 0, 0.9]]
    )
    asked = np.concatenate([asked, asked[2:4], asked[:1]]).astype(np.float32)
    none = Apart(NONE, NONE)
    found = answers_apart(asked, ROWS, LABELS, SIMILARITY, threshold=0.5, apart=none)
    assert np.where(found.is_known, found.label, -1).tolist() == [1, 1, -1, 0, 2, 3, -1, 0, 1]
    encounter = np.array([5, 5, 5, 7, 7, 9, -2, -2, 8], dtype=np.int32)

    def told(there: dict[int, set[int]], apart: Apart = none) -> list[int]:
        one = one_answer_each(found, encounter, there, threshold=0.5, apart=apart)
        assert ((one.probability >= 0.5) == one.is_known).all()
        return np.where(one.is_known, one.label, -1).tolist()

    # 7: 0.98 of cluster 0 and 1.00 of 2; 8 and 9 are alone, and without an encounter nothing changes
    assert told({}) == [1, 1, 1, 2, 2, 3, -1, 0, 1]
    assert told({5: {3}, 8: {0}, 7: {1, 2}}) == [3, 3, 3, 0, 2, 3, -1, 0, 0]
    assert told({}, Apart(np.array([[3, 4]]), NONE)) == [1, 1, 1, 0, 2, 3, -1, 0, 1]
    assert told({}, Apart(NONE, np.array([[2, 0]]))) == [1, 1, -1, 2, 2, 3, -1, 0, 1]
    found.probability[:] = 0
    assert one_answer_each(found, encounter, {}, threshold=0.5, apart=none).label[:3].tolist() == [1, 1, 1]


def test_only_pictures_of_one_view_are_compared() -> None:
    # both flanks of one animal in cluster 1; of view 2 nothing is there
    rows, labels, view = ROWS[[0, 1, 1, 2]], np.array([1, 1, 0, 2]), np.array([0, 1, 0, 0])
    asked = np.array(
        [[0, 0.9, 0, 0], [0, 0.9, 0, 0], [0.9, 0, 0, 0], [0.9, 0, 0, 0], [0.9, 0, 0.1, 0]], dtype=np.float32
    )
    of = np.array([0, 1, 0, 1, 2])
    none = Apart(NONE, NONE)
    found = answers_apart(asked, rows, labels, SIMILARITY, threshold=0.5, apart=none, views=(of, view))
    assert np.where(found.is_known, found.label, -1).tolist() == [0, 1, 1, -1, -1]
    assert (found.probability[4], np.isfinite(found.nearest.similarity).all()) == (0, True)
    # what cannot be compared does not make its encounter less known
    encounter = np.array([1, 2, 3, 4, 3], dtype=np.int32)
    one = one_answer_each(found, encounter, {}, threshold=0.5, apart=none)
    assert np.where(one.is_known, one.label, -1).tolist() == [0, 1, 1, -1, 1]
    assert one.probability[4] == found.probability[2]
    barred = Apart(NONE, np.array([[1, 1]]))
    again = answers_apart(asked, rows, labels, SIMILARITY, threshold=0.5, apart=barred, views=(of, view))
    assert np.where(again.is_known, again.label, -1).tolist() == [0, -1, 1, -1, -1]


@pytest.mark.parametrize("seed", range(10))
def test_no_answer_is_against_what_is_shown_and_others_are_as_before(seed: int) -> None:
    generator = np.random.default_rng(seed)
    rows, asked = (generator.standard_normal((n, 6)).astype(np.float32) for n in (30, 25))
    labels = np.unique(generator.integers(0, 9, 30), return_inverse=True)[1]
    pairs = np.array([pair for pair in combinations(range(20), 2) if generator.random() < 0.3])
    barred = np.stack([generator.integers(0, 20, 15), generator.integers(0, labels.max() + 1, 15)], axis=1)
    calibration = Calibration(slope=1, rank_slope=0.3, intercept=-2, separation=1)
    found = answers_apart(asked, rows, labels, calibration, threshold=0.3, apart=Apart(pairs, barred))
    label, is_known = found.nearest.label, found.is_known
    assert not any(is_known[a] and is_known[b] and label[a] == label[b] for a, b in pairs)
    assert not any(is_known[sample] and label[sample] == cluster for sample, cluster in barred)
    plain = nearest_clusters(asked, rows, labels)
    np.testing.assert_array_equal(label[20:], plain.label[20:])
    np.testing.assert_array_equal(found.probability[20:], calibration.probability(plain)[20:])


def test_pairs_of_all_samples_are_told_of_those_asked() -> None:
    label = np.array([-1, 4, -1, 2, -1, 4])
    found = apart_of(np.array([[0, 2], [1, 4], [3, 5], [2, 3]]), label)
    assert (found.pairs.tolist(), found.labels.tolist()) == ([[0, 1]], [[2, 4], [1, 2]])
    # a cluster that holds a pair was made without them
    assert [len(each) for each in vars(apart_of(np.array([[0, 2], [1, 5]]), label)).values()] == [0, 0]
    assert [len(each) for each in vars(apart_of(NONE, label)).values()] == [0, 0]
