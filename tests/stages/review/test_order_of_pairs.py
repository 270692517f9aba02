"""The order of pairs worth a look."""

import numpy as np

from stages.review import order
from stages.review.order import Answers, pairs_worth_a_look


def _rows(*centres, n=4, spread=0.05, seed=0):
    generator = np.random.default_rng(seed)
    return np.concatenate([c + spread * generator.standard_normal((n, 2)) for c in map(np.array, centres)]).astype("f4")


def test_a_cluster_of_two_and_two_clusters_of_one_come_first():
    # samples 0-3 and 4-7 are far apart in one cluster; 8-11 and 12-15 are one heap in two clusters; the rest is plain
    rows = _rows((0, 0), (3, 0), (20, 0), (20, 0.1), (50, 0), (80, 0))
    labels = np.repeat([0, 0, 1, 2, 3, 4], 4)
    first, second = pairs_worth_a_look(rows, labels, n_pairs=2, cut=4.0)
    assert {(first.first // 4, first.second // 4), (second.first // 4, second.second // 4)} == {(0, 1), (2, 3)}
    assert {first.reason, second.reason} == {"joined last", "would join"}
    assert first.worth >= second.worth > 0


def test_clusters_that_would_join_are_the_first_of_a_stable_sort(monkeypatch):
    monkeypatch.setattr(order, "_BLOCK", 3)
    # many clusters are equally far from each other, and some are at one place
    rows = np.random.default_rng(0).integers(0, 3, (40, 2)).astype("f4")
    distance = np.square(rows[:, None] - rows).sum(axis=2) + np.diag(np.full(40, np.inf))
    nearest = np.argsort(distance, axis=1, kind="stable")[:, : order.NEIGHBOURS]
    wanted = {(min(i, j), max(i, j)): distance[i, j] for i, own in enumerate(nearest.tolist()) for j in own}
    groups = order.groups_worth_a_look(rows, np.arange(40), 0.1)
    assert [(int(each.first[0]), int(each.second[0])) for each in groups] == [*wanted]
    assert [each.distance for each in groups] == [*wanted.values()]
    pairs = pairs_worth_a_look(rows, np.arange(40))
    assert pairs == pairs_worth_a_look(rows, np.arange(40), groups=groups)


def test_what_was_answered_or_seen_does_not_come_again():
    rows = _rows((0, 0), (3, 0), (20, 0), (20, 0.1))
    labels = np.repeat([0, 0, 1, 2], 4)
    every = pairs_worth_a_look(rows, labels)
    groups = [(pair.first // 4, pair.second // 4) for pair in every]
    assert {(0, 1), (2, 3)} <= set(groups)
    # other members than those shown: it is the groups that are decided
    answers = Answers(np.array([[0, 7], [8, 15]]), np.array([True, False]))
    left = [(pair.first // 4, pair.second // 4) for pair in pairs_worth_a_look(rows, labels, answers=answers)]
    assert not {(0, 1), (2, 3)} & set(left)
    seen = np.array([[every[0].second, every[0].first]])
    again = pairs_worth_a_look(rows, labels, seen=seen)
    assert (every[0].first, every[0].second) not in {(pair.first, pair.second) for pair in again}


def test_one_cluster_is_not_asked_about_twice_before_others():
    rows = _rows(*((10.0 * i, 0) for i in range(6)), spread=1.0)
    pairs = pairs_worth_a_look(rows, np.repeat(np.arange(6), 4), n_pairs=4, cut=30.0)
    clusters = [pair.first // 4 for pair in pairs if pair.reason in ("joined last", "loose")]
    assert len(clusters) == len(set(clusters))


def test_nothing_to_see_and_single_samples():
    assert pairs_worth_a_look(np.zeros((1, 2), "f4"), np.zeros(1, int)) == []
    (pair,) = pairs_worth_a_look(np.array([[0, 0], [1, 0]], "f4"), np.array([0, 1]))
    assert (pair.first, pair.second, pair.reason) == (0, 1, "alone")


def test_the_same_call_gives_the_same_list_without_pairs_twice():
    rows = np.random.default_rng(1).standard_normal((200, 8)).astype("f4")
    labels = np.random.default_rng(2).integers(0, 40, 200)
    labels = np.unique(labels, return_inverse=True)[1]
    first, second = (pairs_worth_a_look(rows, labels, n_pairs=1000) for _ in range(2))
    assert first == second
    assert all(pair.first < pair.second for pair in first)


def test_answers_move_the_belief_to_where_they_fit():
    # six clusters whose halves are 2 apart, and which are 6 apart: at a cut of 50, all look like one individual
    rows = _rows(*((6.0 * i + 2 * j, 0) for i in range(6) for j in range(2)), spread=0.1)
    labels = np.repeat(np.arange(6), 8)
    before = pairs_worth_a_look(rows, labels, n_pairs=1, cut=50.0)[0]
    halves = np.array([[8 * i, 8 * i + 4] for i in range(3)])
    others = np.array([[0, 8], [8, 16], [16, 24], [24, 32]])
    told = Answers(np.concatenate([halves, others]), np.zeros(7, dtype=bool))
    after = pairs_worth_a_look(rows, labels, n_pairs=3, cut=50.0, answers=told)
    assert before.reason == "would join"
    assert [pair.reason for pair in after] == ["joined last"] * 3
    assert {pair.first // 8 for pair in after} == {3, 4, 5}
