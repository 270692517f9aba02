"""Which pairs of samples are worth a look, by how many pairs of samples an answer is expected to put right.

No identity is read. A pair stands for two groups of samples: two clusters that would join next, or the two sides of a
cluster that joined last.
"""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from scipy.cluster.hierarchy import linkage
from scipy.special import expit

from schemas.choices import PUBLISHED_LAMBDA
from stages.arrays.partition import connected, members_of
from stages.constraints.contradictions import others_of
from stages.reporting import SILENT, Advance, Reporter
from stages.typing import BoolArray, Float32Array, Float64Array, Int64Array

Reason = Literal["would join", "alone", "joined last", "loose", "drawn"]
"""Why a pair is shown: its clusters would join next, one of them being a single sample or not; its cluster might be two,
because its sides joined last or one sample is far from the others; or it was drawn for a count."""

NEIGHBOURS = 2
"""Nearest clusters of each cluster that are looked at."""
SPLITS = 3
"""Joins of each cluster, the latest, that are looked at."""
MOST_MEMBERS = 500
"""Members of a cluster whose joins are looked at; of larger ones these many, spread evenly."""
SOFTNESS = 0.1
"""How fast belief changes around the cut, as a share of the cut."""
_PRIOR, _STEPS = 3.0, 20
_BLOCK = 1024


@dataclass(frozen=True)
class PairToSee:
    """Samples `first` < `second` by their index, and why a look at them is worth it.

    `distance` is D of the two groups that the samples stand for, which have `n_first` and `n_second` samples; `chance` how
    likely they are one individual by D alone; `worth` how many pairs of samples an answer is expected to put right.
    """

    first: int
    second: int
    reason: Reason
    distance: float
    n_first: int
    n_second: int
    chance: float
    worth: float


@dataclass(frozen=True)
class Answers:
    """Pairs of samples (p, 2) that were looked at, and which of them show the same individual (p,); others differ."""

    pairs: Int64Array = field(default_factory=lambda: np.empty((0, 2), dtype=np.int64))
    is_same: BoolArray = field(default_factory=lambda: np.empty(0, dtype=bool))


@dataclass(frozen=True)
class Groups:
    """Two groups of samples to compare, D between them (`distance`), and whether they are one cluster now."""

    first: Int64Array
    second: Int64Array
    distance: float
    are_one: bool


def pairs_worth_a_look(
    rows: Float32Array,
    labels: Int64Array,
    *,
    n_pairs: int = 100,
    answers: Answers | None = None,
    seen: Int64Array | None = None,
    lambda_: float = PUBLISHED_LAMBDA["dbc"],
    cut: float | None = None,
    sizes: Int64Array | None = None,
    comparable: BoolArray | None = None,
    groups: list[Groups] | None = None,
    reporter: Reporter = SILENT,
) -> list[PairToSee]:
    """At most `n_pairs` pairs of samples, the one whose answer is worth most first.

    An answer about two clusters that would join next is worth n_a n_b times the chance that they are the same; about the two
    sides of a cluster n_a n_b times the chance that they differ. The chance falls from 1 to 0 as D rises through the cut.
    Groups that were answered are left out, and a cluster that was asked about comes again later.

    Parameters
    ----------
    rows : float32 array (n, d)
        Features as the merge compares them (`compared_features`).
    labels : int64 array (n,)
        The clusters, 0..K−1.
    n_pairs : int
        How many pairs to give at most.
    answers : Answers, optional
        What has been answered.
    seen : int64 array (s, 2), optional
        Pairs that are not to be shown again though they have no answer: the unsure ones.
    lambda_ : float
        λ of D = d_ab + λ (d_a + d_b), in squared Euclidean distances.
    cut : float, optional
        D between the sides of the last merge (`distance_between`); by default the largest D of two sides of a cluster.
    sizes : int64 array (n,), optional
        How many pictures each sample stands for; by default one.
    comparable : bool array (n, V), optional
        In which of V views each sample is seen; samples without a view in common make no pair.
    groups : list of Groups, optional
        What `groups_worth_a_look` gives for the same `rows`, `labels` and `lambda_`, which takes most of the time.

    Returns
    -------
    list of PairToSee
    """
    known = _Known(answers or Answers(), seen, len(labels), comparable)
    sizes = np.ones(len(labels), dtype=np.int64) if sizes is None else sizes
    groups = groups_worth_a_look(rows, labels, lambda_, reporter) if groups is None else groups
    if not groups:
        return []
    belief = _Belief(_cut_of(groups) if cut is None else cut)
    if answers is not None:
        belief.learn(*_answered(rows, labels, members_of(labels), answers, lambda_))
    found = (
        _pair_to_see(some, pair, belief, sizes) for some in groups if (pair := known.open_pair(some, rows)) is not None
    )
    return _spread(found, labels, n_pairs)


def groups_worth_a_look(
    rows: Float32Array, labels: Int64Array, lambda_: float, reporter: Reporter = SILENT
) -> list[Groups]:
    """The groups that `pairs_worth_a_look` chooses from, whatever was answered; it has the parameters."""
    members = members_of(labels)
    groups: list[Groups] = []
    with reporter.task("looking for pairs", total=2 * len(members), unit="clusters") as advance:
        for own in members:
            groups.extend(_joined(rows, own, lambda_, own[:0], latest=SPLITS))
            advance(1, "")
        groups.extend(_joins(rows, members, lambda_, advance))
    return groups


class _Belief:
    """How likely two groups are one individual by D: a logistic curve that falls through the cut, and learns from answers."""

    def __init__(self, cut: float) -> None:
        self._cut, self._softness, self._shift = cut, max(SOFTNESS * cut, float(np.finfo(float).tiny)), 0.0

    def of(self, distance: Float64Array) -> Float64Array:
        """The chance (p,) at `distance` (p,)."""
        chance: Float64Array = expit((self._cut - distance) / self._softness + self._shift)
        return chance

    def learn(self, distance: Float64Array, is_same: BoolArray) -> None:
        """Move the curve to where it fits answers best, but for a Gaussian prior of `_PRIOR` about where it was."""
        for _ in range(_STEPS):
            chance = self.of(distance)
            slope = float((is_same - chance).sum()) - self._shift / _PRIOR**2
            self._shift += slope / (float((chance * (1 - chance)).sum()) + 1 / _PRIOR**2)


def _answered(
    rows: Float32Array, labels: Int64Array, members: list[Int64Array], answers: Answers, lambda_: float
) -> tuple[Float64Array, BoolArray]:
    """D of the groups that answered pairs stand for, and whether they are the same, (p,) each.

    Two clusters or, if the samples are in one, the two sides of it that hold them and joined as one.
    """
    inside = labels[answers.pairs[:, 0]] == labels[answers.pairs[:, 1]]
    distance = np.zeros(len(inside))
    for place in np.flatnonzero(~inside).tolist():
        first, second = (members[labels[sample]] for sample in answers.pairs[place].tolist())
        distance[place] = distance_between(rows, first, second, lambda_)
    for cluster in np.unique(labels[answers.pairs[inside, 0]]).tolist():
        own = np.flatnonzero(inside & (labels[answers.pairs[:, 0]] == cluster))
        for groups in _joined(rows, members[cluster], lambda_, answers.pairs[own]):
            held = [np.isin(answers.pairs[own], side) for side in (groups.first, groups.second)]
            crossing = (held[0].any(axis=1)) & (held[1].any(axis=1))
            distance[own[crossing]] = groups.distance
    kept = distance > 0
    return distance[kept], answers.is_same[kept]


def _joined(
    rows: Float32Array, members: Int64Array, lambda_: float, wanted: Int64Array, *, latest: int | None = None
) -> Iterator[Groups]:
    """The two sides of the `latest` joins of a cluster (default: all), by average linkage of its members.

    Of a large cluster some members are looked at, `wanted` among them.
    """
    if len(members) < 2:
        return
    spread = np.unique(np.linspace(0, len(members) - 1, min(len(members), MOST_MEMBERS)).astype(np.int64))
    some = np.union1d(members[spread], wanted)
    tree = linkage(rows[some].astype(np.float64), "average", "sqeuclidean")
    sides: dict[int, Int64Array] = {i: np.array([i]) for i in range(len(some))}
    for step, (left, right) in enumerate(tree[:, :2].astype(np.int64).tolist()):
        first, second = some[sides[left]], some[sides[right]]
        sides[len(some) + step] = np.concatenate([sides.pop(left), sides.pop(right)])
        if latest is None or step >= len(tree) - latest:
            yield Groups(first, second, distance_between(rows, first, second, lambda_), are_one=True)


def distance_between(rows: Float32Array, first: Int64Array, second: Int64Array, lambda_: float) -> float:
    """D of two groups of samples, eq. (4), by means of squared Euclidean distances; merges may define it otherwise."""
    own = [rows[group].astype(np.float64) for group in (first, second)]
    mean = [part.mean(axis=0) for part in own]
    spread = [float(np.square(part - middle).sum(axis=1).mean()) for part, middle in zip(own, mean, strict=True)]
    return float(np.square(mean[0] - mean[1]).sum()) + sum(spread) * (1 + 2 * lambda_)


def _joins(rows: Float32Array, members: list[Int64Array], lambda_: float, advance: Advance) -> Iterator[Groups]:
    """Every cluster with those nearest to it, each pair once."""
    n_clusters = len(members)
    means = np.stack([rows[own].astype(np.float64).mean(axis=0) for own in members])
    spread = np.array(
        [np.square(rows[own] - mean).sum(axis=1).mean() for own, mean in zip(members, means, strict=True)]
    )
    weight = spread * (1 + 2 * lambda_)
    norm = np.square(means).sum(axis=1)
    given: set[tuple[int, int]] = set()
    for start in range(0, n_clusters if n_clusters > 1 else 0, _BLOCK):
        block = np.arange(start, min(start + _BLOCK, n_clusters))
        rest = np.arange(len(block))
        distance = (-2 * means[block]) @ means.T
        distance += norm[block, None] + norm
        np.maximum(distance, 0, out=distance)
        distance += weight[block, None]
        distance += weight
        distance[rest, block] = np.inf
        found = []
        for _ in range(min(NEIGHBOURS, n_clusters - 1)):
            nearest = distance.argmin(axis=1)
            found.append(list(zip(nearest.tolist(), distance[rest, nearest].tolist(), strict=True)))
            distance[rest, nearest] = np.inf
        for row, *others in zip(block.tolist(), *found, strict=True):
            for other, value in others:
                pair = (min(row, other), max(row, other))
                if pair not in given:
                    given.add(pair)
                    yield Groups(members[pair[0]], members[pair[1]], value, are_one=False)
        advance(len(block), "")


def _cut_of(groups: list[Groups]) -> float:
    """D of the last merge, about: the largest of two sides of a cluster, else the smallest of two clusters."""
    inside = [some.distance for some in groups if some.are_one]
    return max(inside) if inside else min(some.distance for some in groups)


class _Known:
    """What answers say of groups of samples, by the groups that "same" joins."""

    def __init__(self, answers: Answers, seen: Int64Array | None, n_samples: int, comparable: BoolArray | None) -> None:
        self._comparable = comparable
        self._seen = {(min(pair), max(pair)) for pair in (() if seen is None else seen.tolist())}
        same, different = answers.pairs[answers.is_same], answers.pairs[~answers.is_same]
        self._group = connected(n_samples, same)
        self._different = others_of(self._group[different])

    def open_pair(self, groups: Groups, rows: Float32Array) -> tuple[int, int] | None:
        """The samples that stand for `groups`; None if answers decide about them already, or the pair was seen."""
        first, second = (set(self._group[side].tolist()) for side in (groups.first, groups.second))
        if first & second or any(self._different.get(group, set()) & second for group in first):
            return None
        a = _speaker(rows, groups.first)
        others = groups.second
        if self._comparable is not None:
            others = others[(self._comparable[others] & self._comparable[a]).any(axis=1)]
        if not len(others):
            return None
        b = _speaker(rows, others)
        pair = (min(a, b), max(a, b))
        return None if pair in self._seen else pair


def _speaker(rows: Float32Array, group: Int64Array) -> int:
    """The sample of a group that is nearest to its mean."""
    own = rows[group].astype(np.float64)
    return int(group[np.argmin(np.square(own - own.mean(axis=0)).sum(axis=1))])


def _pair_to_see(groups: Groups, pair: tuple[int, int], belief: _Belief, sizes: Int64Array) -> PairToSee:
    n_first, n_second = int(sizes[groups.first].sum()), int(sizes[groups.second].sum())
    chance = float(belief.of(np.array([groups.distance]))[0])
    reasons: dict[tuple[bool, bool], Reason] = {
        (False, False): "would join",
        (False, True): "alone",
        (True, False): "joined last",
        (True, True): "loose",
    }
    return PairToSee(
        first=pair[0],
        second=pair[1],
        reason=reasons[groups.are_one, min(n_first, n_second) == 1],
        distance=groups.distance,
        n_first=n_first,
        n_second=n_second,
        chance=chance,
        worth=n_first * n_second * (1 - chance if groups.are_one else chance),
    )


def _spread(found: Iterable[PairToSee], labels: Int64Array, n_pairs: int) -> list[PairToSee]:
    """The first `n_pairs` by worth, which is halved with every pair of the same cluster before."""
    heap = [(-pair.worth, place, 0, pair) for place, pair in enumerate(found)]
    heapq.heapify(heap)
    used: Counter[int] = Counter()
    chosen: dict[tuple[int, int], PairToSee] = {}
    while heap and len(chosen) < n_pairs:
        _, place, counted, pair = heapq.heappop(heap)
        clusters = {int(labels[pair.first]), int(labels[pair.second])}
        times = max(used[cluster] for cluster in clusters)
        if times > counted:
            heapq.heappush(heap, (-pair.worth / 2**times, place, times, pair))
            continue
        used.update(clusters)
        chosen.setdefault((pair.first, pair.second), pair)
    return list(chosen.values())
