"""glibc's allocator is told to keep blocks, in one heap, and gives back what is free when it is asked."""

from __future__ import annotations

import pytest

from stages.nn import host_memory


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, tuple[int, ...]]]:
    """The calls of glibc's functions, which all succeed."""
    calls: list[tuple[str, tuple[int, ...]]] = []
    monkeypatch.setattr(host_memory, "_of_glibc", lambda name: lambda *given: calls.append((name, given)) or 1)
    return calls


def test_blocks_are_kept_in_one_heap(told: list) -> None:
    assert host_memory.keep_large_blocks.__wrapped__()
    # M_ARENA_MAX, M_MMAP_THRESHOLD, M_MMAP_MAX and M_TRIM_THRESHOLD of malloc.h
    assert told == [("mallopt", given) for given in ((-8, 1), (-3, 2**30), (-4, 0), (-1, 2**31 - 1))]


def test_what_is_free_is_given_back(told: list) -> None:
    assert host_memory.give_back_memory()
    assert told == [("malloc_trim", (0,))]


def test_another_c_library_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(host_memory, "_of_glibc", lambda _name: None)
    assert not host_memory.keep_large_blocks.__wrapped__()
    assert not host_memory.give_back_memory()
