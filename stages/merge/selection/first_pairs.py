"""The pairs that rank first so far: bounded in number, and complete up to a key (D, smaller label, larger label)."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field

import numpy as np

from stages.typing import BoolArray, Float64Array, Int64Array

Key = tuple[float, int, int]

LOWEST: Key = (-np.inf, -1, -1)
HIGHEST: Key = (np.inf, np.iinfo(np.int64).max, np.iinfo(np.int64).max)


@dataclass(frozen=True)
class RankedPairs:
    """Every pair whose key (D, a, b) lies above one key and at or below `limit`, in ascending order.

    `distance` (P,) float64 holds D; `first` < `second` (P,) int64 labels.
    """

    distance: Float64Array
    first: Int64Array
    second: Int64Array
    limit: Key

    def __len__(self) -> int:
        return len(self.distance)


@dataclass
class FirstPairs:
    """Collects pairs with keys in (after, limit]; `limit` falls whenever more than twice `capacity` are held.

    `threshold` is the D of `limit`: no pair above it need be offered. Threads may share it.
    """

    capacity: int
    threshold: float
    after: Key = LOWEST
    limit: Key = field(init=False)
    _parts: list[tuple[Float64Array, Int64Array, Int64Array]] = field(init=False, default_factory=list)
    _held: int = field(init=False, default=0)
    _lock: threading.Lock = field(init=False, default_factory=threading.Lock)

    def __post_init__(self) -> None:
        self.limit = (self.threshold, HIGHEST[1], HIGHEST[2])

    def offer(self, distance: Float64Array, first: Int64Array, second: Int64Array) -> None:
        """Keep those of these pairs (P,) whose keys lie in (after, limit]."""
        with self._lock:
            wanted = _above(self.after, distance, first, second) & ~_above(self.limit, distance, first, second)
            if not wanted.any():
                return
            self._parts.append((distance[wanted], first[wanted], second[wanted]))
            self._held += int(wanted.sum())
            if self._held > 2 * self.capacity:
                self._cut()

    def ranked(self) -> RankedPairs:
        """The pairs kept, in order; at most `capacity`."""
        with self._lock:
            self._cut()
            return RankedPairs(*self._joined(), limit=self.limit)

    def _joined(self) -> tuple[Float64Array, Int64Array, Int64Array]:
        none = np.empty(0), np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int64)
        distance, first, second = (np.concatenate(column) for column in zip(none, *self._parts, strict=True))
        return distance, first, second

    def _cut(self) -> None:
        distance, first, second = self._joined()
        order = np.lexsort((second, first, distance))
        order = order[_first_of_each_pair(first[order], second[order])]
        if order.size > self.capacity:
            order = order[: self.capacity]
            last = order[-1]
            self.limit = (float(distance[last]), int(first[last]), int(second[last]))
            self.threshold = self.limit[0]
        self._parts = [(distance[order], first[order], second[order])]
        self._held = order.size


def _first_of_each_pair(first: Int64Array, second: Int64Array) -> Int64Array:
    """Positions, ascending, at which a pair of labels occurs for the first time: under single linkage its d_ab."""
    _, position = np.unique(first * (int(second.max(initial=0)) + 1) + second, return_index=True)
    return np.sort(position).astype(np.int64)


def _above(key: Key, distance: Float64Array, first: Int64Array, second: Int64Array) -> BoolArray:
    value, a, b = key
    tied = (distance == value) & ((first > a) | ((first == a) & (second > b)))
    above: BoolArray = (distance > value) | tied
    return above
