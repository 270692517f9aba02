"""How processes that share a merge talk: an interface to hand in, and the one of a single process."""

from __future__ import annotations

from typing import Protocol

from stages.typing import Float64Array


class Exchange(Protocol):
    """`size` processes that hold the same features and labels; this one is number `rank`."""

    rank: int
    size: int

    def all_gather(self, values: Float64Array) -> list[Float64Array]:
        """`values` (any number, w) of every process, in order of rank, on every process."""


class Alone:
    """One process, which has everything."""

    rank = 0
    size = 1

    def all_gather(self, values: Float64Array) -> list[Float64Array]:
        """See `Exchange`."""
        return [values]
