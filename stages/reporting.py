"""What a stage tells while it works: tasks that advance, notes and warnings. The screen is somebody else's."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol, TypeAlias

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


SILENT = Silent()
