"""Many image files decoded in order by worker processes, in bounded memory."""

from __future__ import annotations

import json
import mmap
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Generator, Sequence
from contextlib import closing
from multiprocessing import connection
from typing import Any, NamedTuple, Self

from stages.data.decode_block import Block, BlockShape
from stages.data.image_source import ImageSource
from stages.errors import DbcError
from stages.typing import UInt8Array

# Each worker has this many blocks asked of it or done, so that it works on while the caller writes what it was given.
_BLOCKS_A_WORKER = 4

# A fresh interpreter that runs this and nothing else: unlike multiprocessing's, it never imports the caller's main
# module, which may hold torch or lack a guard, and it holds no handle that would outlive the parent.
_WORKER = (
    "import json, sys; sys.path[:] = json.loads(sys.argv[1]); "
    "from stages.data.decode_worker import serve; serve(int(sys.argv[2]), int(sys.argv[3]))"
)


class BadImage(NamedTuple):
    """A file that is no image, its path as given, and why, on one line."""

    path: str
    reason: str

    def __str__(self) -> str:
        return f"{self.path!r} {self.reason}"


class DecodedBlock(NamedTuple):
    """Images `start` to `start + len(images)` of the list; a bad one is all zeros. `sha256` digests the files."""

    start: int
    images: UInt8Array
    bad: list[BadImage]
    sha256: list[str]


def decode_all(
    source: ImageSource,
    paths: Sequence[str],
    *,
    height: int,
    width: int,
    workers: int | None = None,
    progress: Callable[[int], None] | None = None,
) -> Generator[DecodedBlock, None, None]:
    """The images `paths` of `source`, in order, in blocks of up to 32 (`decode_image` says how files are decoded).

    `workers` is the number of processes, as many as there are cores by default; 0 decodes in this process. Neither the
    blocks nor their content depend on it. Every file is read once. `progress` is called with the number of images just
    decoded. Raises `DbcError` when a worker dies or runs out of memory. Closing the iterator ends the workers.
    """
    shape = BlockShape.for_size(height=height, width=width)
    tasks = [list(paths[start : start + shape.images]) for start in range(0, len(paths), shape.images)]
    n_workers = min(default_workers() if workers is None else workers, len(tasks))
    blocks = _here(source, tasks, shape) if n_workers == 0 else _in_workers(source, tasks, shape, n_workers)
    start = 0
    with closing(blocks):
        for task, block in zip(tasks, blocks, strict=True):
            decoded = _taken(block, start, task)
            start += len(task)
            if progress is not None:
                progress(len(task))
            yield decoded


def default_workers() -> int:
    """The number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _taken(block: Block, start: int, task: list[str]) -> DecodedBlock:
    reasons = [block.reason(i) for i in range(len(task))]
    return DecodedBlock(
        start=start,
        images=block.images[: len(task)].copy(),
        bad=[BadImage(path, reason) for path, reason in zip(task, reasons, strict=True) if reason],
        sha256=[block.digest(i) for i in range(len(task))],
    )


def _here(source: ImageSource, tasks: list[list[str]], shape: BlockShape) -> Generator[Block, None, None]:
    block = Block(shape, bytearray(shape.n_bytes))
    for task in tasks:
        block.fill(source, task)
        yield block


def _in_workers(
    source: ImageSource, tasks: list[list[str]], shape: BlockShape, n_workers: int
) -> Generator[Block, None, None]:
    """The blocks of `tasks` in order; block t lies in slot t modulo the number of slots until the next is asked for."""
    n_slots = _BLOCKS_A_WORKER * n_workers
    with _Pool(source, shape, n_workers, n_slots) as pool:
        n_asked = 0
        done: set[int] = set()
        for wanted in range(len(tasks)):
            while n_asked < min(len(tasks), wanted + n_slots):
                pool.ask(n_asked, tasks[n_asked])
                n_asked += 1
            while wanted not in done:
                done |= pool.wait()
            done.remove(wanted)
            yield pool.block(wanted)


class _Worker:
    """A decoding process, the connection to it, and the numbers and paths of the blocks it was asked for."""

    def __init__(self, buffer_fd: int) -> None:
        self.connection, theirs = connection.Pipe(duplex=True)
        self.asked: list[tuple[int, list[str]]] = []
        with theirs:
            fds = (theirs.fileno(), buffer_fd)
            command = [sys.executable, "-c", _WORKER, json.dumps(sys.path), *map(str, fds)]
            environment = os.environ | {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
            # Ctrl-C reaches the whole terminal; blocked here, it is blocked in the child, which the parent ends
            before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
            try:
                self.process = subprocess.Popen(  # noqa: S603
                    command, pass_fds=fds, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL
                )
            finally:
                signal.pthread_sigmask(signal.SIG_SETMASK, before)


class _Pool:
    """Decoding processes around one shared buffer of `n_slots` blocks."""

    def __init__(self, source: ImageSource, shape: BlockShape, n_workers: int, n_slots: int) -> None:
        self._shape = shape
        self._n_slots = n_slots
        self._workers: list[_Worker] = []
        buffer_fd = _shared_memory(n_slots * shape.n_bytes)
        try:
            self._shared = mmap.mmap(buffer_fd, n_slots * shape.n_bytes)
            for _ in range(n_workers):
                self._workers.append(_Worker(buffer_fd))
            for worker in self._workers:
                self._send(worker, {"source": source.to_json(), "shape": shape.to_json()})
        except BaseException:
            self.close()
            raise
        finally:
            os.close(buffer_fd)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def ask(self, number: int, paths: list[str]) -> None:
        """Have the worker with the least to do fill block `number` with `paths`."""
        worker = min(self._workers, key=lambda each: len(each.asked))
        worker.asked.append((number, paths))
        self._send(worker, {"slot": number % self._n_slots, "paths": paths})

    def wait(self) -> set[int]:
        """The numbers of blocks that have been filled since the last call; at least one."""
        filled = set()
        asked_of = {worker.connection: worker for worker in self._workers if worker.asked}
        for ready in connection.wait(list(asked_of)):
            worker = asked_of[ready]  # type: ignore[index]
            try:
                answer = worker.connection.recv_bytes()
            except (EOFError, OSError) as error:
                raise _death(worker) from error
            if answer != b".":
                raise DbcError(f"a decoding process failed: {answer.decode()}; use fewer worker processes")
            filled.add(worker.asked.pop(0)[0])
        return filled

    def block(self, number: int) -> Block:
        """Views of block `number`, filled by now and not yet asked for again."""
        return Block(self._shape, self._shared, number % self._n_slots * self._shape.n_bytes)

    def close(self) -> None:
        """End all workers, whatever they are doing."""
        for worker in self._workers:
            worker.process.kill()
        for worker in self._workers:
            worker.process.wait()
            worker.connection.close()

    def _send(self, worker: _Worker, message: dict[str, Any]) -> None:
        try:
            worker.connection.send_bytes(json.dumps(message).encode())
        except OSError as error:
            raise _death(worker) from error


def _shared_memory(n_bytes: int) -> int:
    """The descriptor of `n_bytes` that have no name and so vanish with the last process that maps them."""
    if hasattr(os, "memfd_create"):
        fd = os.memfd_create("decoded-images")
    else:
        with tempfile.TemporaryFile() as file:
            fd = os.dup(file.fileno())
    os.ftruncate(fd, n_bytes)
    return fd


def _death(worker: _Worker) -> DbcError:
    status = worker.process.wait()
    end = f"was killed by {signal.Signals(-status).name}" if status < 0 else f"ended with status {status}"
    at = f" while decoding {worker.asked[0][1][0]!r} to {worker.asked[0][1][-1]!r}" if worker.asked else ""
    return DbcError(f"a decoding process {end}{at}; free memory or use fewer worker processes, then try again")
