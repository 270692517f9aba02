"""Both sides of a merge are the samples that D was computed of."""

from __future__ import annotations

import numpy as np

from stages.pages.merge_sides import sides_of


def shown(
    labels: list[int], merges: list[tuple[int, int]], sizes: list[tuple[int, int]], *, most: int = 100
) -> list[tuple[int, list[int], list[int]]]:
    arrays = (np.array(pairs, dtype=np.int64).reshape(-1, 2) for pairs in (merges, sizes))
    found = sides_of(np.array(labels), *arrays, most=most)
    return [(sides.place, sorted(sides.left.tolist()), sorted(sides.right.tolist())) for sides in found]


def test_sides_grow_with_the_merges_of_the_exact_update() -> None:
    found = shown([0, 1, 2, 3], [(0, 2), (1, 3), (0, 1)], [(1, 1), (1, 1), (2, 2)])
    assert found == [(0, [0], [2]), (1, [1], [3]), (2, [0, 2], [1, 3])]


def test_sides_are_those_of_the_beginning_if_pairs_are_ranked_once() -> None:
    found = shown([0, 1, 0, 2], [(0, 2), (1, 2), (0, 1)], [(2, 1), (1, 1), (2, 1)])
    assert found == [(0, [0, 2], [3]), (1, [1], [3]), (2, [0, 2], [1])]


def test_of_many_merges_the_last_and_some_of_the_others_are_kept() -> None:
    found = shown(list(range(101)), [(0, i) for i in range(1, 101)], [(i, 1) for i in range(1, 101)], most=20)
    places = [place for place, _, _ in found]
    assert len(places) == 20
    assert places[-10:] == list(range(90, 100))
    assert places[0] == 0
    # all that came before is in it, whether it is shown or not
    assert found[-1][1] == list(range(100))


def test_a_stage_without_merges_has_no_sides() -> None:
    assert shown([0, 0, 1], [], []) == []
