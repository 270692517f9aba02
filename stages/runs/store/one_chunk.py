"""Arrays of one uncompressed chunk: written and read as the files that Zarr makes of them, but without its event loop.

A network is hundreds of them, and Zarr takes 2 ms for each.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stages.runs.store.grid import WRITE_ZEROS, Grid, chunk_grid
from stages.runs.store.zarr_import import import_zarr

_METADATA = "zarr.json"


def create_array(
    place: Path | dict[str, Any],
    name: str | None,
    *,
    shape: tuple[int, ...],
    dtype: np.dtype[Any],
    grid: Grid | None = None,
) -> Any:
    """A new Zarr array `name` in a folder, or in memory."""
    zarr = import_zarr()

    is_text = dtype.kind in "OUT"
    chunks, shards = grid or chunk_grid(shape, item_bytes=64 if is_text else dtype.itemsize)
    return zarr.create_array(
        place,
        name=name,
        shape=shape,
        dtype=str if is_text else dtype,
        chunks=chunks,
        shards=shards,
        compressors=None if _is_uncompressed(shape, dtype) else "auto",
        config=WRITE_ZEROS,
    )


def _is_uncompressed(shape: tuple[int, ...], dtype: np.dtype[Any]) -> bool:
    """Whether compression would gain nothing: weights and features are as good as noise, and one number is small."""
    return dtype.kind == "f" or (dtype.kind in "iub" and not shape)


@dataclass(frozen=True)
class OneChunk:
    """What Zarr writes of an array that is one chunk: the bytes of its zarr.json, and the file of the chunk."""

    metadata: bytes
    key: str

    @staticmethod
    def of(shape: tuple[int, ...], dtype: np.dtype[Any]) -> OneChunk | None:
        """Metadata and key of an array of `shape` and `dtype`; None if Zarr would do more than copy bytes."""
        if not _is_uncompressed(shape, dtype) or 0 in shape:
            return None
        return _one_chunk(shape, dtype) if chunk_grid(shape, item_bytes=dtype.itemsize) == (shape, None) else None

    def write(self, folder: Path, data: NDArray[Any]) -> None:
        """Write `data` as the array in `folder`, which must not be there yet; OSError if it cannot be."""
        folder.mkdir(parents=True)
        (folder / _METADATA).write_bytes(self.metadata)
        chunk = folder / self.key
        chunk.parent.mkdir(parents=True, exist_ok=True)
        chunk.write_bytes(np.ascontiguousarray(data, dtype=data.dtype.newbyteorder("<")).tobytes())

    def read(self, folder: Path, shape: tuple[int, ...], dtype: np.dtype[Any]) -> NDArray[Any] | None:
        """The array in `folder`; None if it is described otherwise, or its chunk has another size or is not there."""
        try:
            if (folder / _METADATA).read_bytes() != self.metadata:
                return None
            content = bytearray((folder / self.key).read_bytes())
        except OSError:
            return None
        stored = dtype.newbyteorder("<")
        if len(content) != stored.itemsize * int(np.prod(shape)):
            return None
        return np.frombuffer(content, dtype=stored).reshape(shape).astype(dtype, copy=False)


@lru_cache(maxsize=4096)
def _one_chunk(shape: tuple[int, ...], dtype: np.dtype[Any]) -> OneChunk:
    memory: dict[str, Any] = {}
    array = create_array(memory, None, shape=shape, dtype=dtype)
    return OneChunk(memory[_METADATA].to_bytes(), array.metadata.encode_chunk_key((0,) * len(shape)))
