"""Committed artifacts, read back: their manifests and their arrays, which are never taken for what they are not."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from schemas.manifest import ATTRIBUTE, AnyManifest, ArrayRecord, ManifestError, parse_manifest
from stages.errors import DbcError
from stages.runs.store.digests import ArrayDigest, dtype_name
from stages.runs.store.grid import missing_file
from stages.runs.store.temporary import entries

ROWS_CHUNKS = 8
"""Chunks that reading by index holds at once."""
_VERSION_NAME = re.compile(r"v([1-9][0-9]*)\.zarr")


@dataclass(frozen=True)
class Artifact:
    """A committed artifact: where it is, its version there, and its manifest."""

    path: Path
    version: int
    manifest: AnyManifest

    def read(self, name: str) -> NDArray[Any]:
        """The whole array `name`; text comes as an object array of str.

        DbcError where it cannot be read, or its digest is not the one in the manifest.
        """
        stored = self._open(name)
        with _reading(self, name):
            array = np.asarray(stored[...])
        if array.dtype.kind == "T":
            array = array.astype(object)
        digest = ArrayDigest()
        digest.update(array)
        if digest.record(dtype=dtype_name(array), shape=array.shape) != self._record(name):
            raise _unreadable(self, name, "its content is not what was written")
        return array

    def rows(self, name: str) -> Rows:
        """The array `name`, read by rows as they are asked for; DbcError where a part of it is missing."""
        return Rows(self._open(name), artifact=self, name=name)

    def names(self) -> tuple[str, ...]:
        """The names of all arrays, sorted."""
        return tuple(sorted(self.manifest.arrays))

    def damaged(self) -> tuple[str, ...]:
        """The names of arrays that cannot be read or whose digest is not the manifest's; empty for an intact artifact."""
        return tuple(name for name in self.names() if not self._is_intact(name))

    def _is_intact(self, name: str) -> bool:
        try:
            rows = self.rows(name)
            if not rows.shape or rows.is_text:
                self.read(name)
                return True
            digest = ArrayDigest()
            for start in range(0, len(rows), rows.rows_per_slab):
                digest.update(rows[start : start + rows.rows_per_slab])
        except DbcError:
            return False
        return digest.record(dtype=rows.dtype.name, shape=rows.shape) == self._record(name)

    def _record(self, name: str) -> ArrayRecord | None:
        return self.manifest.arrays.get(name)

    def _open(self, name: str) -> Any:
        import zarr

        with _reading(self, name):
            array = zarr.open_array(self.path, path=name, mode="r")
            missing = missing_file(array, self.path / name)
        if missing is not None:
            raise _unreadable(self, name, f"its file {missing} is missing or empty")
        return array


class Rows:
    """A read-only array of which only the rows asked for are read."""

    def __init__(self, array: Any, *, artifact: Artifact, name: str) -> None:
        self._array = array
        self._artifact = artifact
        self._name = name
        self.shape: tuple[int, ...] = tuple(array.shape)
        self.dtype: np.dtype[Any] = array.dtype
        self.is_text: bool = self.dtype.kind in "OUT"
        # slabs of whole chunks: Zarr's own reading by index takes twenty times as long
        self.rows_per_slab: int = ROWS_CHUNKS * array.chunks[0] if array.chunks else 1

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, index: slice | NDArray[np.integer[Any]]) -> NDArray[Any]:
        """The rows of a slice, or of an index array in its order; rows may repeat. DbcError where they are damaged."""
        if isinstance(index, slice):
            return self._read(index)
        rows = np.empty((len(index), *self.shape[1:]), dtype=self.dtype)
        order = np.argsort(index, kind="stable")
        slabs = index[order] // self.rows_per_slab
        for same_slab in np.split(order, np.flatnonzero(np.diff(slabs)) + 1):
            if not len(same_slab):
                continue
            first, last = int(index[same_slab[0]]), int(index[same_slab[-1]])
            rows[same_slab] = self._read(slice(first, last + 1))[index[same_slab] - first]
        return rows

    def _read(self, rows: slice) -> NDArray[Any]:
        with _reading(self._artifact, self._name):
            return np.asarray(self._array[rows])


def artifact_versions(directory: Path) -> list[int]:
    """The committed versions in `directory`, ascending."""
    names = (_VERSION_NAME.fullmatch(entry.name) for entry in entries(directory))
    return sorted(int(name[1]) for name in names if name)


def open_artifact(directory: Path, version: int) -> Artifact:
    """Version `version` of the artifact in `directory`; DbcError where its manifest cannot be read."""
    path = directory / f"v{version}.zarr"
    try:
        attributes = json.loads((path / "zarr.json").read_text()).get("attributes", {})
        manifest = parse_manifest(attributes.get(ATTRIBUTE))
    except (OSError, UnicodeDecodeError, json.JSONDecodeError, ManifestError) as error:
        raise DbcError(f"{path} is not a readable artifact: {error}") from error
    return Artifact(path, version, manifest)


@contextmanager
def _reading(artifact: Artifact, name: str) -> Iterator[None]:
    """Turn what Zarr and its codecs raise at damaged files into a DbcError."""
    try:
        yield
    except MemoryError:
        raise
    except Exception as error:  # damaged files make them raise anything
        raise _unreadable(artifact, name, f"{type(error).__name__}: {' '.join(str(error).split())[:200]}") from error


def _unreadable(artifact: Artifact, name: str, reason: str) -> DbcError:
    again = shlex.join(artifact.manifest.command) or "its command"
    return DbcError(
        f"{artifact.path}: array '{name}' cannot be read ({reason}); remove this directory and run again: {again}"
    )
