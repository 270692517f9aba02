"""Answers that cannot all be right: two samples said to differ, which a chain of others says are the same."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

import numpy as np

from stages.arrays.partition import connected
from stages.typing import BoolArray, Int64Array


@dataclass(frozen=True)
class Contradiction:
    """The answer at place `different` says that two samples differ, those at `chain` in turn that they are the same.

    `samples` are the samples along the chain, one more than it has links.
    """

    different: int
    chain: tuple[int, ...]
    samples: tuple[int, ...]


def others_of(pairs: Int64Array) -> dict[int, set[int]]:
    """The partners of each sample in `pairs` (p, 2)."""
    found: dict[int, set[int]] = {}
    for a, b in pairs.tolist():
        found.setdefault(a, set()).add(b)
        found.setdefault(b, set()).add(a)
    return found


def first_contradiction(n_samples: int, pairs: Int64Array, is_same: BoolArray) -> Contradiction | None:
    """The first answer of `pairs` (p, 2) that others contradict, with the shortest chain of them; None if all can be right."""
    group = connected(n_samples, pairs[is_same])
    wrong = np.flatnonzero(~is_same & (group[pairs[:, 0]] == group[pairs[:, 1]]))
    if not len(wrong):
        return None
    different = int(wrong[0])
    start, goal = pairs[different].tolist()
    links: dict[int, list[tuple[int, int]]] = {}
    for place in np.flatnonzero(is_same & (group[pairs[:, 0]] == group[start])).tolist():
        a, b = pairs[place].tolist()
        links.setdefault(a, []).append((b, place))
        links.setdefault(b, []).append((a, place))
    before: dict[int, tuple[int, int]] = {start: (start, -1)}
    waiting = deque([start])
    while goal not in before:
        sample = waiting.popleft()
        for other, place in links.get(sample, ()):
            if other not in before:
                before[other] = (sample, place)
                waiting.append(other)
    chain: list[int] = []
    samples = [goal]
    while samples[-1] != start:
        sample, place = before[samples[-1]]
        chain.append(place)
        samples.append(sample)
    return Contradiction(different, tuple(reversed(chain)), tuple(reversed(samples)))
