"""Items made ahead of their use come in order, errors come where they would, and no thread stays behind."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import closing

import pytest

from stages.nn.ahead import ahead


def n_threads() -> int:
    return sum(thread.name == "ahead" for thread in threading.enumerate())


@pytest.mark.parametrize("depth", [1, 3])
def test_items_come_in_order(depth: int) -> None:
    assert list(ahead(range(50), depth=depth)) == list(range(50))
    assert list(ahead([], depth=depth)) == []
    assert n_threads() == 0


def test_no_more_is_made_than_the_depth_and_what_is_in_hand() -> None:
    made: list[int] = []

    def items() -> Iterator[int]:
        for i in range(20):
            made.append(i)
            yield i

    most = 0
    for i in ahead(items(), depth=2):
        most = max(most, len(made) - i)
    assert most <= 4


def test_an_error_is_raised_after_the_items_before_it() -> None:
    def items() -> Iterator[int]:
        yield 1
        raise ValueError("broken")

    found = []
    with pytest.raises(ValueError, match="broken"):
        found.extend(ahead(items(), depth=2))
    assert found in ([], [1])
    assert n_threads() == 0


def test_what_is_left_early_is_closed_with_all_that_feeds_it() -> None:
    closed = []

    def items() -> Iterator[int]:
        try:
            yield from range(1000)
        finally:
            closed.append(True)

    with closing(ahead(ahead(items(), depth=2), depth=2)) as chain:
        assert next(chain) == 0
    assert closed == [True]
    assert n_threads() == 0
