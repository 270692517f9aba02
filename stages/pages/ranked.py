"""Ranked lists of queries: the best, the worst and some at random, each with the first entries of the gallery."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from stages.evaluate.retrieval.pairs import seen_at_once
from stages.samples import GALLERY, QUERY, TRAIN
from stages.typing import Float32Array, Float64Array, Int32Array, Int64Array, UInt8Array

Group = Literal["best", "worst", "random"]
TOP = 10


@dataclass(frozen=True)
class RankedList:
    """A query and its first gallery entries (rows of the dataset), with inner products and whether each is a match.

    `is_match` is None for entries of a query whose identity is not known.
    """

    group: Group
    query: int
    average_precision: float | None
    found: list[int]
    similarity: list[float]
    is_match: list[bool | None]


def chosen_queries(average_precision: Float64Array, *, each: int) -> list[tuple[Group, int]]:
    """At most `each` queries with the largest and the smallest average precision, and as many at random, by number.

    `average_precision` (n_queries) is NaN for a query without a match; of those, random ones alone are taken. A query is
    among the best or the worst, never both.
    """
    valid = np.flatnonzero(~np.isnan(average_precision))
    by_quality = valid[np.argsort(average_precision[valid], kind="stable")]
    n_each = min(each, len(valid) // 2)
    worst, best = by_quality[:n_each], by_quality[::-1][:n_each]
    drawn = np.random.default_rng(0).permutation(len(average_precision))[:each]
    groups: tuple[tuple[Group, Int64Array], ...] = (("worst", worst), ("best", best), ("random", np.sort(drawn)))
    return [(group, int(query)) for group, queries in groups for query in queries]


def ranked_lists(
    features: Float32Array,
    *,
    split: UInt8Array,
    pid: Int32Array,
    camid: Int32Array,
    encounter: Int32Array | None = None,
    average_precision: Float64Array,
    each: int,
    top: int = TOP,
) -> list[RankedList]:
    """The first `top` gallery entries of chosen queries, by inner product of `features` (n_samples, d), ties by index.

    As in the protocol of evaluation, entries of pid −1 and −2 are left out, and of the query's own pid those of its
    own, known camera or encounter; without identities nothing is. Without queries, train samples are both, and none is
    found by itself.
    """
    queries, gallery = np.flatnonzero(split == QUERY), np.flatnonzero(split == GALLERY)
    if not queries.size:
        queries = gallery = np.flatnonzero(split == TRAIN)
    has_identities = bool((pid[gallery] >= 0).any())
    if has_identities:
        gallery = gallery[pid[gallery] >= 0]
    lists = []
    for group, number in chosen_queries(average_precision, each=each):
        row = int(queries[number])
        entries = gallery[gallery != row]
        if pid[row] > 0:
            seen = None if encounter is None else (encounter[row], encounter[entries])
            entries = entries[(pid[entries] != pid[row]) | ~seen_at_once((camid[row], camid[entries]), seen)]
        similarity = features[entries] @ features[row]
        first = np.argsort(-similarity, kind="stable")[:top]
        found = entries[first]
        matches = [bool(same) if has_identities and pid[row] > 0 else None for same in pid[found] == pid[row]]
        precision = float(average_precision[number])
        lists.append(
            RankedList(
                group=group,
                query=row,
                average_precision=None if np.isnan(precision) else precision,
                found=found.tolist(),
                similarity=[round(float(value), 4) for value in similarity[first]],
                is_match=matches,
            )
        )
    return lists
