"""Selecting merges from pairs in ascending order of D: the three published readings."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from stages.merge.clusters import root_of
from stages.merge.selection.first_pairs import LOWEST, Key, RankedPairs
from stages.typing import BoolArray, Int64Array

NextBlock = Callable[[BoolArray, Key, int], RankedPairs]
"""(alive (K,), after, capacity) → the pairs of clusters still alive with keys above `after`, up to a limit."""

FEWEST_PAIRS = 256
PAIRS_PER_MERGE = 3


def stale_walk(next_block: NextBlock, *, n_clusters: int, n_merges: int) -> list[tuple[int, int]]:
    """The merges (a, b) of the published DBC code: D once, pairs ascending, skip a pair of which either was absorbed.

    Else b is absorbed, and a may absorb again. When the block runs out the next one holds pairs of the clusters not
    yet absorbed, since all others would be skipped.
    """
    alive = np.ones(n_clusters, dtype=bool)
    merges: list[tuple[int, int]] = []
    after, capacity = LOWEST, first_capacity(n_merges)
    while len(merges) < n_merges:
        block = next_block(alive, after, capacity)
        before = len(merges)
        for a, b in zip(block.first.tolist(), block.second.tolist(), strict=True):
            if alive[a] and alive[b]:
                alive[b] = False
                merges.append((a, b))
                if len(merges) == n_merges:
                    break
        after = block.limit
        capacity = next_capacity(capacity, found=len(merges) - before, wanted=n_merges - before)
    return merges


def union_walk(next_block: NextBlock, *, n_clusters: int, n_merges: int) -> list[tuple[int, int]]:
    """The merges (a, b) of the published BUC code: D once, pairs ascending, skip a pair already in one cluster."""
    parent = np.arange(n_clusters)
    everything = np.ones(n_clusters, dtype=bool)
    merges: list[tuple[int, int]] = []
    after, capacity = LOWEST, first_capacity(n_merges)
    while len(merges) < n_merges:
        block = next_block(everything, after, capacity)
        before = len(merges)
        for a, b in zip(block.first.tolist(), block.second.tolist(), strict=True):
            first, second = sorted((root_of(parent, a), root_of(parent, b)))
            if first != second:
                parent[second] = first
                merges.append((a, b))
                if len(merges) == n_merges:
                    break
        after = block.limit
        capacity = next_capacity(capacity, found=len(merges) - before, wanted=n_merges - before)
    return merges


def first_capacity(n_merges: int, *, costly_blocks: bool = False) -> int:
    """How many pairs the first block holds: a small multiple of the merges wanted.

    `costly_blocks`: another block costs as much as thousands of pairs.
    """
    return max(FEWEST_PAIRS * (16 if costly_blocks else 1), PAIRS_PER_MERGE * n_merges)


def next_capacity(capacity: int, *, found: int, wanted: int) -> int:
    """A larger block where this one gave less than half of the merges wanted."""
    return capacity if 2 * found >= wanted else 4 * capacity


def merges_array(merges: list[tuple[int, int]]) -> Int64Array:
    """`merges` as (m, 2) int64."""
    return np.array(merges, dtype=np.int64).reshape(-1, 2)
