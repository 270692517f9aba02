"""Arrays on their way into an artifact, whole or row block after row block, digested as they are written."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from contextlib import closing, contextmanager
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from schemas.manifest import ArrayRecord
from stages.processes import OneProcess, Processes
from stages.runs.store.artifact import Artifact
from stages.runs.store.digests import ArrayDigest, record_of
from stages.runs.store.grid import piece_grid, require_written
from stages.runs.store.one_chunk import OneChunk, create_array
from stages.runs.store.row_files import RowFiles
from stages.runs.store.share import link_file, link_tree
from stages.runs.store.table import SharedArray
from stages.runs.store.temporary import writing
from stages.runs.store.zarr_import import import_zarr


class Writer:
    """Arrays on their way into an artifact. Every array is digested as it is written; DbcError if it cannot be.

    `arrays` are the records so far, `checksums` those of the chunks of arrays that are written by rows.

    Where several `processes` write together, each has a writer: whole arrays are the leader's and what the others give
    is dropped, tables are everyone's.
    """

    def __init__(self, path: Path, processes: Processes | None = None) -> None:
        self.path = path
        self.processes = processes or OneProcess()
        self.arrays: dict[str, ArrayRecord] = {}
        self.checksums: dict[str, str] = {}
        self._syncing: list[Future[None]] = []

    def array(self, name: str, data: NDArray[Any]) -> None:
        """Write `data` whole under `name`; a list of str becomes text."""
        if self.processes.rank > 0:
            return
        with writing(self.path.parent):
            self._write_whole(self.path / name, name, data)
        self.arrays[name] = record_of(data)

    def _write_whole(self, folder: Path, name: str, data: NDArray[Any]) -> None:
        plain = OneChunk.of(data.shape, data.dtype)
        # Zarr makes the group that is not there yet
        if plain is not None and (folder.parent / "zarr.json").exists():
            plain.write(folder, data)
            return
        target = create_array(self.path, name, shape=data.shape, dtype=data.dtype)
        if data.size:
            target[...] = data
        require_written(target, folder)

    def take(self, artifact: Artifact, names: Iterable[str]) -> None:
        """Take arrays of another `artifact` as they are, under the same `names`: hard links, so without reading them."""
        if self.processes.rank > 0:
            return
        with writing(self.path.parent):
            for name in names:
                link_tree(artifact.path / name, self.path / name)
                for group in list(Path(name).parents)[:-1]:
                    if not (self.path / group / "zarr.json").exists():
                        link_file(artifact.path / group / "zarr.json", self.path / group / "zarr.json")
                self.arrays[name] = artifact.manifest.arrays[name]
                if name in artifact.checksums:
                    self.checksums[name] = artifact.checksums[name]

    @contextmanager
    def stream(self, name: str, *, row_shape: tuple[int, ...], dtype: Any, max_rows: int) -> Iterator[Stream]:
        """An array written row block after row block; its length is what was appended, at most `max_rows`."""
        with writing(self.path.parent):
            array = create_array(self.path, name, shape=(max_rows, *row_shape), dtype=np.dtype(dtype))
        stream = Stream(array, directory=self.path.parent, folder=self.path / name)
        yield stream
        self.arrays[name] = stream.finish()
        self.checksums[name] = stream.digest.checksums

    @contextmanager
    def row_files(self, name: str, *, row_shape: tuple[int, ...], max_rows: int) -> Iterator[RowFiles]:
        """An array of uint8 whose rows, at most `max_rows`, other processes put into its files as they are."""
        with closing(RowFiles(self.path, name, row_shape=row_shape, max_rows=max_rows)) as rows:
            yield rows
            self.arrays[name] = rows.finish()
            self.checksums[name] = rows.digest.checksums
        self._syncing += rows.syncing

    @contextmanager
    def table(self, name: str, *, shape: tuple[int, ...], dtype: Any, rows_per_piece: int) -> Iterator[SharedArray]:
        """An array of known `shape` that all processes fill by pieces, in any order, each piece once by one of them.

        Pieces start at multiples of `rows_per_piece`.
        """
        if self.processes.rank == 0:
            with writing(self.path.parent):
                grid = piece_grid(shape, item_bytes=np.dtype(dtype).itemsize, rows_per_piece=rows_per_piece)
                create_array(self.path, name, shape=shape, dtype=np.dtype(dtype), grid=grid)
        self.processes.meet()
        table = SharedArray(self.path, name)
        yield table
        self.processes.meet()
        if self.processes.rank == 0:
            self.arrays[name] = table.record()
            self.checksums[name] = table.digest.checksums

    def rows(self, name: str) -> Callable[[NDArray[np.integer[Any]]], NDArray[Any]]:
        """What reads rows, by ascending numbers (n,), of the array `name` that was written."""
        array = import_zarr().open_array(self.path / name, mode="r")

        def read(rows: NDArray[np.integer[Any]]) -> NDArray[Any]:
            # chunk by chunk: first frames of long tracklets are far apart
            own = np.split(rows, np.flatnonzero(np.diff(rows // array.chunks[0])) + 1)
            return np.concatenate([np.asarray(array[int(each[0]) : int(each[-1]) + 1])[each - each[0]] for each in own])

        return read

    def settle(self) -> None:
        """Wait for files that are on their way to the disk; OSError where one did not get there."""
        for each in self._syncing:
            each.result()


class Stream:
    """An array that grows by appended rows and writes whole shards; `digest` is of the rows so far and of their chunks."""

    def __init__(self, array: Any, *, directory: Path, folder: Path) -> None:
        self._array = array
        self._directory, self._folder = directory, folder
        self.digest = ArrayDigest(chunk_bytes=array.chunks[0] * prod(array.shape[1:]) * array.dtype.itemsize)
        self._pending: list[NDArray[Any]] = []
        self._n_pending = 0
        self._n_written = 0
        self._rows_per_write = int((array.shards or array.chunks)[0])

    def append(self, rows: NDArray[Any]) -> None:
        """Add `rows` (n, …) after those already there."""
        self.digest.update(rows)
        self._pending.append(rows)
        self._n_pending += len(rows)
        while self._n_pending >= self._rows_per_write:
            self._write(self._rows_per_write)

    def finish(self) -> ArrayRecord:
        """Write what is left, cut the array to its length and return its record."""
        if self._n_pending:
            self._write(self._n_pending)
        shape = (self._n_written, *self._array.shape[1:])
        with writing(self._directory):
            if shape != self._array.shape:
                self._array.resize(shape)
            require_written(self._array, self._folder)
        return self.digest.record(dtype=np.dtype(self._array.dtype).name, shape=shape)

    def _write(self, n_rows: int) -> None:
        rows = np.concatenate(self._pending) if len(self._pending) > 1 else self._pending[0]
        with writing(self._directory):
            self._array[self._n_written : self._n_written + n_rows] = rows[:n_rows]
        self._n_written += n_rows
        self._n_pending = len(rows) - n_rows
        self._pending = [rows[n_rows:]] if self._n_pending else []
