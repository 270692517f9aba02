"""A simulated reviewer: what clusters gain by answers, in one order of pairs or another, if the true identities are known."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from typing import Protocol

import numpy as np

from stages.constraints.contradictions import first_contradiction
from stages.merge.corrected import MergeAnew, corrected
from stages.merge.selection.links import PairConstraints
from stages.review.order import Answers, pairs_worth_a_look
from stages.review.sightings import Together, sightings_worth_a_look
from stages.typing import Float32Array, Int64Array

Pair = tuple[int, int]


@dataclass(frozen=True)
class Reviewed:
    """Clusters after `n_answers`: ARI, mAP of a search in which a sample's own cluster comes first, and how many there are."""

    n_answers: int
    ari: float
    mean_average_precision: float
    n_clusters: int


@dataclass
class Reviewer:
    """Answers by the `truth` (n,), of which the share `accuracy` is right; an answer that others contradict is taken back.

    `together` is what is known before any answer.
    """

    truth: Int64Array
    accuracy: float
    generator: np.random.Generator
    together: Together | None = None
    answers: Answers = field(default_factory=Answers)
    seen: list[Pair] = field(default_factory=list)

    def ask(self, pairs: list[Pair]) -> None:
        """Answer `pairs` one after the other."""
        for first, second in pairs:
            is_right = self.generator.random() < self.accuracy
            answer = (self.truth[first] == self.truth[second]) == is_right
            told = Answers(
                np.concatenate([self.answers.pairs, [[first, second]]]), np.append(self.answers.is_same, answer)
            )
            self.seen.append((first, second))
            links = np.concatenate([told.pairs, self._same()])
            if first_contradiction(len(self.truth), links, np.append(told.is_same, self._same()[:, 0] >= 0)) is None:
                self.answers = told

    def constraints(self) -> PairConstraints:
        """What was answered, and what was known before."""
        pairs, is_same = self.answers.pairs, self.answers.is_same
        return PairConstraints(np.concatenate([pairs[is_same], self._same()]), pairs[~is_same])

    def _same(self) -> Int64Array:
        return np.empty((0, 2), dtype=np.int64) if self.together is None else self.together.same


class Order(Protocol):
    """Which pairs to ask about next: at most `n_pairs`, by the clusters `labels` (n,) and what `reviewer` was told."""

    def __call__(self, labels: Int64Array, reviewer: Reviewer, n_pairs: int) -> list[Pair]:
        """The pairs."""


def by_worth(rows: Float32Array, *, lambda_: float, cut: float | None) -> Order:
    """The order of `pairs_worth_a_look`, or of `sightings_worth_a_look` if the reviewer knows what is together."""

    def order(labels: Int64Array, reviewer: Reviewer, n_pairs: int) -> list[Pair]:
        look = pairs_worth_a_look
        if reviewer.together is not None:
            look = partial(sightings_worth_a_look, together=reviewer.together)
        pairs = look(
            rows,
            labels,
            n_pairs=n_pairs,
            answers=reviewer.answers,
            seen=np.array(reviewer.seen, dtype=np.int64).reshape(-1, 2),
            lambda_=lambda_,
            cut=cut,
        )
        return [(pair.first, pair.second) for pair in pairs]

    return order


def at_random(n_samples: int, *, seed: int) -> Order:
    """Pairs drawn evenly."""
    generator = np.random.default_rng(seed)

    def order(labels: Int64Array, reviewer: Reviewer, n_pairs: int) -> list[Pair]:  # noqa: ARG001 — an `Order`
        drawn = (generator.choice(n_samples, 2, replace=False) for _ in range(n_pairs))
        return [(int(pair.min()), int(pair.max())) for pair in drawn]

    return order


def nearest_first(rows: Float32Array) -> Order:
    """Pairs by ascending distance; holds all n² distances."""
    first, second = np.triu_indices(len(rows), 1)
    ranked = np.argsort(_squared_distances(rows)[first, second], kind="stable")

    def order(labels: Int64Array, reviewer: Reviewer, n_pairs: int) -> list[Pair]:  # noqa: ARG001 — an `Order`
        some = ranked[len(reviewer.seen) : len(reviewer.seen) + n_pairs]
        return list(zip(first[some].tolist(), second[some].tolist(), strict=True))

    return order


def review(
    rows: Float32Array,
    labels: Int64Array,
    reviewer: Reviewer,
    order: Order,
    merge_anew: MergeAnew,
    *,
    n_answers: int,
    batch: int,
) -> list[Reviewed]:
    """The clusters `labels` (n,), corrected after every `batch` of answers, until there are `n_answers` or no pair is left."""
    from sklearn.metrics import adjusted_rand_score

    distances = _squared_distances(rows)
    points = []
    found, asked = labels, 0
    while True:
        point = Reviewed(
            asked,
            float(adjusted_rand_score(reviewer.truth, found)),
            clusters_first_map(distances, found, reviewer.truth),
            int(found.max()) + 1,
        )
        points.append(point)
        pairs = order(found, reviewer, min(batch, n_answers - asked)) if asked < n_answers else []
        if not pairs:
            return points
        reviewer.ask(pairs)
        asked += len(pairs)
        found = corrected(labels, reviewer.constraints(), merge_anew)


def clusters_first_map(distances: Float32Array, labels: Int64Array, truth: Int64Array) -> float:
    """mAP of every sample as a query among all others, those of its cluster first and then by `distances` (n, n).

    Samples whose individual is seen once are left out; NaN if there is no other.
    """
    precisions = []
    for query in range(len(labels)):
        others = np.flatnonzero(np.arange(len(labels)) != query)
        order = np.lexsort((distances[query, others], labels[others] != labels[query]))
        hits = np.flatnonzero(truth[others][order] == truth[query])
        if len(hits):
            precisions.append(float((np.arange(1, len(hits) + 1) / (hits + 1)).mean()))
    return float(np.mean(precisions)) if precisions else float("nan")


def _squared_distances(rows: Float32Array) -> Float32Array:
    norm = np.square(rows).sum(axis=1)
    squared: Float32Array = np.maximum(norm[:, None] + norm - 2 * rows @ rows.T, 0).astype(np.float32)
    return squared
