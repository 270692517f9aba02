"""Blocks of rows shared by threads that each call BLAS alone, so that steps between products run beside other products."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from stages.arrays.backend import n_cores, one_library_thread

T = TypeVar("T")

MOST_THREADS = 8
"""Threads at most: each holds buffers and results of its own."""


class Buffers(threading.local):
    """Arrays of each thread, kept from block to block: new pages cost as much as a small product or a scan."""

    def __init__(self) -> None:
        self._flat: dict[str, NDArray[Any]] = {}

    def array(self, shape: tuple[int, int], dtype: Any) -> NDArray[Any]:
        """An uninitialised array (r, c) of `dtype`."""
        size = shape[0] * shape[1]
        name = np.dtype(dtype).name
        if name not in self._flat or self._flat[name].size < size:
            self._flat[name] = np.empty(size, dtype=dtype)
        return self._flat[name][:size].reshape(shape)


def n_threads(n_rows: int, block_rows: int) -> int:
    """Threads that share `n_rows`: one a core, but no more than there are blocks of `block_rows`."""
    return max(1, min(n_cores(), MOST_THREADS, -(-n_rows // block_rows)))


def by_blocks(work: Callable[[range], T], n_rows: int, block_rows: int) -> list[T]:
    """Results of `work`, one for each thread. It is called with the first rows of that thread's blocks."""
    size = n_threads(n_rows, block_rows)
    shares = [range(number * block_rows, n_rows, size * block_rows) for number in range(size)]
    with one_library_thread(), ThreadPoolExecutor(size) as threads:
        return list(threads.map(work, shares))
