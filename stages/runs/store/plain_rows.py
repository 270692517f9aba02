"""Rows of stored arrays read from their files as they lie there: several threads at once, without Zarr's one loop."""

from __future__ import annotations

import os
import struct
from collections.abc import Callable, Iterator
from math import prod
from pathlib import Path
from typing import Any

import google_crc32c
import numpy as np
from numpy.typing import NDArray

_BYTES = ["bytes"]
_INDEX = ["bytes", "crc32c"]


class PlainRows:
    """The rows of a Zarr v3 array in `folder` whose chunks are not compressed and span no other axis than the first.

    It reads what Zarr would; any thread may.
    """

    def __init__(self, array: Any, folder: Path) -> None:
        self._folder = folder
        self._key: Callable[[tuple[int, ...]], str] = array.metadata.encode_chunk_key
        self._dtype: np.dtype[Any] = array.dtype
        self._row_shape: tuple[int, ...] = tuple(array.shape[1:])
        self._chunk_rows = int(array.chunks[0])
        self._chunk_bytes = self._chunk_rows * prod(self._row_shape) * self._dtype.itemsize
        self._per_file = None if array.shards is None else int(array.shards[0]) // self._chunk_rows
        self._offsets: dict[int, tuple[int, ...]] = {}

    @staticmethod
    def of(array: Any, folder: Path) -> PlainRows | None:
        """The reader of a Zarr `array` in `folder`, or None if Zarr has more to do than to copy bytes."""
        if not array.shape or array.dtype.kind not in "fiub" or not array.dtype.isnative or 0 in array.shape:
            return None
        described = array.metadata.to_dict()
        codecs = described["codecs"]
        if array.shards is not None:
            sharding = codecs[0]["configuration"]
            if len(codecs) > 1 or _names(sharding["index_codecs"]) != _INDEX or sharding["index_location"] != "end":
                return None
            codecs = sharding["codecs"]
        whole_rows = tuple(array.chunks[1:]) == tuple(array.shape[1:]) == tuple((array.shards or array.chunks)[1:])
        little = codecs[0].get("configuration", {}).get("endian", "little") in ("little", None)
        return PlainRows(array, folder) if _names(codecs) == _BYTES and whole_rows and little else None

    def read(self, first_chunk: int, n_rows: int) -> NDArray[Any]:
        """The first `n_rows` rows from the start of chunk `first_chunk` on. ValueError if a file lacks some of them."""
        rows = np.empty((n_rows, *self._row_shape), dtype=self._dtype)
        content = rows.reshape(-1).view(np.uint8).data
        for file, offset, place, n_bytes in self._parts(first_chunk, len(content)):
            least = 0 if self._per_file else self._chunk_bytes
            _fill(content[place : place + n_bytes], self._path(file), offset, least=least)
        return rows

    def _parts(self, chunk: int, n_bytes: int) -> Iterator[tuple[int, int, int, int]]:
        """(file, where in it, where in the rows, bytes) of what is read at once; chunks that lie in order are one part."""
        place = 0
        while place < n_bytes:
            file, within = (chunk, 0) if self._per_file is None else divmod(chunk, self._per_file)
            offsets = (0,) if self._per_file is None else self._offsets_of(file)
            start, n_chunks = offsets[within], 1
            while (
                within + n_chunks < len(offsets) and offsets[within + n_chunks] == start + n_chunks * self._chunk_bytes
            ):
                n_chunks += 1
            size = min(n_chunks * self._chunk_bytes, n_bytes - place)
            yield file, start, place, size
            place += size
            chunk += n_chunks

    def _offsets_of(self, file: int) -> tuple[int, ...]:
        """Where the chunks of a shard begin, by the index at its end."""
        if file not in self._offsets:
            size = 16 * (self._per_file or 0)
            with self._path(file).open("rb") as shard:
                shard.seek(-size - 4, os.SEEK_END)
                index = shard.read()
            if google_crc32c.value(index[:size]) != struct.unpack("<I", index[size:])[0]:
                raise ValueError(f"the index of {self._path(file).name} is not what was written")
            self._offsets[file] = struct.unpack(f"<{2 * (self._per_file or 0)}Q", index[:size])[::2]
        return self._offsets[file]

    def _path(self, file: int) -> Path:
        return self._folder / self._key((file, *(0 for _ in self._row_shape)))


def _fill(content: memoryview, path: Path, offset: int, *, least: int) -> None:
    """Fill `content` with the bytes of a file from `offset` on; ValueError if there are not as many, or `least` in all."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        if os.fstat(descriptor).st_size < least:
            raise ValueError(f"{path.name} is shorter than it was written")
        while content:
            n_read = os.preadv(descriptor, [content], offset)
            if not n_read:
                raise ValueError(f"{path.name} is shorter than it was written")
            content, offset = content[n_read:], offset + n_read
    finally:
        os.close(descriptor)


def _names(codecs: Any) -> list[str]:
    return [codec["name"] for codec in codecs]
