"""Items prepared ahead in threads, and tensors sent ahead to a GPU."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, TypeVar

import torch
from torch import Tensor

from stages.arrays.backend import n_cores

S = TypeVar("S")
T = TypeVar("T")

MOST_READERS = 4
"""Threads that read images for a GPU, at most: one reads and checks some 10,000 images of 256×128 a second."""


def n_readers(device: torch.device) -> int:
    """Threads that prepare batches for `device`: one for the CPU, whose cores the network takes."""
    return 1 if device.type == "cpu" else max(1, min(MOST_READERS, n_cores() - 1))


@dataclass(frozen=True)
class OnItsWay:
    """A tensor that may still be on its way to a GPU, and the event of its arrival there; on the CPU None."""

    tensor: Tensor
    there: Any


class Transfer:
    """Sends tensors to a GPU on a stream of its own, while the network works there; on the CPU it does nothing."""

    def __init__(self, device: torch.device) -> None:
        self._stream = torch.cuda.Stream(device) if device.type == "cuda" else None  # type: ignore[no-untyped-call]

    def sent(self, make: Callable[[], Tensor]) -> OnItsWay:
        """In the thread that reads: what `make` gives, which copies to the GPU and need not wait for the end of it."""
        if self._stream is None:
            return OnItsWay(make(), None)
        with torch.cuda.stream(self._stream):
            return OnItsWay(make(), self._stream.record_event())

    def received(self, sent: OnItsWay) -> Tensor:
        """In the caller: the tensor. The caller's stream waits for it and keeps its memory until it is done."""
        if sent.there is not None:
            current = torch.cuda.current_stream(sent.tensor.device)
            current.wait_event(sent.there)
            sent.tensor.record_stream(current)
        return sent.tensor


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
