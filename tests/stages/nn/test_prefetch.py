"""Items prepared ahead of their use come in order, errors come where they would, and no thread stays behind."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import closing

import pytest
import torch

from stages.nn.prefetch import n_readers, prefetch


def n_running() -> int:
    return sum(thread.name.startswith("ahead") for thread in threading.enumerate())


@pytest.mark.parametrize("depth", [1, 3])
@pytest.mark.parametrize("n_threads", [1, 4])
def test_items_come_in_order(depth: int, n_threads: int) -> None:
    assert list(prefetch(range(50), lambda i: -i, depth=depth, n_threads=n_threads)) == [-i for i in range(50)]
    assert list(prefetch([], str, depth=depth, n_threads=n_threads)) == []
    assert n_running() == 0


def test_several_threads_prepare_at_once_and_items_are_taken_in_the_callers() -> None:
    together = threading.Barrier(3, timeout=30)
    takers = set()

    def items() -> Iterator[int]:
        for i in range(6):
            takers.add(threading.current_thread())
            yield i

    def prepare(item: int) -> int:
        # it breaks unless three items are prepared at once
        together.wait()
        return item

    assert list(prefetch(items(), prepare, depth=5, n_threads=3)) == list(range(6))
    assert takers == {threading.current_thread()}


def test_no_more_is_prepared_than_the_depth_and_what_is_in_hand() -> None:
    made: list[int] = []
    most = 0
    for i in prefetch(range(20), lambda i: made.append(i) or i, depth=2, n_threads=2):
        most = max(most, len(made) - i)
    assert most <= 4


def test_an_error_is_raised_after_the_items_before_it() -> None:
    def prepare(item: int) -> int:
        if item == 2:
            raise ValueError("broken")
        return item

    found = []
    with pytest.raises(ValueError, match="broken"):
        found.extend(prefetch([1, 2, 3], prepare, depth=2))
    assert found in ([], [1])
    assert n_running() == 0


def test_what_is_left_early_ends_its_threads_with_all_that_feeds_it() -> None:
    with closing(prefetch(prefetch(range(1000), int, depth=2), int, depth=2)) as chain:
        assert next(chain) == 0
    assert n_running() == 0


def test_a_gpu_is_read_for_by_several_threads_and_the_cpu_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("stages.nn.prefetch.n_cores", lambda: 16)
    assert n_readers(torch.device("cpu")) == 1
    assert n_readers(torch.device("cuda:0")) == 4
    monkeypatch.setattr("stages.nn.prefetch.n_cores", lambda: 2)
    assert n_readers(torch.device("cuda:0")) == 1
