"""What differs between artifacts is what changed, and partitions are compared pair by pair."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest

from stages.compare.difference import changes, partition_agreement


def test_changes_are_the_values_that_differ_by_their_whole_names() -> None:
    first = {"same": 1, "was": None, "inner": {"x": 1, "y": [1]}, "gone": 2}
    second = {"same": 1, "was": 0.5, "inner": {"x": 2, "y": [1]}, "new": {"z": 3}}
    assert changes(first, second) == {"gone": (2, None), "inner.x": (1, 2), "new.z": (None, 3), "was": (None, 0.5)}
    assert changes(first, first) == {}


@pytest.mark.parametrize("seed", range(5))
def test_pairs_are_counted_as_one_by_one(seed: int) -> None:
    generator = np.random.default_rng(seed)
    first, second = (generator.integers(0, n, 30) for n in (4, 7))
    together = [{pair for pair in combinations(range(30), 2) if p[pair[0]] == p[pair[1]]} for p in (first, second)]
    found = partition_agreement(first, second)
    assert found["pairs_both"] == len(together[0] & together[1])
    assert found["pairs_only_first"] == len(together[0] - together[1])
    assert found["pairs_only_second"] == len(together[1] - together[0])


def test_single_samples_agree_with_themselves() -> None:
    found = partition_agreement(np.arange(5), np.arange(5))
    assert (found["ari"], found["pairs_both"], found["pairs_only_first"]) == (1.0, 0, 0)
