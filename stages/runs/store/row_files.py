"""An array of bytes whose rows lie plainly in its files, so that any thread can put them there without Zarr."""

from __future__ import annotations

import errno
import os
import shutil
import struct
from collections.abc import Collection, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from io import FileIO
from math import prod
from pathlib import Path
from typing import Any, NamedTuple

import google_crc32c
import numpy as np

from schemas.manifest import ArrayRecord
from stages.runs.store.digests import ArrayDigest
from stages.runs.store.grid import chunk_grid
from stages.runs.store.temporary import sync, writing
from stages.runs.store.zarr_import import import_zarr
from stages.typing import UInt8Array

READ_BYTES = 1 << 18
"""Bytes read back at once: they are hashed while they are in the processor's cache, a fifth faster than mapped files."""
_MISSING = 2**64 - 1


class Place(NamedTuple):
    """Where a row lies: byte `offset` of the file `path`, in which `n_rows` rows, this one among them, still have room."""

    path: Path
    offset: int
    n_rows: int


class RowFiles:
    """An array (at most `max_rows`, …) of uint8 on its way into the group `path`, filled through its files.

    It is cut like every array, its chunks are not compressed, and none spans another axis than the first: so a file holds
    row after row, and behind them, if it is a shard, the index. A row is written by anybody where `place` says, then
    taken in here by `keep`, in order. Rows that are not kept are closed up over. A file that is full goes to the disk at
    once, in a thread: `syncing` tells of that. `digest` is of the rows kept so far and of their chunks.
    """

    def __init__(self, path: Path, name: str, *, row_shape: tuple[int, ...], max_rows: int) -> None:
        self._path = path
        self._name = name
        self._row_shape = row_shape
        self._row_bytes = prod(row_shape)
        self._max_rows = max_rows
        self._array: Any = None
        self._chunks, self._shards = chunk_grid((max_rows, *row_shape), item_bytes=1)
        self._rows_per_file = (self._shards or self._chunks)[0]
        self._n_files = 0
        self._n_seen = 0
        self._n_kept = 0
        self.digest = ArrayDigest(chunk_bytes=self._chunks[0] * self._row_bytes)
        self._buffer = np.empty(READ_BYTES, dtype=np.uint8)
        self._read: tuple[int, FileIO] | None = None
        self._disk = ThreadPoolExecutor(1)
        self.syncing: list[Future[None]] = []

    def place(self, row: int) -> Place:
        """Place of row `row`, whose file is made if need be. The number includes rows that are dropped later."""
        number, within = divmod(row, self._rows_per_file)
        with writing(self._path.parent):
            for new in range(self._n_files, number + 1):
                self._make_file(new)
        return Place(self._file(number), within * self._row_bytes, self._rows_per_file - within)

    def keep(self, n_rows: int, *, without: Collection[int] = ()) -> None:
        """Take in the next `n_rows` rows, which are in their places, `without` some of them (0 is the first of them)."""
        first = self._n_seen
        self._n_seen += n_rows
        with writing(self._path.parent):
            if without or self._n_kept < first:
                for row in range(first, first + n_rows):
                    if row - first not in without:
                        self._keep_one(row)
            else:
                self._keep_all(first, first + n_rows)
            self._describe()

    def finish(self) -> ArrayRecord:
        """Complete the last file, remove those that nothing is kept in, describe the array and return its record."""
        shape = (self._n_kept, *self._row_shape)
        number, n_rows = divmod(self._n_kept, self._rows_per_file)
        with writing(self._path.parent):
            if n_rows:
                self._complete(number, n_rows)
            # over NFS the folder of an open file cannot be removed
            self._close_read()
            for unused in range(number + bool(n_rows), self._n_files):
                shutil.rmtree(self._folder(unused))
            array = self._describe()
            if tuple(array.shape) != shape:
                array.resize(shape)
        return self.digest.record(dtype="uint8", shape=shape)

    def close(self) -> None:
        """Let go of files and the thread; what is on its way to the disk still goes there."""
        self._close_read()
        self._disk.shutdown(wait=False)

    def _close_read(self) -> None:
        if self._read is not None:
            self._read[1].close()
            self._read = None

    def _keep_all(self, first: int, stop: int) -> None:
        while first < stop:
            number, within = divmod(first, self._rows_per_file)
            n_rows = min(stop - first, self._rows_per_file - within)
            for piece in self._pieces(number, within * self._row_bytes, n_rows * self._row_bytes):
                self.digest.update(piece)
            first += n_rows
            self._count(n_rows)

    def _keep_one(self, row: int) -> None:
        number, within = divmod(row, self._rows_per_file)
        # what lies where it goes was moved or dropped before: places are always at or behind what is kept
        to, place = divmod(self._n_kept, self._rows_per_file)
        with self._file(to).open("r+b") as target:
            target.seek(place * self._row_bytes)
            for piece in self._pieces(number, within * self._row_bytes, self._row_bytes):
                self.digest.update(piece)
                if row != self._n_kept:
                    target.write(piece.data)
        self._count(1)

    def _pieces(self, number: int, offset: int, n_bytes: int) -> Iterator[UInt8Array]:
        """The bytes of file `number` from `offset` on, in pieces that are overwritten when the next is asked for."""
        file = self._opened(number)
        file.seek(offset)
        while n_bytes:
            n_read = file.readinto(self._buffer[:n_bytes].data)
            if not n_read:
                raise OSError(errno.EIO, "a file is shorter than it was made")
            yield self._buffer[:n_read]
            n_bytes -= n_read

    def _opened(self, number: int) -> FileIO:
        """File `number`, to read from; the last one asked for stays open."""
        if self._read is None or self._read[0] != number:
            self._close_read()
            self._read = number, FileIO(self._file(number))
        return self._read[1]

    def _count(self, n_rows: int) -> None:
        self._n_kept += n_rows
        number, over = divmod(self._n_kept, self._rows_per_file)
        if not over:
            self._complete(number - 1, self._rows_per_file)

    def _complete(self, number: int, n_rows: int) -> None:
        """Put zeros behind the `n_rows` rows of a file, to the end of a chunk, then the index; start to sync it."""
        n_chunks = -(-n_rows // self._chunks[0])
        chunk_bytes = self._chunks[0] * self._row_bytes
        path = self._file(number)
        os.truncate(path, n_rows * self._row_bytes)
        os.truncate(path, n_chunks * chunk_bytes)
        if self._shards is not None:
            with path.open("ab") as file:
                file.write(shard_index(n_chunks, of=self._shards[0] // self._chunks[0], chunk_bytes=chunk_bytes))
        self.syncing.append(self._disk.submit(sync, path))

    def _file(self, number: int) -> Path:
        return self._folder(number).joinpath(*"0" * len(self._row_shape))

    def _folder(self, number: int) -> Path:
        return self._path / self._name / "c" / str(number)

    def _make_file(self, number: int) -> None:
        path = self._file(number)
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("xb") as file:
            file.truncate(self._rows_per_file * self._row_bytes)
        self._n_files = number + 1

    def _describe(self) -> Any:
        """The array in Zarr's eyes, made at the first call.

        That is while other threads decode: to import Zarr takes as long as to decode a thousand images.
        """
        zarr = import_zarr()

        if self._array is None:
            shards: Any = None if self._shards is None else {"shape": self._shards, "index_location": "end"}
            self._array = zarr.create_array(
                self._path,
                name=self._name,
                shape=(self._max_rows, *self._row_shape),
                dtype="uint8",
                chunks=self._chunks,
                shards=shards,
                compressors=None,
                filters=None,
            )
        return self._array


def shard_index(n_chunks: int, *, of: int, chunk_bytes: int) -> bytes:
    """The index of a shard with room for `of` chunks, of which the first `n_chunks` lie one after the other from byte 0.

    For each chunk its offset and length, uint64 little-endian, both 2^64 − 1 if there is none; then the CRC-32C of all
    that, uint32 little-endian (Zarr's `sharding_indexed` codec with the codecs it gives its index by default).
    """
    entries = [(i * chunk_bytes, chunk_bytes) if i < n_chunks else (_MISSING, _MISSING) for i in range(of)]
    index = b"".join(struct.pack("<QQ", *entry) for entry in entries)
    return index + struct.pack("<I", google_crc32c.value(index))
