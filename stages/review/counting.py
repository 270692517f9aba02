"""How many individuals there are, from clusters and answers about pairs drawn for it: nested importance sampling.

Perez et al., "Human-in-the-loop visual re-ID for population size estimation" (ECCV 2024). Sample u shows an individual that
d_u samples show, itself included, so the number of individuals is K = Σ_u 1/d_u. Samples u are drawn with chance q(u), and
for each of them others v with chance q(v | u); answers s(u, v) = 1 for the same individual give

    d̂_u = 1 + (1/M) Σ_j s(u, v_j) / q(v_j | u),    K̂ = (1/N) Σ_i 1 / (q(u_i) d̂_{u_i}).

The better q(v | u) ∝ similarity is, the less this varies; it need not be right.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import expit, stdtrit

from stages.arrays.partition import connected
from stages.arrays.row_blocks import by_blocks
from stages.constraints.contradictions import others_of
from stages.reporting import SILENT, Reporter
from stages.review.order import Answers, PairToSee
from stages.typing import BoolArray, Float32Array, Float64Array, Int64Array

INNER = 20
"""M, pairs for each drawn sample."""
LEAST_DRAWN = 3
"""Drawn samples without which there is no estimate."""
CONFIDENCE = 0.95
_DEFENCE = 0.05
"""Share of q(v | u) that is spread evenly, so that no pair is out of reach."""
_SOFTNESS = 0.15
_BLOCK_BYTES = 1 << 24
"""Bytes of similarities at once in a thread. Larger arrays are given back each time, and new pages cost seconds."""


@dataclass(frozen=True)
class Draws:
    """N samples `drawn` (N,) with their chances (N,), and M `others` (N, M) of each with theirs (N, M), of `n_samples`.

    The first rows are the same however many are drawn. If sightings were drawn in place of samples, `shown` (N, M, 2) are
    samples of them. `blind` (N, M) are pairs without a view in common, about which nobody can answer.
    """

    drawn: Int64Array
    chance: Float64Array
    others: Int64Array
    other_chance: Float64Array
    blind: BoolArray
    n_samples: int
    shown: Int64Array | None = None

    def first(self, n_drawn: int) -> Draws:
        """The draws of the first `n_drawn` samples."""
        kept = slice(n_drawn)
        shown = None if self.shown is None else self.shown[kept]
        some = (self.drawn[kept], self.chance[kept], self.others[kept], self.other_chance[kept])
        return Draws(*some, self.blind[kept], self.n_samples, shown)

    def pairs(self) -> Int64Array:
        """The pairs of samples (N, M, 2) to be answered."""
        if self.shown is not None:
            return self.shown
        return np.stack([np.broadcast_to(self.drawn[:, None], self.others.shape), self.others], axis=2)

    def to_ask(self, is_known: BoolArray) -> Int64Array:
        """The pairs of samples (p, 2) that can be answered and are not known, each once; `is_known` is of all (N, M)."""
        return _each_once(self.pairs()[~is_known & ~self.blind])


@dataclass(frozen=True)
class Count:
    """The number of individuals: an estimate, and an interval that holds it in 95 of 100 cases or more.

    `n_drawn` samples were answered about in full. `gap` is how far the two estimators of `count` are apart, which is bias:
    it does not fall with more of them.
    """

    estimate: float
    low: float
    high: float
    n_drawn: int
    gap: float = 0.0

    @property
    def is_vague(self) -> bool:
        """Whether the interval is too wide for one number to mean much."""
        return self.high > 2 * self.low


class Similarity:
    """How alike samples seem, 0 to 1, by features and clusters: the chance by which pairs are drawn, and no more than that.

    The distance at which it is a half is the mean within clusters. `rows` (n, d) as the merge compares them, `labels` (n,).
    """

    def __init__(self, rows: Float32Array, labels: Int64Array) -> None:
        self._rows = rows.astype(np.float64)
        self._labels = labels
        self._norm = np.square(self._rows).sum(axis=1)
        self._level = _mean_within(self._rows, labels) or float(np.mean(self._distances(np.arange(min(len(rows), 64)))))
        self._level = max(self._level, float(np.finfo(float).tiny))

    def _distances(self, samples: Int64Array) -> Float64Array:
        found: Float64Array = (-2 * self._rows[samples]) @ self._rows.T
        found += self._norm[samples, None] + self._norm
        return np.maximum(found, 0, out=found)

    def of(self, samples: Int64Array) -> Float64Array:
        """Similarity (s, n) of each of `samples` (s,) to all; 0 to itself."""
        alike = self._distances(samples)
        np.subtract(self._level, alike, out=alike)
        alike /= _SOFTNESS * self._level
        expit(alike, out=alike)
        alike /= 2
        np.add(alike, 0.5, out=alike, where=self._labels[samples, None] == self._labels)
        alike += _DEFENCE * alike.sum(axis=1, keepdims=True) / len(self._rows)
        alike[np.arange(len(samples)), samples] = 0
        return alike

    def sizes(self, reporter: Reporter = SILENT) -> Float64Array:
        """About how many samples show the individual of each (n,)."""
        n = len(self._rows)
        every, sizes, block = np.arange(n), np.ones(n), max(1, _BLOCK_BYTES // (8 * n))
        with reporter.task("looking for likenesses", total=n, unit="samples") as advance:

            def add(starts: range) -> None:
                for start in starts:
                    own = every[start : start + block]
                    sizes[own] += self.of(own).sum(axis=1)
                    advance(len(own), "")

            by_blocks(add, n, block)
        return sizes


def _mean_within(rows: Float64Array, labels: Int64Array) -> float:
    """The mean squared distance of two samples of one cluster; 0 if no cluster has two."""
    sizes = np.bincount(labels)
    means = np.zeros((len(sizes), rows.shape[1]))
    np.add.at(means, labels, rows)
    means /= np.maximum(sizes, 1)[:, None]
    square = np.bincount(labels, weights=np.square(rows - means[labels]).sum(axis=1))
    n_pairs = float((sizes * (sizes - 1)).sum())
    return 2 * float((sizes * square).sum()) / n_pairs if n_pairs else 0.0


def draw(
    rows: Float32Array,
    labels: Int64Array,
    *,
    n_drawn: int,
    seed: int,
    n_inner: int = INNER,
    reporter: Reporter = SILENT,
) -> Draws:
    """`n_drawn` samples and `n_inner` others for each, by what `rows` (n, d) and `labels` (n,) say is alike; n ≥ 2."""
    similarity = Similarity(rows, labels)
    weight = 1 / similarity.sizes(reporter)
    weight /= weight.sum()
    generator = np.random.default_rng([seed, 0])
    # one number for each, so that more draws begin with the same
    drawn = np.searchsorted(np.cumsum(weight), generator.random(n_drawn)).clip(max=len(rows) - 1).astype(np.int64)
    others = np.empty((n_drawn, n_inner), dtype=np.int64)
    chance = np.empty((n_drawn, n_inner))
    for place, sample in enumerate(drawn.tolist()):
        alike = similarity.of(np.array([sample]))[0]
        alike /= alike.sum()
        others[place] = np.random.default_rng([seed, 1, place]).choice(len(rows), n_inner, p=alike)
        chance[place] = alike[others[place]]
    return Draws(drawn, weight[drawn], others, chance, np.zeros(others.shape, dtype=bool), len(rows))


def answered(draws: Draws, same: Int64Array, different: Int64Array) -> tuple[BoolArray, BoolArray]:
    """(is_known, is_same), (N, M) each: what the pairs `same` (s, 2) and `different` (f, 2) say of the drawn ones.

    Also by what follows from them: a = b and b ≠ c tell of a and c.
    """
    pairs = draws.pairs()
    n = 1 + max(int(some.max(initial=0)) for some in (pairs, same, different))
    group = connected(n, same)
    apart = np.sort(group[different], axis=1)
    asked = np.sort(group[pairs], axis=2)
    is_same: BoolArray = asked[..., 0] == asked[..., 1]
    is_different = np.isin(asked[..., 0] * n + asked[..., 1], apart[:, 0] * n + apart[:, 1])
    return is_same | is_different, is_same


def drawn_pairs(draws: Draws, labels: Int64Array, answers: Answers, unsure: Int64Array) -> list[PairToSee]:
    """The drawn pairs that `answers` do not decide and nobody is `unsure` (u, 2) about, in the order of the draws, each once.

    What a count does not know of them (D, their chance) is 0. `labels` (n,) give the sizes of their clusters.
    """
    different = np.concatenate([answers.pairs[~answers.is_same], unsure])
    is_known, _ = answered(draws, answers.pairs[answers.is_same], different)
    sizes = np.bincount(labels)[labels]
    pairs = draws.to_ask(is_known).tolist()
    return [PairToSee(a, b, "drawn", 0.0, int(sizes[a]), int(sizes[b]), 0.0, 0.0) for a, b in pairs]


def _each_once(pairs: Int64Array) -> Int64Array:
    """The different ones of `pairs` (p, 2), in the order of their first appearance, the smaller sample first."""
    ordered = np.sort(pairs, axis=1)
    _, first = np.unique(ordered, axis=0, return_index=True)
    return ordered[np.sort(first)]


def shown_by_answers(n_samples: int, same: Int64Array, different: Int64Array) -> tuple[int, int]:
    """The fewest and the most individuals that the pairs `same` (s, 2) and `different` (f, 2) of samples leave possible.

    The fewest are individuals that all differ from each other, found one after the other from the one with most others:
    there may be more.
    """
    group = connected(n_samples, same)
    apart = others_of(np.unique(group[different], axis=0))
    n_found, left = 0, set(apart)
    while left:
        found = max(sorted(left), key=lambda each: len(apart[each] & left))
        left &= apart[found]
        n_found += 1
    return max(1, n_found), int(group.max()) + 1


def count(draws: Draws, is_same: BoolArray, *, possible: tuple[int, int] | None = None) -> Count:
    """The number of individuals by the answers `is_same` (N, M) about `draws.pairs()`, N ≥ `LEAST_DRAWN`.

    Estimate and interval stay within the `possible` (fewest, most), by default 1 to n.

    1/d̂ is too large on average, since d̂ varies: the second-order term is taken off, and the interval reaches down to that of
    n / d̄, with d̄ the mean of d over all samples, which is too small on average (K ≥ n / d̄) and nearly without error if
    individuals are seen equally often. What few draws have missed is allowed for by one more at either end: an answer "same"
    among the others below, a drawn sample whose individual is seen once above. Below also by samples with next to no share in
    K, which are of individuals seen very often: a chance p to draw one leaves K ≥ (1 − p) K̂, and N draws without one
    rule out p with (1 − p)^N < (1 − `CONFIDENCE`) / 2.
    """
    n_drawn, n_inner = is_same.shape
    weights = is_same / draws.other_chance
    degree = 1 + weights.mean(axis=1)
    variance = weights.var(axis=1, ddof=1) / n_inner if n_inner > 1 else np.zeros(n_drawn)
    inverse = np.clip(1 / degree - variance / degree**3, 0, 1)
    quantile = float(stdtrit(n_drawn - 1, (1 + CONFIDENCE) / 2))
    terms = inverse / draws.chance
    estimate, reach = float(terms.mean()), quantile * float(terms.std(ddof=1)) / np.sqrt(n_drawn)
    every = 1 / draws.chance
    mean_degree = float((every * degree).sum() / every.sum())
    deviation = float((every * (degree - mean_degree)).std(ddof=1)) * np.sqrt(n_drawn) / float(every.sum())
    missed = 0.0 if is_same.all() else float((1 / draws.other_chance[~is_same]).mean()) / is_same.size
    largest_degree = mean_degree * np.exp(quantile * deviation / mean_degree) + missed
    smallest_degree = mean_degree * np.exp(-quantile * deviation / mean_degree)
    n = draws.n_samples
    low = min(estimate - reach, n / largest_degree, estimate * ((1 - CONFIDENCE) / 2) ** (1 / n_drawn))
    high = max(estimate + reach, n / smallest_degree) + float(every.mean() * (1 - inverse.mean())) / (n_drawn + 1)
    fewest, most = possible or (1, n)
    ends = (estimate, n / mean_degree, np.floor(low), np.ceil(high))
    estimate, other, low, high = (float(np.clip(each, fewest, most)) for each in ends)
    return Count(estimate, low, high, n_drawn, abs(estimate - other))


def expected_width(found: Count, *, n_drawn: int) -> float:
    """About how wide the interval is after `n_drawn` samples were answered about: the gap, and the rest as 1/√N."""
    quantiles = [float(stdtrit(n - 1, (1 + CONFIDENCE) / 2)) for n in (n_drawn, found.n_drawn)]
    error = found.high - found.low - found.gap
    return found.gap + error * quantiles[0] / quantiles[1] * float((found.n_drawn / n_drawn) ** 0.5)
