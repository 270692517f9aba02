"""Libraries with threads of their own are limited inside, sought once, and found if they were imported since."""

from __future__ import annotations

import sys
from types import ModuleType

import pytest
import threadpoolctl  # type: ignore[import-untyped]

from stages.arrays.backend import one_library_thread


def counts() -> list[int]:
    return [library["num_threads"] for library in threadpoolctl.threadpool_info()]


def test_every_library_has_one_thread_inside_and_its_own_number_again() -> None:
    before = counts()
    for _ in range(2):
        with one_library_thread():
            assert set(counts()) == {1}
        assert counts() == before


def test_libraries_are_sought_again_only_after_an_import(monkeypatch: pytest.MonkeyPatch) -> None:
    sought = []
    controller = threadpoolctl.ThreadpoolController
    monkeypatch.setattr(threadpoolctl, "ThreadpoolController", lambda: sought.append(1) or controller())
    monkeypatch.setitem(sys.modules, "a_library", ModuleType("a_library"))
    for _ in range(3):
        with one_library_thread():
            pass
    monkeypatch.setitem(sys.modules, "another_library", ModuleType("another_library"))
    with one_library_thread():
        pass
    assert len(sought) == 2
