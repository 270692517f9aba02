"""Many image files decoded by worker processes, each into the place that is its own, and told of in order."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Generator, Iterable, Iterator
from contextlib import closing
from itertools import chain, islice
from typing import NamedTuple

from stages.errors import DbcError
from stages.ingest.decode.block import Block, ImageSize, fill
from stages.ingest.decode.pixels import ImageSource
from stages.ingest.decode.process import DecodeProcess, wait_for_any

# Each worker has this many blocks asked of it, so that it works on while the caller takes what was filled.
_BLOCKS_A_WORKER = 4


class FilledBlock(NamedTuple):
    """A block whose good images are in its file, and the place in it of each bad one with the reason, on one line."""

    block: Block
    bad: dict[int, str]


def decode_all(
    source: ImageSource, blocks: Iterable[Block], *, size: ImageSize, workers: int | None = None
) -> Generator[FilledBlock, None, None]:
    """The `blocks`, in order, as they are filled with images of `source` (`decode_image` says how files are decoded).

    `workers` is the number of processes, as many as there are cores by default, never more than blocks; 0 decodes in this
    process. `blocks` is read a few blocks ahead. Every file is read once. Raises `DbcError` when a worker dies or runs out
    of memory (in this process that is a MemoryError), or the file of a block cannot be written. Closing the iterator ends
    the workers.
    """
    given = iter(blocks)
    first = list(islice(given, default_workers() if workers is None else workers))
    rest = chain(first, given)
    return _in_workers(source, rest, size, len(first)) if first else _here(source, rest, size)


def default_workers() -> int:
    """The number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _here(source: ImageSource, blocks: Iterator[Block], size: ImageSize) -> Generator[FilledBlock, None, None]:
    for block in blocks:
        try:
            yield FilledBlock(block, dict(fill(block, source, size)))
        except OSError as error:
            raise unwritten(block, error.strerror or str(error)) from error


def _in_workers(
    source: ImageSource, blocks: Iterator[Block], size: ImageSize, n_workers: int
) -> Generator[FilledBlock, None, None]:
    with closing(_Pool(source, size, n_workers)) as pool:
        asked: deque[tuple[int, Block]] = deque()
        filled: dict[int, dict[int, str]] = {}
        numbered = enumerate(blocks)
        while True:
            for number, block in islice(numbered, _BLOCKS_A_WORKER * n_workers - len(asked)):
                asked.append((number, block))
                pool.ask(number, block)
            if not asked:
                return
            while asked[0][0] not in filled:
                filled |= pool.wait()
            number, block = asked.popleft()
            yield FilledBlock(block, filled.pop(number))


class _Pool:
    """Decoding processes, and the numbers of the blocks that each was asked for, in order."""

    def __init__(self, source: ImageSource, size: ImageSize, n_workers: int) -> None:
        self._asked: dict[DecodeProcess, deque[tuple[int, Block]]] = {}
        try:
            for _ in range(n_workers):
                self._asked[DecodeProcess()] = deque()
            for process in self._asked:
                process.set_up(source, size)
        except BaseException:
            self.close()
            raise

    def ask(self, number: int, block: Block) -> None:
        """Have the process with the least to do fill `block`."""
        process = min(self._asked, key=lambda each: len(self._asked[each]))
        self._asked[process].append((number, block))
        process.ask(block)

    def wait(self) -> dict[int, dict[int, str]]:
        """What is bad in each of the blocks, by number, that have been filled since the last call; at least one."""
        filled = {}
        for process in wait_for_any([process for process, asked in self._asked.items() if asked]):
            for answer in process.answers():
                number, block = self._asked[process].popleft()
                if "unwritten" in answer:
                    raise unwritten(block, answer["unwritten"])
                if "failed" in answer:
                    raise DbcError(f"a decoding process failed: {answer['failed']}; use fewer worker processes")
                filled[number] = dict(answer["bad"])
        return filled

    def close(self) -> None:
        """End all processes, whatever they are doing."""
        for process in self._asked:
            process.kill()
        for process in self._asked:
            process.close()


def unwritten(block: Block, reason: str) -> DbcError:
    """The error that the file of `block` cannot be written."""
    return DbcError(f"{block.file} cannot be written: {reason}; free space or choose another --run")
