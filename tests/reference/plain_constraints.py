"""A merge under constraints as plain loops: every pair is asked anew whether it may join, by sets of samples.

How a D is computed is that of `plain_merge` and `plain_jaccard`; how constraints are held, inherited and looked up is its own.
"""

from __future__ import annotations

import itertools
from functools import partial

import numpy as np
from plain_dispersion import NearestDispersion
from plain_jaccard import intra, rounded
from plain_merge import _dispersion_of


def plain_constrained(labels, n_merges, numbers_of, *, same=(), different=(), view=None, update="stale"):
    """(labels, merges, rows of (D, d_ab, p_a, p_b, n_a, n_b)), as `merge_stage`.

    `numbers_of(labels)` gives a function (a, b) -> row of two clusters of `labels`.
    """
    labels = np.asarray(labels)
    views = np.zeros(len(labels), dtype=int) if view is None else np.asarray(view)
    people = {c: set(np.flatnonzero(labels == c).tolist()) for c in range(labels.max() + 1)}
    merges = sorted(_forced(people, same))
    rows = [numbers_of(labels)(a, b) for a, b in merges]
    for a, b in merges:
        people[a] |= people.pop(b)
    state = _State(people, views, different)
    walked = state.exact if update == "exact" else partial(state.once, is_stale=update == "stale")
    for pair, row in itertools.islice(walked(numbers_of), max(0, n_merges - len(merges))):
        merges.append(pair)
        rows.append(row)
    return state.labels(), np.array(merges).reshape(-1, 2), np.array(rows).reshape(-1, 6)


class _State:
    """Individuals as sets of samples, and nodes: the samples of an individual that are of one view."""

    def __init__(self, people, views, different):
        self.people, self.views, self.different = people, views, different
        self.start = sorted((p, seen) for p, own in people.items() for seen in {views[i] for i in own})
        self.nodes = {k: {i for i in people[p] if views[i] == seen} for k, (p, seen) in enumerate(self.start)}

    def person(self, k):
        return next(p for p, own in self.people.items() if self.nodes[k] <= own)

    def may_join(self, a, b):
        first, second = (self.people[self.person(k)] for k in (a, b))
        told = any((i in first and j in second) or (j in first and i in second) for i, j in self.different)
        return first is not second and self.start[a][1] == self.start[b][1] and not told

    def join(self, a, b):
        first, second = sorted((self.person(a), self.person(b)))
        self.people[first] |= self.people.pop(second)
        return first, second

    def member(self):
        """The nodes there are, and which of them each sample is in, by place."""
        alive = sorted(self.nodes)
        return alive, np.array(
            [next(k for k, node in enumerate(alive) if i in self.nodes[node]) for i in range(len(self.views))]
        )

    def exact(self, numbers_of):
        while True:
            alive, member = self.member()
            row = numbers_of(member)
            place = {node: k for k, node in enumerate(alive)}
            pairs = [pair for pair in itertools.combinations(alive, 2) if self.may_join(*pair)]
            if not pairs:
                return
            _, a, b = min((row(place[a], place[b])[0], a, b) for a, b in pairs)
            pair = self.join(a, b)
            for seen in set(self.views.tolist()):
                both = [k for k in alive if self.start[k][1] == seen and self.nodes[k] <= self.people[pair[0]]]
                if len(both) == 2:
                    self.nodes[both[0]] |= self.nodes.pop(both[1])
            yield pair, row(place[a], place[b])

    def once(self, numbers_of, *, is_stale):
        row = numbers_of(self.member()[1])
        absorbed = set()
        for _, a, b in sorted((row(a, b)[0], a, b) for a, b in itertools.combinations(sorted(self.nodes), 2)):
            pair = tuple(sorted((self.start[a][0], self.start[b][0])))
            if self.may_join(a, b) and not (is_stale and absorbed & set(pair)):
                self.join(a, b)
                absorbed.add(pair[1])
                yield pair, row(a, b)

    def labels(self):
        final = np.empty(len(self.views), dtype=int)
        for number, own in enumerate(sorted(map(sorted, self.people.values()))):
            final[own] = number
        return final


def plain_numbers(features, labels, *, lambda_=0.1, metric="sqeuclidean", intra_normalizer="n", criterion="dbc"):
    """A function (a, b) -> (D, d_ab, p_a, p_b, n_a, n_b) of the clusters `labels`."""
    if criterion == "dbc":
        clusters = _dispersion_of(features, labels, metric)
    else:
        singles = _dispersion_of(features, np.arange(len(labels)), metric)
        distances = np.stack([np.asarray(singles.inter(sample)) for sample in range(len(labels))])
        clusters = NearestDispersion(distances, [np.flatnonzero(labels == c) for c in range(labels.max() + 1)])
    penalties = np.asarray(clusters.intra(normalizer=intra_normalizer))
    inter = [np.asarray(clusters.inter(a)) for a in range(labels.max() + 1)]
    sizes = np.bincount(labels)

    def row(a, b):
        value = inter[a][b] + lambda_ * (penalties[a] + penalties[b])
        return float(value), float(inter[a][b]), penalties[a], penalties[b], sizes[a], sizes[b]

    return row


def jaccard_numbers(distances, labels, *, lambda_, normalizer):
    """The same by the (n, n) Jaccard `distances`; D rounded to 12 digits, which makes ties of what rounding split."""
    groups = [np.flatnonzero(labels == c) for c in range(labels.max() + 1)]
    penalty = [intra(distances, own, normalizer) for own in groups]
    weight = [rounded(lambda_ * value) for value in penalty]

    def row(a, b):
        inter = np.mean([distances[i, j] for i in groups[a] for j in groups[b]])
        value = round(inter + weight[a] + weight[b], 12)
        return value, inter, penalty[a], penalty[b], len(groups[a]), len(groups[b])

    return row


def _forced(people, same):
    """(name, other) of every cluster that `same` joins to another of a smaller label, its name."""
    group = {c: c for c in people}
    for i, j in same:
        a, b = (group[next(c for c, own in people.items() if k in own)] for k in (i, j))
        group = {c: min(a, b) if g in (a, b) else g for c, g in group.items()}
    return [(g, c) for c, g in group.items() if g != c]


def random_constraints(rng, labels, *, n_same, n_different, n_views=0):
    """Constraints that no clusters `labels` contradict: (same, different, view); truth is a random grouping of clusters."""
    truth = rng.integers(0, max(2, (labels.max() + 1) // 2), labels.max() + 1)[labels]
    pairs = [tuple(rng.choice(len(labels), 2, replace=False).tolist()) for _ in range(4 * (n_same + n_different) + 1)]
    same = [(i, j) for i, j in pairs if truth[i] == truth[j]][:n_same]
    different = [(i, j) for i, j in pairs if truth[i] != truth[j]][:n_different]
    return same, different, rng.integers(0, n_views, len(labels)) if n_views else None
