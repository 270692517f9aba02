"""Pairs between sightings: what is known to be together is not asked about, and views are not compared."""

import numpy as np
import pytest

from stages.review.counting import answered, drawn_pairs
from stages.review.order import Answers, pairs_worth_a_look
from stages.review.sightings import Together, draw_sightings, sightings_worth_a_look

NONE = np.empty((0, 2), dtype=np.int64)


def case(seed, n=60):
    """Features, clusters and sightings of two or three samples; every sighting is in one cluster."""
    rng = np.random.default_rng(seed)
    sighting = np.sort(rng.integers(0, n // 2, n))
    labels = np.unique(rng.integers(0, 9, n)[sighting], return_inverse=True)[1].astype(np.int64)
    again = np.flatnonzero(sighting[1:] == sighting[:-1])
    order = rng.permutation(n)
    place = np.argsort(order)
    same = place[np.stack([again, again + 1], axis=1)]
    return rng.standard_normal((n, 5)).astype("f4"), labels[order], sighting[order], same, rng.integers(0, 3, n)


@pytest.mark.parametrize("seed", range(4))
def test_pairs_are_of_two_sightings_and_one_view_and_their_sizes_are_of_samples(seed):
    rows, labels, sighting, same, view = case(seed)
    pairs = sightings_worth_a_look(rows, labels, Together(same, view), n_pairs=500, lambda_=0.1)
    assert len(pairs) > 5
    for pair in pairs:
        assert pair.first < pair.second
        assert sighting[pair.first] != sighting[pair.second]
        assert view[pair.first] == view[pair.second]
        assert (pair.reason in ("alone", "loose")) == (min(pair.n_first, pair.n_second) == 1)
        sizes = [int((labels == labels[sample]).sum()) for sample in (pair.first, pair.second)]
        if labels[pair.first] == labels[pair.second]:
            assert pair.n_first + pair.n_second <= sizes[0]
        else:
            assert sorted((pair.n_first, pair.n_second)) == sorted(sizes)


@pytest.mark.parametrize("seed", range(3))
def test_answers_about_any_samples_of_two_sightings_decide_about_both(seed):
    rows, labels, sighting, same, view = case(seed)
    known, together = pairs_of(rows, labels, Together(same, view)), Together(same, view)
    told = [tuple(sorted((sighting[a], sighting[b]))) for a, b in known[:6]]
    others = [[np.flatnonzero(sighting == a)[-1], np.flatnonzero(sighting == b)[-1]] for a, b in told]
    found = pairs_of(rows, labels, together, answers=Answers(np.array(others), np.zeros(len(others), dtype=bool)))
    assert not set(told) & {tuple(sorted((sighting[a], sighting[b]))) for a, b in found}
    found = pairs_of(rows, labels, together, seen=np.array(others))
    assert not set(told) & {tuple(sorted((sighting[a], sighting[b]))) for a, b in found}


def pairs_of(rows, labels, together, **known):
    found = sightings_worth_a_look(rows, labels, together, n_pairs=500, lambda_=0.1, **known)
    return [(pair.first, pair.second) for pair in found]


def test_without_sightings_and_with_one_view_the_order_is_that_of_samples():
    rows, labels, *_ = case(9)
    together = Together(NONE, np.zeros(len(rows), dtype=np.int64))
    plain = pairs_worth_a_look(rows, labels, n_pairs=50, lambda_=0.1)
    assert pairs_of(rows, labels, together)[:50] == [(pair.first, pair.second) for pair in plain]


def test_means_within_views_do_not_mix_flanks():
    # two individuals with both flanks each; flanks are far apart, and those of one individual are near each other
    rows = np.array([[0.0], [100.0], [0.1], [100.1], [5.0], [105.0]], "f4")
    together = Together(np.array([[0, 1], [2, 3], [4, 5]]), np.array([0, 1, 0, 1, 0, 1]))
    first = sightings_worth_a_look(rows, np.array([0, 0, 1, 1, 2, 2]), together, lambda_=0.1, cut=1.0)[0]
    assert (first.first, first.second) in {(0, 2), (1, 3)}
    assert first.distance == pytest.approx(0.01, rel=1e-3)


def test_a_count_draws_sightings_and_shows_samples_of_them():
    rows, labels, sighting, same, view = case(3)
    draws = draw_sightings(rows, labels, Together(same, view), n_drawn=6, seed=0)
    assert draws.n_samples == len(set(sighting.tolist()))
    shown = sighting[draws.first(4).pairs()]
    assert shown.shape == (4, 20, 2)
    assert (shown[..., 0] != shown[..., 1]).all()
    # every row is about one sighting that was drawn
    assert all(set.intersection(*map(set, row.tolist())) for row in shown)
    views = {one: set(view[sighting == one].tolist()) for one in sighting.tolist()}
    for (first, second), is_blind in zip(draws.pairs().reshape(-1, 2), draws.blind.ravel(), strict=True):
        assert is_blind == (view[first] != view[second]) == (not views[sighting[first]] & views[sighting[second]])
    # nobody can answer about two sightings without a view in common
    to_see = drawn_pairs(draws, labels, Answers(same, np.ones(len(same), dtype=bool)), NONE)
    assert draws.blind.any()
    assert all(view[pair.first] == view[pair.second] for pair in to_see)
    # what was answered about other samples of two sightings is known
    a, b = draws.pairs()[0, 0]
    others = np.array([[np.flatnonzero(sighting == sighting[a])[-1], np.flatnonzero(sighting == sighting[b])[-1]]])
    is_known, is_same = answered(draws, same, others)
    assert (bool(is_known[0, 0]), bool(is_same[0, 0])) == (True, False)
