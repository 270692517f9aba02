"""The `exact` update: every merge has the smallest current D, found without a K×K matrix.

A block of ranked pairs holds every pair up to its limit. When a and b merge into c, D_cx is at least the smaller of
D_ax and D_bx (`Criterion`), so a new pair can fall below the limit only if one of its parents' pairs was in the block:
only those are computed. Rounding may move a D by its slack in every merge, so a merge is certain while its D stays below
the limit by the slacks of all merges so far. Then a new block is found.
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass, field

import numpy as np

from stages.merge.selection.first_pairs import RankedPairs
from stages.merge.selection.links import Links
from stages.merge.selection.merging_clusters import MergingClusters
from stages.typing import Int64Array

Entry = tuple[float, int, int, int, int]


@dataclass
class RoundResult:
    """Merges (a, b) of one block, in the labels of its clusters, and (D, d, p_a, p_b, n_a, n_b) of each.

    With links `merges` are of nodes, and more than one may belong to the individuals in `joined`, which have the `numbers`.
    """

    merges: list[tuple[int, int]] = field(default_factory=list)
    numbers: list[tuple[float, ...]] = field(default_factory=list)
    joined: list[tuple[int, int]] = field(default_factory=list)


def exact_round(
    clusters: MergingClusters,
    block: RankedPairs,
    *,
    n_merges: int,
    slack: float,
    zero_is_identity: bool,
    links: Links | None = None,
) -> RoundResult:
    """At most `n_merges` merges that are certain by the block, at least one if it holds a pair.

    `slack` bounds how far rounding may move D in one merge. `zero_is_identity`: D = 0 means that all members of both are
    one point, so that merging them changes no distance and uses no slack. `links` say which nodes may merge.
    """
    graph = _Graph(clusters, block, links)
    result = RoundResult()
    used = 0
    while len(result.numbers) < n_merges:
        entry = graph.pop()
        if entry is None:
            break
        value, a, b = entry
        is_identity = zero_is_identity and value == 0
        if result.merges and not is_identity and not value < block.limit[0] - used * slack:
            break
        used += 0 if is_identity else 1
        inter = float(clusters.dispersions.inter(a, np.array([b]))[0])
        values, counts = clusters.penalties.values, clusters.penalties.counts
        numbers = (values[a], values[b], counts[a], counts[b])
        result.merges.append((a, b))
        result.numbers.append((value, inter, *map(float, numbers)))
        if links is not None:
            result.joined.append(links.individuals_now(a, b))
            follow = links.join(a, b)
            result.merges += follow
            used += len(follow)
            for pair in follow:
                graph.merge(*pair)
        graph.merge(a, b)
    return result


class _Graph:
    """The pairs at or below the limit, as a heap with stale entries and the neighbours of each cluster."""

    def __init__(self, clusters: MergingClusters, block: RankedPairs, links: Links | None):
        self._clusters, self._limit, self._links = clusters, block.limit[0], links
        self._version: dict[int, int] = {}
        self._neighbours: dict[int, set[int]] = {}
        pairs = list(zip(block.distance.tolist(), block.first.tolist(), block.second.tolist(), strict=True))
        self._heap: list[Entry] = [(value, a, b, 0, 0) for value, a, b in pairs]
        for _, a, b in pairs:
            self._link(a, b)

    def pop(self) -> tuple[float, int, int] | None:
        """The pair of current clusters with the smallest D; None if no pair is left."""
        while self._heap:
            value, a, b, version_a, version_b = heapq.heappop(self._heap)
            is_current = self._version.get(a, 0) == version_a and self._version.get(b, 0) == version_b
            if is_current and (self._links is None or self._links.may_join(a, b)):
                return value, a, b
        return None

    def merge(self, a: int, b: int) -> None:
        """Unite a and b, and rank the new cluster with the neighbours of both."""
        around = (self._neighbours.pop(a, set()) | self._neighbours.pop(b, set())) - {a, b}
        for x in around:
            self._neighbours[x] -= {a, b}
        self._version[a] = self._version.get(a, 0) + 1
        self._version[b] = -1
        self._clusters.merge(a, b)
        self._neighbours[a] = set()
        if self._links is not None:
            around = {x for x in around if self._links.may_join(a, x)}
        others = np.array(sorted(around), dtype=np.int64)
        if not len(others):
            return
        values = self._clusters.distance(a, others)
        for x, value in zip(others.tolist(), values.tolist(), strict=True):
            if value <= self._limit:
                first, second = min(a, x), max(a, x)
                entry = (value, first, second, self._version.get(first, 0), self._version.get(second, 0))
                heapq.heappush(self._heap, entry)
                self._link(a, x)

    def _link(self, a: int, b: int) -> None:
        self._neighbours.setdefault(a, set()).add(b)
        self._neighbours.setdefault(b, set()).add(a)


def renamed(names: Int64Array, merges: list[tuple[int, int]]) -> tuple[Int64Array, Int64Array, Int64Array]:
    """(names of the clusters left, new label of each old one, old label of each one left) after `merges` (a, b).

    `names` (K,) int64 ascending: what each cluster was called at the start of the stage; a lives on. The order is kept.
    """
    target = np.arange(len(names))
    for a, b in reversed(merges):
        target[b] = target[a]
    left = np.flatnonzero(target == np.arange(len(names)))
    rank = np.full(len(names), -1, dtype=np.int64)
    rank[left] = np.arange(left.size)
    return names[left], rank[target], left
