"""What a stage tells while it works: tasks that advance, notes and warnings. The screen is somebody else's."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol, TypeAlias

from stages.wording import so_many

Advance: TypeAlias = Callable[[int, str], None]
"""Called with the units done since the last call and a short text to show beside them."""


class Reporter(Protocol):
    """Where a stage's progress, notes and warnings go."""

    def task(self, description: str, *, total: int, unit: str) -> AbstractContextManager[Advance]:
        """A piece of work of `total` units; the context ends it."""

    def note(self, message: str) -> None:
        """One line worth knowing, such as which features were taken."""

    def warn(self, message: str) -> None:
        """One line about something that is probably not wanted."""


class Silent:
    """A reporter that drops everything."""

    @contextmanager
    def task(self, description: str, *, total: int, unit: str) -> Iterator[Advance]:  # noqa: ARG002
        """A task nobody watches."""
        yield lambda _amount, _text: None

    def note(self, message: str) -> None:
        """Drop the line."""

    def warn(self, message: str) -> None:
        """Drop the line."""


class Keeping:
    """Hands all on to another reporter, and keeps what was `told`, and of that what was `warned` of."""

    def __init__(self, reporter: Reporter) -> None:
        self.task, self._reporter = reporter.task, reporter
        self.told: list[str] = []
        self.warned: list[str] = []

    def note(self, message: str) -> None:
        """Hand a note on, and keep it."""
        self.told.append(message)
        self._reporter.note(message)

    def warn(self, message: str) -> None:
        """Hand a warning on, and keep it."""
        self.told.append(message)
        self.warned.append(message)
        self._reporter.warn(message)


class OncePerKind:
    """Hands all on to another reporter, but of warnings that differ in numbers alone the first, as stages repeat them."""

    def __init__(self, reporter: Reporter) -> None:
        self.task, self.note, self._reporter = reporter.task, reporter.note, reporter
        self._told: dict[str, list[str]] = {}

    def warn(self, message: str) -> None:
        """Hand on the first warning of its kind."""
        alike = self._told.setdefault(re.sub(r"\d+(\.\d+)?", "#", message), [])
        alike.append(message)
        if len(alike) == 1:
            self._reporter.warn(message)

    def end(self) -> None:
        """Note how many more there were."""
        for first, *more in self._told.values():
            if more:
                self._reporter.note(
                    f"{so_many(len(more), 'more such warning')} of other stages: {first.partition(';')[0]}"
                )


SILENT = Silent()


def in_thousandths(advance: Advance, speed: Callable[[float], str]) -> Callable[[int, int], None]:
    """Called with what is done and the total: advances a task of 1,000 and shows the `speed` of a rate, and the time left."""
    told, started = 0, time.perf_counter()

    def progress(done: int, total: int) -> None:
        nonlocal told
        rate = max(done, 1) / max(time.perf_counter() - started, 1e-9)
        reached = max(told, 1000 * done // max(total, 1))
        advance(reached - told, f"{speed(rate)}, {(total - done) / rate:.0f} s left")
        told = reached

    return progress


def pairs_a_second(rate: float) -> str:
    """The speed of a merge that compares pairs."""
    return f"{rate / 1e6:.1f}M pairs/s"
