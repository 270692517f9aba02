"""The number of individuals by drawn pairs: its interval, and what it is made of."""

from dataclasses import replace

import numpy as np
import pytest

from stages.review.counting import (
    INNER,
    Count,
    Similarity,
    answered,
    count,
    draw,
    drawn_pairs,
    expected_width,
    shown_by_answers,
)
from stages.review.order import Answers

NONE = np.empty((0, 2), dtype=np.int64)
ENDS = "estimate", "low", "high"


def partition(seed, *, n_individuals=30, spread=0.6, sizes=(1, 12)):
    """Features (n, 8), true individuals (n,), and clusters (n,) that mistake some: split, joined and wrong samples."""
    rng = np.random.default_rng(seed)
    truth = np.repeat(np.arange(n_individuals), rng.integers(*sizes, n_individuals))
    rows = rng.standard_normal((n_individuals, 8))[truth] + spread * rng.standard_normal((len(truth), 8))
    labels = truth * 2 + (rng.random(len(truth)) < 0.3)
    labels[truth < 4] = 0
    wrong = rng.random(len(truth)) < 0.1
    labels[wrong] = rng.choice(labels, wrong.sum())
    return rows.astype("f4"), truth, np.unique(labels, return_inverse=True)[1]


def reviewed(rows, truth, labels, *, n_drawn, seed):
    draws = draw(rows, labels, n_drawn=n_drawn, seed=seed)
    pairs = draws.pairs()
    is_same = truth[pairs[..., 0]] == truth[pairs[..., 1]]
    found = count(draws, is_same)
    possible = shown_by_answers(len(truth), pairs[is_same], pairs[~is_same])
    assert possible[0] <= truth.max() + 1 <= possible[1]
    within = count(draws, is_same, possible=possible)
    clipped = {name: np.clip(getattr(found, name), *possible) for name in ENDS}
    assert within == replace(found, gap=within.gap, **clipped)
    return within


@pytest.mark.parametrize("n_reviews", [72, pytest.param(200, marks=pytest.mark.slow)])
@pytest.mark.parametrize(("spread", "sizes"), [(0.4, (1, 12)), (0.9, (1, 12)), (0.6, (4, 5)), (1.5, (2, 4))])
def test_the_interval_covers_the_truth_in_nine_of_ten_reviews(spread, sizes, n_reviews):
    covered, widths = [], {5: [], 15: [], 50: []}
    for seed in range(n_reviews):
        n_drawn = (5, 15, 50)[seed % 3]
        found = reviewed(*partition(seed // 8, spread=spread, sizes=sizes), n_drawn=n_drawn, seed=seed)
        assert 1 <= found.low <= found.estimate <= found.high
        covered.append(found.low <= 30 <= found.high)
        widths[n_drawn].append(found.high - found.low)
    assert np.mean(covered) >= 0.9
    assert np.mean(widths[50]) < np.mean(widths[15]) < np.mean(widths[5])


def test_the_interval_allows_for_an_individual_that_fills_the_set_and_is_not_drawn():
    # one of 60 pictures in three clusters, and 24 that are seen once: mostly no answer is "same"
    truth = np.concatenate([np.zeros(60, dtype=int), 1 + np.arange(24)])
    generator = np.random.default_rng(0)
    rows = generator.standard_normal((25, 24))[truth] + 0.3 * generator.standard_normal((84, 24))
    labels = np.unique(3 * truth + np.arange(84) % 3, return_inverse=True)[1]
    found = [reviewed(rows.astype("f4"), truth, labels, n_drawn=5, seed=seed) for seed in range(40)]
    assert np.mean([each.low <= 25 <= each.high for each in found]) >= 0.95


def test_answers_show_how_few_and_how_many_there_can_be():
    assert shown_by_answers(9, NONE, NONE) == (1, 9)
    assert shown_by_answers(9, NONE, np.array([[0, 1]])) == (2, 9)
    # 0 = 5, and 0, 1, 2 all differ; 3 differs from two of them only, and 4 from 3
    different = np.array([[0, 1], [1, 2], [2, 5], [3, 0], [1, 3], [3, 4], [1, 0]])
    assert shown_by_answers(9, np.array([[0, 5], [7, 8]]), different) == (3, 7)


def test_what_is_drawn_by_the_truth_has_no_error():
    # clusters are the individuals, of one size and far apart: d̂ is d, whatever is drawn
    rows = np.repeat(100 * np.eye(12, dtype="f4"), 5, axis=0)
    truth = np.repeat(np.arange(12), 5)
    found = reviewed(rows, truth, truth, n_drawn=40, seed=0)
    assert found.estimate == pytest.approx(12, abs=1)
    assert found.low <= 12 <= found.high


def test_more_draws_begin_with_the_same_ones_and_every_pair_can_be_drawn():
    rows, _, labels = partition(0)
    few, many = draw(rows, labels, n_drawn=4, seed=3), draw(rows, labels, n_drawn=9, seed=3)
    for name in ("drawn", "chance", "others", "other_chance"):
        np.testing.assert_array_equal(getattr(few, name), getattr(many.first(4), name))
    assert few.others.shape == (4, INNER)
    assert (few.others != few.drawn[:, None]).all()
    alike = Similarity(rows, labels).of(np.arange(len(rows)))
    assert (alike + np.eye(len(rows)) > 0).all()
    assert (np.diag(alike) == 0).all()


def test_answers_reach_drawn_pairs_also_by_what_follows():
    rows, truth, labels = partition(1)
    draws = draw(rows, labels, n_drawn=6, seed=0)
    asked = draws.pairs().reshape(-1, 2)
    same = asked[truth[asked[:, 0]] == truth[asked[:, 1]]]
    different = asked[truth[asked[:, 0]] != truth[asked[:, 1]]]
    is_known, is_same = answered(draws, same, different)
    assert is_known.all()
    np.testing.assert_array_equal(is_same.ravel(), truth[asked[:, 0]] == truth[asked[:, 1]])
    # one answer "same" beside "different" with its other end tells of a pair that nobody answered
    u, v = different[0]
    other = next(i for i in range(len(truth)) if i not in (u, v))
    is_known, is_same = answered(draws, np.array([[v, other]]), np.array([[u, other]]))
    place = [i for i, pair in enumerate(asked.tolist()) if set(pair) == {u, v}]
    assert is_known.ravel()[place].all()
    assert not is_same.ravel()[place].any()
    left = drawn_pairs(draws, labels, Answers(same, np.ones(len(same), dtype=bool)), NONE)
    assert {(pair.first, pair.second) for pair in left} <= {(min(pair), max(pair)) for pair in different.tolist()}
    assert drawn_pairs(draws, labels, Answers(same, np.ones(len(same), dtype=bool)), different) == []


def test_the_width_that_is_expected_falls_with_answers():
    found = reviewed(*partition(2), n_drawn=10, seed=0)
    assert expected_width(found, n_drawn=10) == pytest.approx(found.high - found.low)
    assert found.gap < expected_width(found, n_drawn=40) < 0.6 * (found.high - found.low)
    # what the two estimators differ by stays, however many answers come
    assert expected_width(replace(found, gap=found.high - found.low), n_drawn=1000) == found.high - found.low


def test_the_estimate_means_little_while_the_upper_end_is_above_twice_the_lower():
    assert [Count(30, low, 40, 5).is_vague for low in (19, 20)] == [True, False]
