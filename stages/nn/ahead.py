"""Items prepared ahead in a thread."""

from __future__ import annotations

import queue
import threading
from collections.abc import Generator, Iterable
from contextlib import suppress
from dataclasses import dataclass
from typing import TypeVar

T = TypeVar("T")


@dataclass(frozen=True)
class _Failed:
    error: BaseException


class _Done:
    pass


def ahead(items: Iterable[T], *, depth: int) -> Generator[T]:
    """The same `items` in the same order, made by a thread that is at most `depth` items ahead.

    Errors of `items` are raised here. If closed early, it waits for the current item, closes `items` and ends the thread.
    """
    waiting: queue.Queue[T | _Failed | _Done] = queue.Queue(depth)
    closed = threading.Event()

    def make() -> None:
        iterator = iter(items)
        try:
            for item in iterator:
                waiting.put(item)
                if closed.is_set():
                    return
            waiting.put(_Done())
        except BaseException as error:  # raised again in the caller's thread
            waiting.put(_Failed(error))
        finally:
            if isinstance(iterator, Generator):
                iterator.close()

    thread = threading.Thread(target=make, name="ahead", daemon=True)
    thread.start()
    try:
        while not isinstance(item := waiting.get(), _Done):
            if isinstance(item, _Failed):
                raise item.error
            yield item
    finally:
        closed.set()
        while thread.is_alive():
            with suppress(queue.Empty):
                waiting.get_nowait()
            thread.join(timeout=0.01)
