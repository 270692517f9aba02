"""Artifacts on disk: Zarr v3 groups that appear whole or not at all. The only module that knows Zarr.

A writer fills a temporary sibling, syncs it, writes the manifest into the root attributes last and renames the directory
into place. A directory without a manifest is no artifact. While it is being written its owner holds a lock on the
temporary directory, which the system drops when the owner dies: that is how the next call tells stale from busy.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
import re
import secrets
import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from schemas.manifest import ATTRIBUTE, AnyManifest, ArrayRecord, ManifestError, dump_manifest, parse_manifest
from stages.errors import DbcError
from stages.provenance import ArrayDigest, dtype_name

CHUNK_BYTES = 4 << 20
SHARD_BYTES = 64 << 20
ROWS_CHUNKS = 8
"""Chunks that reading by index holds at once."""
SYNC_THREADS = 16
"""Files synced at once: journals commit them together, five times faster than one by one."""
TEMPORARY_PREFIX = ".writing-"
_VERSION_NAME = re.compile(r"v([1-9][0-9]*)\.zarr")


@dataclass(frozen=True)
class Artifact:
    """A committed artifact: where it is, its version there, and its manifest."""

    path: Path
    version: int
    manifest: AnyManifest

    def read(self, name: str) -> NDArray[Any]:
        """The whole array `name`; text comes as an object array of str."""
        array = np.asarray(self._open(name)[...])
        return array.astype(object) if array.dtype.kind == "T" else array

    def rows(self, name: str) -> Rows:
        """The array `name`, read by rows as they are asked for."""
        return Rows(self._open(name))

    def names(self) -> tuple[str, ...]:
        """The names of all arrays, sorted."""
        return tuple(sorted(self.manifest.arrays))

    def damaged(self) -> tuple[str, ...]:
        """The names of arrays whose digest is not the one in the manifest; empty for an intact artifact."""
        return tuple(name for name in self.names() if not self._is_intact(name))

    def _is_intact(self, name: str) -> bool:
        try:
            array = self.read(name)
        except DbcError:
            return False
        digest = ArrayDigest()
        digest.update(array)
        return digest.record(dtype=dtype_name(array), shape=array.shape) == self.manifest.arrays[name]

    def _open(self, name: str) -> Any:
        import zarr

        try:
            return zarr.open_array(self.path, path=name, mode="r")
        except (OSError, ValueError, KeyError) as error:
            raise DbcError(
                f"{self.path}: array '{name}' cannot be read ({error.__class__.__name__}); "
                f"delete this version and run its command again"
            ) from error


class Rows:
    """A read-only array of which only the rows asked for are read."""

    def __init__(self, array: Any) -> None:
        self._array = array
        self.shape: tuple[int, ...] = tuple(array.shape)
        self.dtype: np.dtype[Any] = array.dtype
        # slabs of whole chunks: Zarr's own reading by index takes twenty times as long
        self._rows_per_slab = ROWS_CHUNKS * array.chunks[0] if array.chunks else 1

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, index: slice | NDArray[np.integer[Any]]) -> NDArray[Any]:
        """The rows of a slice, or of an index array in its order; rows may repeat."""
        if isinstance(index, slice):
            return np.asarray(self._array[index])
        rows = np.empty((len(index), *self.shape[1:]), dtype=self.dtype)
        order = np.argsort(index, kind="stable")
        slabs = index[order] // self._rows_per_slab
        for same_slab in np.split(order, np.flatnonzero(np.diff(slabs)) + 1):
            if not len(same_slab):
                continue
            first, last = int(index[same_slab[0]]), int(index[same_slab[-1]])
            rows[same_slab] = np.asarray(self._array[first : last + 1])[index[same_slab] - first]
        return rows


def artifact_versions(directory: Path) -> list[int]:
    """The committed versions in `directory`, ascending."""
    if not directory.is_dir():
        return []
    names = (_VERSION_NAME.fullmatch(entry.name) for entry in directory.iterdir())
    return sorted(int(name[1]) for name in names if name)


def open_artifact(directory: Path, version: int) -> Artifact:
    """Version `version` of the artifact in `directory`; DbcError where its manifest cannot be read."""
    path = directory / f"v{version}.zarr"
    try:
        attributes = json.loads((path / "zarr.json").read_text()).get("attributes", {})
        manifest = parse_manifest(attributes.get(ATTRIBUTE))
    except (OSError, json.JSONDecodeError, ManifestError) as error:
        raise DbcError(f"{path} is not a readable artifact: {error}") from error
    return Artifact(path, version, manifest)


class Writer:
    """Arrays on their way into an artifact. Every array is digested as it is written."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.arrays: dict[str, ArrayRecord] = {}

    def array(self, name: str, data: NDArray[Any]) -> None:
        """Write `data` whole under `name`; a list of str becomes text."""
        target = _create_array(self.path, name, shape=data.shape, dtype=data.dtype)
        if data.size:
            target[...] = data
        digest = ArrayDigest()
        digest.update(data)
        self.arrays[name] = digest.record(dtype=dtype_name(data), shape=data.shape)

    @contextmanager
    def stream(self, name: str, *, row_shape: tuple[int, ...], dtype: Any, max_rows: int) -> Iterator[Stream]:
        """An array written row block after row block; its length is what was appended, at most `max_rows`."""
        stream = Stream(_create_array(self.path, name, shape=(max_rows, *row_shape), dtype=np.dtype(dtype)))
        yield stream
        self.arrays[name] = stream.finish()


class Stream:
    """An array that grows by appended rows and writes whole shards."""

    def __init__(self, array: Any) -> None:
        self._array = array
        self._digest = ArrayDigest()
        self._pending: list[NDArray[Any]] = []
        self._n_pending = 0
        self._n_written = 0
        self._rows_per_write = int((array.shards or array.chunks)[0])

    def append(self, rows: NDArray[Any]) -> None:
        """Add `rows` (n, …) after those already there."""
        self._digest.update(rows)
        self._pending.append(rows)
        self._n_pending += len(rows)
        while self._n_pending >= self._rows_per_write:
            self._write(self._rows_per_write)

    def finish(self) -> ArrayRecord:
        """Write what is left, cut the array to its length and return its record."""
        if self._n_pending:
            self._write(self._n_pending)
        shape = (self._n_written, *self._array.shape[1:])
        if shape != self._array.shape:
            self._array.resize(shape)
        return self._digest.record(dtype=np.dtype(self._array.dtype).name, shape=shape)

    def _write(self, n_rows: int) -> None:
        rows = np.concatenate(self._pending) if len(self._pending) > 1 else self._pending[0]
        self._array[self._n_written : self._n_written + n_rows] = rows[:n_rows]
        self._n_written += n_rows
        self._n_pending = len(rows) - n_rows
        self._pending = [rows[n_rows:]] if self._n_pending else []


def _create_array(path: Path, name: str, *, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Any:
    import zarr

    is_text = dtype.kind in "OUT"
    chunks, shards = chunk_grid(shape, item_bytes=64 if is_text else dtype.itemsize)
    return zarr.create_array(
        path,
        name=name,
        shape=shape,
        dtype=str if is_text else dtype,
        chunks=chunks,
        shards=shards,
        compressors=None if dtype.kind == "f" else "auto",
    )


def chunk_grid(shape: tuple[int, ...], *, item_bytes: int) -> tuple[tuple[int, ...], tuple[int, ...] | None]:
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


@contextmanager
def temporary_directory(directory: Path) -> Iterator[Path]:
    """A new locked sibling inside `directory`, gone at the end unless it was renamed away."""
    missing = [parent for parent in (directory, *directory.parents) if not parent.exists()]
    path, lock = _locked_directory(directory)
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)
        os.close(lock)
        for parent in missing:
            _remove_if_empty(parent)


def _locked_directory(directory: Path) -> tuple[Path, int]:
    while True:
        path = directory / f"{TEMPORARY_PREFIX}{secrets.token_hex(8)}"
        path.mkdir(parents=True)
        try:
            lock = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
        except FileNotFoundError:
            continue
        if _try_lock(lock) and path.exists():
            return path, lock
        os.close(lock)


def _try_lock(descriptor: int) -> bool:
    """Whether the lock is ours now. A file system without locks grants it to whoever writes."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        return error.errno not in (errno.EWOULDBLOCK, errno.EAGAIN, errno.EACCES)
    return True


def remove_stale(directory: Path) -> int:
    """Remove the temporary directories in `directory` whose writers are gone; the number removed."""
    removed = 0
    for path in directory.glob(f"{TEMPORARY_PREFIX}*") if directory.is_dir() else ():
        try:
            lock = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
        except FileNotFoundError:
            continue
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(path, ignore_errors=True)
            removed += 1
        except OSError:
            continue
        finally:
            os.close(lock)
    return removed


def commit(writer: Writer, directory: Path, manifest: AnyManifest) -> tuple[Artifact, bool]:
    """Write the manifest, sync and rename to the next free version; the artifact then in place, and whether it is new.

    Where another process has meanwhile committed the same content, that version is returned and nothing is added.
    """
    _sync_tree(writer.path)
    _write_root(writer.path, manifest)
    while True:
        versions = artifact_versions(directory)
        version = versions[-1] + 1 if versions else 1
        if versions:
            newest = open_artifact(directory, versions[-1])
            if newest.manifest.id == manifest.id:
                return newest, False
        target = directory / f"v{version}.zarr"
        try:
            writer.path.rename(target)
        except OSError as error:
            if error.errno in (errno.ENOTEMPTY, errno.EEXIST):
                continue
            raise
        _sync(directory)
        return Artifact(target, version, manifest), True


def _write_root(path: Path, manifest: AnyManifest) -> None:
    import zarr

    zarr.open_group(path, mode="a").attrs[ATTRIBUTE] = dump_manifest(manifest)
    _sync(path / "zarr.json")
    _sync(path)


def _sync_tree(path: Path) -> None:
    files = [Path(folder) / file for folder, _, names in os.walk(path) for file in names]
    with ThreadPoolExecutor(SYNC_THREADS) as pool:
        list(pool.map(_sync, files))
    for folder, _, _ in os.walk(path):
        _sync(Path(folder))


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _remove_if_empty(directory: Path) -> None:
    try:
        directory.rmdir()
    except OSError:
        return
