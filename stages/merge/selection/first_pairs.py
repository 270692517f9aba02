"""The pairs that rank first so far: bounded in number, complete up to a key, cut by (D, smaller, larger label)."""

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

    `criterion` (P,) float64; `first` < `second` (P,) int64 labels.
    """

    criterion: Float64Array
    first: Int64Array
    second: Int64Array
    limit: Key

    def __len__(self) -> int:
        return len(self.criterion)


@dataclass
class Pool:
    """Collects pairs with key in (after, limit]; `limit` falls whenever more than twice `capacity` have come.

    `threshold` is the D of `limit`: a pair above it need not be offered. Safe to share between threads.
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

    def offer(self, criterion: Float64Array, first: Int64Array, second: Int64Array) -> None:
        """Take what of these pairs (P,) lies between the keys."""
        with self._lock:
            wanted = _above(self.after, criterion, first, second) & ~_above(self.limit, criterion, first, second)
            if not wanted.any():
                return
            self._parts.append((criterion[wanted], first[wanted], second[wanted]))
            self._held += int(wanted.sum())
            if self._held > 2 * self.capacity:
                self._cut()

    def ranked(self) -> RankedPairs:
        """The pairs taken, in order; at most `capacity`."""
        with self._lock:
            self._cut()
            return RankedPairs(*self._joined(), limit=self.limit)

    def _joined(self) -> tuple[Float64Array, Int64Array, Int64Array]:
        if not self._parts:
            return np.empty(0), np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int64)
        criterion, first, second = (np.concatenate(column) for column in zip(*self._parts, strict=True))
        return criterion, first, second

    def _cut(self) -> None:
        criterion, first, second = self._joined()
        order = np.lexsort((second, first, criterion))
        order = order[_first_of_each_pair(first[order], second[order])]
        if order.size > self.capacity:
            order = order[: self.capacity]
            last = order[-1]
            self.limit = (float(criterion[last]), int(first[last]), int(second[last]))
            self.threshold = self.limit[0]
        self._parts = [(criterion[order], first[order], second[order])]
        self._held = order.size


def _first_of_each_pair(first: Int64Array, second: Int64Array) -> Int64Array:
    """Positions, ascending, at which a pair of labels occurs for the first time: under minimum linkage its d_ab."""
    if not first.size:
        return np.empty(0, dtype=np.int64)
    _, position = np.unique(first * (int(second.max()) + 1) + second, return_index=True)
    return np.sort(position).astype(np.int64)


def _above(key: Key, criterion: Float64Array, first: Int64Array, second: Int64Array) -> BoolArray:
    value, a, b = key
    tied = (criterion == value) & ((first > a) | ((first == a) & (second > b)))
    above: BoolArray = (criterion > value) | tied
    return above
