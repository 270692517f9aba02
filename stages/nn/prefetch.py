"""Items prepared ahead in threads."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

import torch

from stages.arrays.backend import n_cores

S = TypeVar("S")
T = TypeVar("T")

MOST_READERS = 4
"""Threads that read images for a GPU, at most: one reads and checks some 10,000 images of 256×128 a second."""


def n_readers(device: torch.device) -> int:
    """Threads that prepare batches for `device`: one for the CPU, whose cores the network takes."""
    return 1 if device.type == "cpu" else max(1, min(MOST_READERS, n_cores() - 1))


def prefetch(items: Iterable[S], prepare: Callable[[S], T], *, depth: int, n_threads: int = 1) -> Generator[T]:
    """`prepare(item)` of each of `items`, in their order, made by threads that are at most `depth` items ahead.

    Items are taken in the caller's thread, because what is drawn at random in another one has threads of torch to itself:
    more threads than cores cost a third of the training rate. Errors are raised here. If closed early, it waits for what is
    being prepared.
    """
    with ThreadPoolExecutor(n_threads, thread_name_prefix="ahead") as threads:
        pending: deque[Future[T]] = deque()
        try:
            for item in items:
                pending.append(threads.submit(prepare, item))
                if len(pending) > depth:
                    yield pending.popleft().result()
            while pending:
                yield pending.popleft().result()
        finally:
            for future in pending:
                future.cancel()
