"""Many images decoded by threads, each into the place that is its own. Pillow decodes without Python's lock."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

from stages.errors import DbcError
from stages.ingest.decode.block import Block, Cuts, FilledCuts, ImageSize, fill, fill_cuts
from stages.ingest.decode.image_file import without_warnings
from stages.ingest.decode.pixels import Files, ImageSource
from stages.wording import shown

_BLOCKS_A_WORKER = 4
"""Blocks that each worker decodes ahead of the caller."""


def decode_all(
    source: ImageSource, blocks: Iterable[Block], *, size: ImageSize, workers: int | None = None
) -> Generator[tuple[Block, dict[int, str]], None, None]:
    """The `blocks`, in order, as they are filled with images of `source` (`decode_image` says how files are decoded), each
    with the places in it of bad ones and the reasons, on one line.

    `workers` is the largest number of threads, as many as there are cores by default; 0 decodes in this one. `blocks` is
    read a few blocks ahead. Every file is read once. Raises `DbcError` if memory runs out or the file of a block cannot be
    written. Closing the iterator ends the threads.
    """
    return _in_order(lambda block: _filled(block, source, size), blocks, workers)


def decode_cuts(
    source: Files, pictures: Iterable[Cuts], *, size: ImageSize, workers: int | None = None
) -> Generator[FilledCuts, None, None]:
    """The `pictures`, in order, as the regions of each are cut out of it; everything else is as in `decode_all`."""
    return _in_order(lambda cuts: _cut(cuts, source, size), pictures, workers)


T = TypeVar("T")
R = TypeVar("R")


def _in_order(work: Callable[[T], R], tasks: Iterable[T], workers: int | None) -> Generator[R, None, None]:
    """What `work` makes of each of `tasks`, in their order, done by threads."""
    n_workers = default_workers() if workers is None else workers
    with without_warnings():
        yield from _by_threads(work, tasks, n_workers) if n_workers else map(work, tasks)


def _by_threads(work: Callable[[T], R], tasks: Iterable[T], n_workers: int) -> Generator[R, None, None]:
    pool = ThreadPoolExecutor(n_workers, thread_name_prefix="decode")
    waiting: deque[Future[R]] = deque()
    try:
        for task in tasks:
            waiting.append(pool.submit(work, task))
            if len(waiting) >= _BLOCKS_A_WORKER * n_workers:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)


def default_workers() -> int:
    """The number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _filled(block: Block, source: ImageSource, size: ImageSize) -> tuple[Block, dict[int, str]]:
    with _told(f"{shown(block.paths[0])} to {shown(block.paths[-1])}", block.file):
        return block, dict(fill(block, source, size))


def _cut(cuts: Cuts, source: Files, size: ImageSize) -> FilledCuts:
    with _told(shown(cuts.path), cuts.files[0]):
        return fill_cuts(cuts, source, size)


@contextmanager
def _told(images: str, file: str) -> Iterator[None]:
    """Says in a `DbcError` what stopped the decoding of `images` into `file`."""
    try:
        yield
    except MemoryError as error:
        raise DbcError(f"out of memory while decoding {images}; free memory or use fewer `workers`") from error
    except OSError as error:
        raise DbcError(
            f"{shown(file)} cannot be written: {error.strerror or error}; free space or choose another `run`"
        ) from error
