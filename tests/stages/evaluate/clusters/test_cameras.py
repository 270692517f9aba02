"""Same-camera shares against plain loops over pairs."""

from __future__ import annotations

from itertools import combinations, product

import numpy as np
import pytest

from stages.evaluate.clusters.cameras import same_camera_chance, same_camera_merges


def random_linkage(rng: np.random.Generator, n: int, n_merges: int) -> np.ndarray:
    nodes, rows = list(range(n)), []
    for step in range(n_merges):
        left, right = (nodes.pop(int(rng.integers(len(nodes)))) for _ in range(2))
        nodes.append(n + step)
        rows.append([left, right, step, 2])
    return np.array(rows, dtype=np.float64).reshape(-1, 4)


def plain_merges(linkage: np.ndarray, camid: np.ndarray) -> float:
    members = {i: [i] for i in range(len(camid))}
    shares = []
    for step, (left, right) in enumerate(linkage[:, :2].astype(int).tolist()):
        pairs = [(a, b) for a, b in product(members[left], members[right]) if camid[a] != -2 and camid[b] != -2]
        if pairs:
            shares.append(np.mean([camid[a] == camid[b] for a, b in pairs]))
        members[len(camid) + step] = members[left] + members[right]
    return float(np.mean(shares))


@pytest.mark.parametrize("seed", range(10))
def test_shares_equal_loops_over_the_pairs_that_merges_join(seed: int) -> None:
    rng = np.random.default_rng(seed)
    camid = rng.choice([-2, 0, 3, 7], 30).astype(np.int32)
    linkage = random_linkage(rng, 30, int(rng.integers(5, 30)))
    assert same_camera_merges(linkage, camid) == pytest.approx(plain_merges(linkage, camid), rel=1e-12)
    known = camid[camid != -2]
    chance = np.mean([a == b for a, b in combinations(known, 2)])
    assert same_camera_chance(camid) == pytest.approx(chance, rel=1e-12)


def test_merges_of_one_camera_alone_share_it_always() -> None:
    camid = np.array([1, 1, 2, 2], dtype=np.int32)
    assert same_camera_merges(np.array([[0.0, 1, 0, 2], [2, 3, 0, 2]]), camid) == 1
    assert same_camera_merges(np.array([[0.0, 2, 0, 2], [1, 3, 0, 2]]), camid) == 0
    assert same_camera_chance(camid) == pytest.approx(1 / 3)


def test_without_cameras_or_merges_there_is_no_share() -> None:
    unknown, nothing = np.full(4, -2, dtype=np.int32), np.empty((0, 4))
    assert np.isnan(same_camera_chance(unknown))
    assert np.isnan(same_camera_merges(np.array([[0.0, 1, 0, 2]]), unknown))
    assert np.isnan(same_camera_merges(nothing, np.array([0, 1], dtype=np.int32)))
    assert np.isnan(same_camera_chance(np.array([], dtype=np.int32)))
