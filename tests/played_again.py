"""Recordings of a network's launches, played without a GPU."""

from __future__ import annotations


class Again:
    """`Recorder` that does the work once while it is recorded, as a graph's first run does, and again at every replay."""

    def __init__(self) -> None:
        self.n_replays = 0

    def prepare(self, work) -> None:  # type: ignore[no-untyped-def]
        work()

    def record(self, work):  # type: ignore[no-untyped-def]
        def again() -> None:
            self.n_replays += 1
            work()

        work()
        return again
