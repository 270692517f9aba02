"""How arrays are cut into chunks and shards, and under which names these lie."""

from __future__ import annotations

import errno
from itertools import product
from math import prod
from pathlib import Path
from typing import Any, TypeAlias

Grid: TypeAlias = tuple[tuple[int, ...], tuple[int, ...] | None]
"""The shapes of chunks and, where there are any, of shards."""
CHUNK_BYTES = 4 << 20
SHARD_BYTES = 64 << 20
WRITE_ZEROS: Any = {"write_empty_chunks": True}
"""Zarr's configuration of every array that is written: a file of zeros left out could not be told from one that was lost."""


def chunk_grid(shape: tuple[int, ...], *, item_bytes: int) -> Grid:
    """Chunk and shard shapes: rows cut into chunks of about `CHUNK_BYTES`, in shards of at most about `SHARD_BYTES`.

    A batch of images gathered at random reads one chunk an image, so image chunks (rows of three or more axes) are a
    quarter of that size.
    """
    if not shape:
        return (), None
    row_bytes = max(1, prod(shape[1:]) * item_bytes)
    chunk_bytes = CHUNK_BYTES // 4 if len(shape) > 2 else CHUNK_BYTES
    rows = max(1, min(max(shape[0], 1), chunk_bytes // row_bytes))
    row_shape = tuple(max(1, size) for size in shape[1:])
    if shape[0] <= rows:
        return (rows, *row_shape), None
    per_shard = max(1, SHARD_BYTES // (rows * row_bytes))
    return (rows, *row_shape), (rows * per_shard, *row_shape)


def piece_grid(shape: tuple[int, ...], *, item_bytes: int, rows_per_piece: int) -> Grid:
    """Chunk and shard shapes with `rows_per_piece` rows a shard, so that pieces have files of their own.

    A chunk is a piece, halved while it has an even number of rows and more than `CHUNK_BYTES`.
    """
    row_shape = tuple(max(1, size) for size in shape[1:])
    rows = rows_per_piece
    while rows * prod(row_shape) * item_bytes > CHUNK_BYTES and rows % 2 == 0:
        rows //= 2
    return (rows, *row_shape), None if rows == rows_per_piece else (rows_per_piece, *row_shape)


def pieces(shape: tuple[int, ...], piece: tuple[int, ...]) -> list[tuple[int, ...]]:
    """The places, in the grid, of all pieces (each of shape `piece`) of an array; none where it has no elements."""
    return list(product(*(range(-(-size // step)) for size, step in zip(shape, piece, strict=True))))


def missing_file(array: Any, folder: Path) -> str | None:
    """The first file, below `folder`, that the Zarr `array` lacks or has empty: Zarr would read it as zeros."""
    for place in pieces(array.shape, array.shards or array.chunks):
        key: str = array.metadata.encode_chunk_key(place)
        try:
            if not (folder / key).stat().st_size:
                return key
        except (FileNotFoundError, NotADirectoryError):
            return key
    return None


def require_written(array: Any, folder: Path) -> None:
    """Raise OSError if the Zarr `array`, just written to `folder`, lacks a file."""
    key = missing_file(array, folder)
    if key is not None:
        raise OSError(errno.EIO, f"Zarr did not write {folder.name}/{key}")
