"""Blocks of rows shared by threads that each call BLAS alone, so that steps between products run beside other products."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from stages.arrays.backend import n_cores, one_library_thread

T = TypeVar("T")

MOST_THREADS = 8
"""Threads at most: each holds buffers and results of its own."""


def n_threads(n_rows: int, block_rows: int) -> int:
    """Threads that share `n_rows`: one a core, but no more than there are blocks of `block_rows`."""
    return max(1, min(n_cores(), MOST_THREADS, -(-n_rows // block_rows)))


def by_blocks(work: Callable[[range], T], n_rows: int, block_rows: int) -> list[T]:
    """What each thread's `work` gives, which is called with the first rows of its blocks; every block goes to one thread."""
    size = n_threads(n_rows, block_rows)
    shares = [range(number * block_rows, n_rows, size * block_rows) for number in range(size)]
    with one_library_thread(), ThreadPoolExecutor(size) as threads:
        return list(threads.map(work, shares))
