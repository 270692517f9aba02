"""Measures that memory lacks for are left out, and that is said once."""

from __future__ import annotations

from typing import Any, cast

import pytest

from stages.errors import MemoryLimitError
from stages.loop.choice import stage
from stages.loop.choice.separation import Separation
from stages.reporting import Silent


class Told(Silent):
    """Keeps warnings."""

    def __init__(self) -> None:
        self.warnings: list[str] = []

    def warn(self, message: str) -> None:
        self.warnings.append(message)


def test_a_measure_without_memory_is_left_out_and_said_once(monkeypatch: pytest.MonkeyPatch) -> None:
    def lacks(*_: Any, **__: Any) -> Separation:
        raise MemoryLimitError("the merge takes 1 GiB, the limit is 1 MiB", "raise `memory_limit`")

    monkeypatch.setattr(stage, "separation", lacks)
    monkeypatch.setattr(stage, "_known_cameras", lambda _: None)
    told = Told()
    compared = stage.Compared(reporter=told)
    for _ in range(2):
        assert compared._separates(*cast(Any, (None, None, None))) == Separation()
    assert told.warnings == [
        "stages are compared by fewer measures, and another may be chosen: the merge takes 1 GiB, the limit is 1 MiB; "
        "raise `memory_limit`"
    ]
