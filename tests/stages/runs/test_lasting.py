"""Numbers that last, against an exhaustive choice of pairs, and over a run that grows."""

from __future__ import annotations

import numpy as np
import pytest

from stages.runs.lasting import Claim, carried_on


def by_hand(labels: list[int], before: list[int], given: int) -> dict[int, int]:
    """The numbers by repeatedly taking the best of all pairs that are left."""
    handed: dict[int, int] = {}
    while True:
        left = []
        for old in set(before) - {-1} - set(handed.values()):
            for label in set(labels) - set(handed):
                shared = sum(a == old and b == label for a, b in zip(before, labels, strict=True))
                union = sum(a == old or b == label for a, b in zip(before, labels, strict=True))
                if shared:
                    left.append((-shared, -shared / union, old, label))
        if not left:
            break
        _, _, old, label = min(left)
        handed[label] = old
    for label in sorted(set(labels) - set(handed)):
        given += 1
        handed[label] = given
    return handed


@pytest.mark.parametrize("seed", range(20))
def test_numbers_go_to_the_clusters_that_share_most(seed: int) -> None:
    generator = np.random.default_rng(seed)
    n = int(generator.integers(1, 40))
    labels = np.unique(generator.integers(0, 8, n), return_inverse=True)[1]
    before = generator.integers(1, 9, n)
    before[generator.random(n) < 0.2] = -1
    found = carried_on(labels, [Claim(before, given=11)])
    wanted = by_hand(labels.tolist(), before.tolist(), 11)
    assert found.number.tolist() == [wanted[label] for label in range(labels.max() + 1)]
    assert found.given == max(11, *wanted.values())
    # the order of the samples has no say
    order = generator.permutation(n)
    assert carried_on(labels[order], [Claim(before[order], given=11)]).number.tolist() == found.number.tolist()


def test_the_first_numbers_are_from_one_and_a_merge_keeps_the_larger_part() -> None:
    first = carried_on(np.array([0, 0, 1, 1, 1, 2]), [])
    assert (first.number.tolist(), first.given) == ([1, 2, 3], 3)
    merged = carried_on(np.array([0, 0, 0, 0, 0, 1]), [Claim(first.number[[0, 0, 1, 1, 1, 2]], first.given)])
    assert merged.number.tolist() == [2, 3]
    # a number that was given is never given again, even if its cluster is gone
    split = carried_on(np.array([0, 1, 2, 2, 2, 3]), [Claim(np.array([2, 2, 2, 2, 2, 3]), merged.given)])
    assert (split.number.tolist(), split.given) == ([4, 5, 2, 3], 5)


def test_the_first_claim_goes_first_and_numbers_are_handed_on_once() -> None:
    labels = np.array([0, 0, 1, 1, 2])
    earlier, later = Claim(np.array([-1, -1, -1, 7, -1]), 9), Claim(np.array([7, 7, 7, 7, 8]), 12)
    assert carried_on(labels, [earlier, later]).number.tolist() == [13, 7, 8]
    assert carried_on(labels, [earlier, later]).given == 13


def test_no_two_clusters_have_one_number() -> None:
    generator = np.random.default_rng(3)
    labels = np.unique(generator.integers(0, 30, 200), return_inverse=True)[1]
    number = carried_on(labels, [Claim(generator.integers(1, 25, 200), 25), Claim(generator.integers(1, 40, 200), 40)])
    assert len(set(number.number.tolist())) == labels.max() + 1
