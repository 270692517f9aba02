"""The simulated reviewer: what it answers, what it takes back, and that our order of pairs gains more than chance."""

import numpy as np
import pytest

from benchmarks.reviewer import Reviewer, at_random, by_worth, clusters_first_map, nearest_first, review
from stages.merge import merge_stage

OPTIONS = {"update": "exact", "lambda_": 0.1, "intra_normalizer": "n2"}


def mixture(seed):
    rng = np.random.default_rng(seed)
    truth = np.repeat(np.arange(20), 8)
    rows = rng.standard_normal((20, 12))[truth] + 0.8 * rng.standard_normal((160, 12))
    return rows.astype("f4"), truth


def reviewed(seed, order_of, *, accuracy=1.0, n_answers=16, batch=4):
    rows, truth = mixture(seed)
    merged = merge_stage(rows, np.arange(160), 130, **OPTIONS)

    def merge_anew(members, constraints):
        singles = np.arange(len(members))
        return merge_stage(rows[members], singles, len(members) - 1, constraints=constraints, **OPTIONS).labels

    reviewer = Reviewer(truth, accuracy, np.random.default_rng(seed))
    order = order_of(rows, float(merged.distance[-1]), seed)
    return reviewer, review(rows, merged.labels, reviewer, order, merge_anew, n_answers=n_answers, batch=batch)


ORDERS = {
    "worth": lambda rows, cut, seed: by_worth(rows, lambda_=0.1, cut=cut),
    "random": lambda rows, cut, seed: at_random(len(rows), seed=seed),
    "nearest": lambda rows, cut, seed: nearest_first(rows),
}


def test_our_order_gains_more_than_twice_what_random_pairs_gain():
    gains = {
        name: [points[-1].ari - points[0].ari for points in (reviewed(seed, order, batch=8)[1] for seed in range(3))]
        for name, order in ORDERS.items()
    }
    assert np.mean(gains["worth"]) > max(0.02, 2 * np.mean(gains["random"]), np.mean(gains["nearest"]))


@pytest.mark.parametrize("name", ORDERS)
def test_points_follow_the_answers(name):
    reviewer, points = reviewed(0, ORDERS[name])
    assert [point.n_answers for point in points] == [0, 4, 8, 12, 16]
    assert len(set(reviewer.seen)) == len(reviewer.seen) or name == "random"
    truth = reviewer.truth
    for (first, second), is_same in zip(reviewer.answers.pairs.tolist(), reviewer.answers.is_same, strict=True):
        assert is_same == (truth[first] == truth[second])


def test_wrong_answers_are_given_and_contradictions_taken_back():
    reviewer = Reviewer(np.array([0, 0, 0, 1]), 0.0, np.random.default_rng(0))
    reviewer.ask([(0, 3), (1, 3), (0, 1)])
    # both "same", which are wrong, say 0 = 1: the wrong "different" of these is not kept
    assert reviewer.answers.pairs.tolist() == [[0, 3], [1, 3]]
    assert reviewer.answers.is_same.all()
    assert reviewer.seen == [(0, 3), (1, 3), (0, 1)]


def test_map_of_a_search_with_clusters_first():
    distances = np.abs(np.subtract.outer(np.array([0, 1, 2, 3.0]), np.array([0, 1, 2, 3.0])))
    truth = np.array([0, 1, 0, 1])
    assert clusters_first_map(distances, np.array([0, 1, 0, 1]), truth) == 1
    # alone, each finds its own second, or first by its distance
    assert clusters_first_map(distances, np.arange(4), truth) == pytest.approx((0.5 + 1 / 3 + 1 / 3 + 0.5) / 4, abs=0.1)
    assert np.isnan(clusters_first_map(distances, np.arange(4), np.arange(4)))
