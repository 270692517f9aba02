"""Selecting merges from pairs in ascending order of D, by the two published rules that rank once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import islice

import numpy as np

from schemas.choices import Update
from stages.merge.clusters import root_of
from stages.merge.selection.first_pairs import LOWEST, Key, RankedPairs
from stages.merge.selection.links import Links
from stages.typing import BoolArray, Int64Array

NextBlock = Callable[[BoolArray, Key, int], RankedPairs]
"""(alive (K,), after, capacity) → the pairs of clusters still alive with keys above `after`, up to a limit."""

FEWEST_PAIRS = 256
PAIRS_PER_MERGE = 3
COSTLY_PAIRS, COSTLY_PAIRS_PER_MERGE = 12_288, 8


def walk(
    next_block: NextBlock, *, n_clusters: int, n_merges: int, update: Update, links: Links | None = None
) -> list[tuple[int, int]]:
    """The `n_merges` merges (a, b) that `update` accepts first (`accepted`); fewer if `links` permit no more.

    When a block runs out, `next_block` gives another: under 'stale' of the clusters not yet absorbed, because all other
    pairs would be skipped. With `links` pairs and blocks are of nodes, `n_clusters` of them.
    """
    parent = np.arange(n_clusters)
    owner = parent.copy() if links is None else links.individual
    merges: list[tuple[int, int]] = []
    after, capacity = LOWEST, first_capacity(n_merges)
    while (wanted := n_merges - len(merges)) > 0:
        alive = (parent == np.arange(n_clusters))[owner] if update == "stale" else np.ones(n_clusters, dtype=bool)
        block = next_block(alive, after, capacity)
        pairs = zip(block.first.tolist(), block.second.tolist(), strict=True)
        found = list(islice(accepted(pairs, parent, update=update, links=links), wanted))
        merges += found
        if not len(block) and block.limit[0] == np.inf:
            break
        after = block.limit
        capacity = next_capacity(capacity, found=len(found), wanted=wanted)
    return merges


def accepted(
    pairs: Iterable[tuple[int, int]], parent: Int64Array, *, update: Update, links: Links | None = None
) -> Iterator[tuple[int, int]]:
    """The pairs (a, b) that `update` merges of `pairs`, clusters by label in ascending order of D.

    'stale' (the published DBC code) skips a pair if either cluster was absorbed before; else b is absorbed, and a may
    absorb again. 'union' (the published BUC code) skips a pair that is in one cluster already. `parent` (K,) says which
    cluster absorbed each, or itself, and is updated before each pair is given. With `links` pairs are of nodes, and the
    clusters are the individuals of these; pairs that may not join are skipped.
    """
    for a, b in pairs:
        x, y = (a, b) if links is None else links.individuals_at_renaming(a, b)
        if update == "union":
            first, second = sorted((root_of(parent, x), root_of(parent, y)))
        elif update == "stale":
            first, second = (x, y) if parent[x] == x and parent[y] == y else (x, x)
        else:
            raise ValueError(f"`update` must be 'stale' or 'union' where pairs are ranked once, got {update!r}")
        if first == second:
            continue
        if links is not None:
            if links.differ(first, second) or not links.are_comparable(a, b):
                continue
            links.unite(first, second)
        parent[second] = first
        yield a, b


def first_capacity(n_merges: int, *, costly_blocks: bool = False) -> int:
    """How many pairs the first block holds: a small multiple of the merges wanted.

    `costly_blocks`: another block costs as much as ranking thousands of pairs, so up to `COSTLY_PAIRS` it holds more.
    """
    few = (
        FEWEST_PAIRS
        if not costly_blocks
        else max(16 * FEWEST_PAIRS, min(COSTLY_PAIRS_PER_MERGE * n_merges, COSTLY_PAIRS))
    )
    return max(few, PAIRS_PER_MERGE * n_merges)


def next_capacity(capacity: int, *, found: int, wanted: int) -> int:
    """How many pairs the next block holds: four times as many if this one gave less than half of the merges wanted."""
    return capacity if 2 * found >= wanted else 4 * capacity


def merges_array(merges: list[tuple[int, int]]) -> Int64Array:
    """`merges` as (m, 2) int64."""
    return np.array(merges, dtype=np.int64).reshape(-1, 2)
