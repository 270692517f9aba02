"""Which clusters may join: pairs that are known to be one individual or two, and views in which nothing can be compared.

The merge compares nodes: the clusters or, if samples have views, the part of every cluster that is of one view. An individual
has one node in each view. Without views nodes and individuals are the same.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stages.arrays.partition import connected, relabel
from stages.errors import DbcError, UsageError
from stages.typing import BoolArray, Int64Array

_NO_PAIRS = np.empty((0, 2), dtype=np.int64)


@dataclass(frozen=True)
class PairConstraints:
    """Pairs of samples that are the `same` individual (s, 2) and `different` ones (f, 2), int64.

    `view` (n,): only samples of one view are compared; None compares all. Clusters of two views join only by `same`.
    """

    same: Int64Array = field(default_factory=_NO_PAIRS.copy)
    different: Int64Array = field(default_factory=_NO_PAIRS.copy)
    view: Int64Array | None = None


@dataclass(frozen=True)
class Joined:
    """Clusters after those of the same individuals are one: `labels` (n,), 0..K'−1, in the order of the labels before.

    `names` (K',) is the smallest label before that is part of each, and `merges` (j, 2) the pairs by the labels before, each
    of a cluster's name with another label that is part of it.
    """

    labels: Int64Array
    names: Int64Array
    merges: Int64Array


def parse_constraints(constraints: PairConstraints, *, n_samples: int) -> PairConstraints:
    """`constraints` as int64; UsageError unless they are pairs of samples 0..n−1, and a view is given for each sample."""
    if not isinstance(constraints, PairConstraints):
        raise UsageError(
            f"`constraints` must be {PairConstraints.__module__}.PairConstraints(same=…, different=…), got a "
            f"{type(constraints).__name__}"
        )

    def pairs(name: str, values: NDArray[Any]) -> Int64Array:
        found = np.asarray(values) if len(values) else _NO_PAIRS
        if found.ndim != 2 or found.shape[1] != 2 or not np.issubdtype(found.dtype, np.integer):
            raise UsageError(f"`{name}` must hold pairs of samples (p, 2), got {found.dtype} of shape {found.shape}")
        if len(found) and not 0 <= int(found.min()) <= int(found.max()) < n_samples:
            raise UsageError(
                f"`{name}` must hold samples from 0 to {n_samples - 1}, got {found.min()} to {found.max()}"
            )
        return found.astype(np.int64)

    view = constraints.view
    if view is not None and np.asarray(view).shape != (n_samples,):
        raise UsageError(f"`view` must have shape ({n_samples},), one for each sample, got {np.asarray(view).shape}")
    return PairConstraints(
        pairs("same", constraints.same),
        pairs("different", constraints.different),
        None if view is None else np.unique(view, return_inverse=True)[1].astype(np.int64),
    )


def join_same(labels: Int64Array, constraints: PairConstraints) -> Joined:
    """The clusters of `labels` (n,), joined where `constraints` say so.

    Raises DbcError if a cluster then holds two samples that are different individuals.
    """
    n_clusters = int(labels.max()) + 1
    group = relabel(connected(n_clusters, labels[constraints.same]))
    names = np.unique(group, return_index=True)[1].astype(np.int64)
    own = names[group]
    gone = np.flatnonzero(own != np.arange(n_clusters))
    merges = np.stack([own[gone], gone], axis=1)
    joined = Joined(group[labels], names, merges[np.lexsort((merges[:, 1], merges[:, 0]))])
    wrong = np.flatnonzero(np.diff(joined.labels[constraints.different], axis=1) == 0)
    if len(wrong):
        a, b = constraints.different[wrong[0]].tolist()
        raise DbcError(
            f"samples {a} and {b} are different individuals, but in one cluster by `same` or from the start; correct "
            "`different`, or start from single samples"
        )
    return joined


class Links:
    """Which nodes may join, and what else joins if they do.

    `individual` (P,) says whose node each is, `view` (P,) of which view. When two individuals join, the new one differs from
    everyone that either differs from.
    """

    def __init__(self, individual: Int64Array, view: Int64Array | None, different: Int64Array) -> None:
        self.individual, self._view = individual, view
        self._different = different
        # lists of numbers and one set, because numbers are taken one by one, and the garbage collector walks sets of sets
        self._parent = list(range(int(individual.max()) + 1))
        self._n_individuals = len(self._parent)
        ends = np.concatenate([different, different[:, ::-1]])
        ends = ends[np.argsort(ends[:, 0], kind="stable")]
        self._start: list[int] = np.searchsorted(ends[:, 0], np.arange(self._n_individuals + 1)).tolist()
        self._others: list[int] = ends[:, 1].tolist()
        self._others_of_joined: dict[int, list[int]] = {}
        self._prepare()
        self._apart: set[int] = set(self._keys.tolist())

    def _prepare(self) -> None:
        roots = self._roots(self._different)
        self._owner: list[int] = self.individual.tolist()
        self._keys = np.unique(roots.min(axis=1) * self._n_individuals + roots.max(axis=1))
        self._nodes: dict[int, dict[int, int]] = {}
        if self._view is not None:
            for node, (individual, view) in enumerate(zip(self.individual.tolist(), self._view.tolist(), strict=True)):
                self._nodes.setdefault(individual, {})[view] = node

    def permits(self, first: Int64Array, second: Int64Array) -> BoolArray:
        """Whether nodes first[i] and second[i] could join (P,) at the last `rename`."""
        a, b = self.individual[first], self.individual[second]
        permitted: BoolArray = a != b
        if len(self._keys):
            keys = np.minimum(a, b) * self._n_individuals + np.maximum(a, b)
            place = np.minimum(np.searchsorted(self._keys, keys), len(self._keys) - 1)
            permitted &= self._keys[place] != keys
        if self._view is not None:
            permitted &= self._view[first] == self._view[second]
        return permitted

    def may_join(self, first: int, second: int) -> bool:
        """Whether two nodes may join now."""
        a, b = self.individuals_now(first, second)
        return a != b and self.are_comparable(first, second) and not self.differ(a, b)

    def are_comparable(self, first: int, second: int) -> bool:
        """Whether two nodes are of one view."""
        return self._view is None or bool(self._view[first] == self._view[second])

    def differ(self, a: int, b: int) -> bool:
        """Whether two individuals, by their numbers now, a < b, are known to differ."""
        return a * self._n_individuals + b in self._apart

    def join(self, first: int, second: int) -> list[tuple[int, int]]:
        """Let two nodes join, and their individuals; returns the nodes of other views that so join too."""
        a, b = self.individuals_now(first, second)
        self.unite(a, b)
        if self._view is None:
            return []
        own, others = self._nodes[a], self._nodes.pop(b)
        both = {view: (min(own[view], node), max(own[view], node)) for view, node in others.items() if view in own}
        self._nodes[a] = {**others, **own, **{view: smaller for view, (smaller, _) in both.items()}}
        return [pair for pair in both.values() if pair != (min(first, second), max(first, second))]

    def unite(self, a: int, b: int) -> None:
        """Let two individuals, by their numbers now, a < b, be one, called a, for those who ask for no nodes that follow."""
        self._parent[b] = a
        if others := self._others_of(b):
            own = self._others_of_joined[a] = self._others_of(a)
            own += others
            n, apart, parent = self._n_individuals, self._apart, self._parent
            for other in others:
                c = other if parent[other] == other else self._root_of(other)
                apart.add(a * n + c if a < c else c * n + a)

    def rename(self, old: Int64Array) -> None:
        """Renumber the nodes after merges: node i was `old[i]` before."""
        self.individual = self._roots(self.individual[old])
        self._view = None if self._view is None else self._view[old]
        self._prepare()

    def individuals_at_renaming(self, first: int, second: int) -> tuple[int, int]:
        """The individuals of two nodes as they were at the last `rename`, the smaller first."""
        a, b = self._owner[first], self._owner[second]
        return (a, b) if a < b else (b, a)

    def individuals_now(self, first: int, second: int) -> tuple[int, int]:
        """The individuals of two nodes now, the smaller first."""
        a, b = self._root_of(self._owner[first]), self._root_of(self._owner[second])
        return (a, b) if a < b else (b, a)

    def _others_of(self, individual: int) -> list[int]:
        """Whom an individual differs from, by the numbers they had at first."""
        joined = self._others_of_joined.get(individual)
        return self._others[self._start[individual] : self._start[individual + 1]] if joined is None else joined

    def _root_of(self, found: int) -> int:
        parent = self._parent
        while parent[found] != found:
            parent[found] = found = parent[parent[found]]
        return found

    def _roots(self, individuals: Int64Array) -> Int64Array:
        parent = np.array(self._parent)
        while (parent[parent] != parent).any():
            parent = parent[parent]
        self._parent = parent.tolist()
        roots: Int64Array = parent[individuals]
        return roots


def nodes_of(labels: Int64Array, constraints: PairConstraints) -> tuple[Int64Array, Links | None]:
    """The node (n,) of every sample, and the links of the nodes; None if every pair may join.

    `labels` (n,) are the individuals after `join_same`. Nodes are numbered by individual, then by view.
    """
    different = labels[constraints.different]
    if constraints.view is None:
        return labels, Links(np.arange(int(labels.max()) + 1), None, different) if len(different) else None
    pairs, nodes = np.unique(np.stack([labels, constraints.view], axis=1), axis=0, return_inverse=True)
    return nodes.ravel().astype(np.int64), Links(pairs[:, 0].copy(), pairs[:, 1].copy(), different)
