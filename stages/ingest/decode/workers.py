"""Many images decoded by threads, each into the place that is its own. Pillow decodes without Python's lock."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import NamedTuple

from stages.errors import DbcError
from stages.ingest.decode.block import Block, ImageSize, fill
from stages.ingest.decode.pixels import ImageSource
from stages.ingest.formats.names import shown

_BLOCKS_A_WORKER = 4
"""Blocks that each worker decodes ahead of the caller."""


class FilledBlock(NamedTuple):
    """A block whose good images are in its file, and the place in it of each bad one with the reason, on one line."""

    block: Block
    bad: dict[int, str]


def decode_all(
    source: ImageSource, blocks: Iterable[Block], *, size: ImageSize, workers: int | None = None
) -> Generator[FilledBlock, None, None]:
    """The `blocks`, in order, as they are filled with images of `source` (`decode_image` says how files are decoded).

    `workers` is the largest number of threads, as many as there are cores by default; 0 decodes in this one. `blocks` is
    read a few blocks ahead. Every file is read once. Raises `DbcError` if memory runs out or the file of a block cannot be
    written. Closing the iterator ends the threads.
    """
    n_workers = default_workers() if workers is None else workers
    if not n_workers:
        for block in blocks:
            yield _filled(block, source, size)
        return
    pool = ThreadPoolExecutor(n_workers, thread_name_prefix="decode")
    waiting: deque[Future[FilledBlock]] = deque()
    try:
        for block in blocks:
            waiting.append(pool.submit(_filled, block, source, size))
            if len(waiting) >= _BLOCKS_A_WORKER * n_workers:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)


def default_workers() -> int:
    """The number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _filled(block: Block, source: ImageSource, size: ImageSize) -> FilledBlock:
    try:
        return FilledBlock(block, dict(fill(block, source, size)))
    except MemoryError as error:
        first, last = shown(block.paths[0]), shown(block.paths[-1])
        raise DbcError(f"out of memory while decoding {first} to {last}; free memory or use fewer `workers`") from error
    except OSError as error:
        raise DbcError(
            f"{shown(block.file)} cannot be written: {error.strerror or error}; free space or choose another `run`"
        ) from error
