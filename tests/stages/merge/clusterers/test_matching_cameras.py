"""Matches across cameras: assignments against all permutations, and rank lists against plain loops."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from scipy.optimize import linear_sum_assignment

from schemas.parameters import MergeParameters
from stages.merge.cameras_apart import camera_pairs, joined_groups, squared_distances
from stages.merge.clusterers.dgm import matched
from stages.merge.clusterers.stepwise import reciprocal_matches
from stages.merge.clustering import Task, cluster_as
from stages.typing import Float64Array


def costs(seed: int, shape: tuple[int, int] = (5, 5)) -> Float64Array:
    return np.random.default_rng(seed).random(shape)


@pytest.mark.parametrize("seed", range(10))
def test_dgm_is_the_best_of_all_permutations(seed: int) -> None:
    cost = costs(seed)
    mean = cost.mean()
    best = min(
        itertools.permutations(range(5)),
        key=lambda columns: sum(np.log1p(np.exp(cost[a, b] - mean)) for a, b in enumerate(columns)),
    )
    assert [match[:2] for match in matched(cost)] == [(a, b) for a, b in enumerate(best) if cost[a, b] <= mean]


@pytest.mark.parametrize("seed", range(3))
def test_dgm_weighs_a_sample_by_the_mean_of_its_matches_below_the_mean_cost(seed: int) -> None:
    chance = np.random.default_rng(seed)
    features = chance.normal(size=(17, 4)).astype(np.float32)
    features /= np.linalg.norm(features, axis=1, keepdims=True)
    camid = chance.permutation(np.array([-2, *[1, 2, 3] * 5, 1], dtype=np.int32))
    found: dict[int, list[float]] = {sample: [] for sample in range(17)}
    for first, second in itertools.combinations((1, 2, 3), 2):
        rows, columns = ([i for i in range(17) if camid[i] == camera] for camera in (first, second))
        cost = [[float(((features[a] - features[b]).astype(np.float64) ** 2).sum()) for b in columns] for a in rows]
        mean = sum(map(sum, cost)) / (len(rows) * len(columns))
        assigned = linear_sum_assignment([[math.log(1 + math.exp(c - mean)) for c in row] for row in cost])
        for i, j in zip(*assigned, strict=True):
            if cost[i][j] <= mean:
                for sample in (rows[i], columns[j]):
                    found[sample].append(math.exp(-cost[i][j] / max(cost[i])))
    given = cluster_as(Task(features, MergeParameters(clusterer="dgm"), 1, camid=camid))
    assert given.weights is not None
    assert given.selected is not None
    assert given.weights == pytest.approx([sum(own) / len(own) if own else 0 for own in found.values()], rel=1e-5)
    assert given.selected.tolist() == [bool(own) for own in found.values()] != [True] * 17
    assert given.weights[given.selected].min() > math.exp(-1) - 1e-6


def test_equal_samples_match_with_weight_1() -> None:
    assert matched(np.zeros((2, 3))) == [(0, 0, 1.0), (1, 1, 1.0)]


def test_dgm_matches_cameras_of_different_sizes() -> None:
    pairs = matched(costs(1, (4, 7)))
    assert len({a for a, *_ in pairs}) == len({b for _, b, _ in pairs}) == len(pairs) <= 4


def walked_down(cost: Float64Array, depth: int) -> dict[int, int]:
    """The first b in the rank list of each a whose nearest sample of a's camera is a."""
    found = {}
    for a in range(len(cost)):
        for b in sorted(range(cost.shape[1]), key=lambda b: (cost[a, b], b))[:depth]:
            if min(range(len(cost)), key=lambda c: (cost[c, b], c)) == a:
                found[a] = b
                break
    return found


@pytest.mark.parametrize("seed", range(10))
@pytest.mark.parametrize("depth", [1, 2, 5])
def test_stepwise_walks_down_both_rank_lists(seed: int, depth: int) -> None:
    cost = costs(seed, (7, 6))
    there, back = walked_down(cost, depth), walked_down(cost.T.copy(), depth)
    assert reciprocal_matches(cost, depth=depth) == [(a, b) for a, b in there.items() if back.get(b) == a]


def test_a_depth_of_one_gives_the_reciprocal_nearest_neighbours() -> None:
    cost = costs(3, (8, 8))
    nearest = [(a, int(cost[a].argmin())) for a in range(8) if cost[:, cost[a].argmin()].argmin() == a]
    assert reciprocal_matches(cost, depth=1) == nearest


def test_links_join_groups_and_leave_others_out() -> None:
    assert joined_groups(6, [(4, 1), (1, 2)]).tolist() == [-1, 0, 0, -1, 0, -1]
    assert joined_groups(3, []).tolist() == [-1, -1, -1]
    assert joined_groups(5, [(3, 4), (0, 2)]).tolist() == [0, -1, 0, 1, 1]


def test_pairs_of_cameras_leave_unknown_ones_out() -> None:
    pairs = [(a.tolist(), b.tolist()) for a, b in camera_pairs(np.array([2, 0, -2, 2, 1]))]
    assert pairs == [([1], [4]), ([1], [0, 3]), ([4], [0, 3])]


def test_distances_are_squared_and_never_negative() -> None:
    rows = np.eye(3, dtype=np.float32)
    assert squared_distances(rows, rows).tolist() == (2 - 2 * np.eye(3)).tolist()
