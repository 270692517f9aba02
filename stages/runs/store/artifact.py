"""Committed artifacts, read back: their manifests and their arrays, which are never taken for what they are not.

What is read is checked when it is read: the root by its seal, arrays written by rows by the CRC-32C of each chunk, others by
their SHA-256.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from difflib import get_close_matches
from functools import lru_cache
from itertools import pairwise
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from schemas.manifest import ATTRIBUTE, AnyManifest, NewerError, parse_manifest
from schemas.stage_names import parse_stage, stage_label
from stages.errors import DbcError, UsageError, file_problem
from stages.runs.store.digests import ArrayDigest, artifact_id, checksum, content_key, dtype_name, record_of
from stages.runs.store.grid import missing_file
from stages.runs.store.one_chunk import OneChunk
from stages.runs.store.plain_rows import PlainRows
from stages.runs.store.root import RootError, is_group, parse_root, root_bytes
from stages.runs.store.temporary import entries
from stages.runs.store.zarr_import import import_zarr
from stages.wording import so_many

CHECKSUMS = "dbc-checksums"
"""The root attribute with the checksums of the chunks of arrays that were written by rows; the first release wrote none."""
ROOTS_KEPT = 512
"""Roots that a process remembers, of some 20 kB each."""
ARRAYS_KEPT = 512
"""Arrays that a process remembers as opened, of some kB each."""
ROWS_CHUNKS = 8
"""Chunks that reading by index holds at once."""
_NAMED = 24
"""Arrays that an error names: all, but of a network."""
_VERSION_NAME = re.compile(r"v([1-9][0-9]*)\.zarr")


class DamagedError(DbcError):
    """An array that is not what was written. A file that cannot be read for now is another DbcError."""


class UnreadableError(DbcError):
    """An artifact whose root is not what was written, which is mended by making it again alone."""


@dataclass(frozen=True)
class Artifact:
    """A committed artifact: where it is, its version there, its manifest, and the `checksums` of chunks by array."""

    path: Path
    version: int
    manifest: AnyManifest
    checksums: Mapping[str, str] = field(default_factory=dict)

    def __repr__(self) -> str:
        return f"<{self.manifest.kind} {self.shown}>"

    @property
    def shown(self) -> str:
        """Its path, the beginning of its id, and how many samples and clusters it has, for a person."""
        counts = {name: getattr(self.manifest.summary, f"n_{name}", None) for name in ("samples", "clusters")}
        told = [so_many(n, name[:-1]) for name, n in counts.items() if n is not None]
        return ", ".join([self.path.as_posix(), f"id {self.manifest.id[:12]}", *told])

    def read(self, name: str) -> NDArray[Any]:
        """The whole array `name`; text comes as an object array of str.

        UsageError if the artifact has none of that name. DbcError if it cannot be read, or is not what was written: by the
        checksums of its chunks, eight times as fast as its digest, or by that.
        """
        self._require(name)
        if name in self.checksums:
            return self.rows(name)[:]
        array = self._one_chunk(name)
        if array is None:
            stored = self._open(name)
            with _reading(self, name):
                array = np.asarray(stored[...])
            if array.dtype.kind == "T":
                array = array.astype(object)
        if record_of(array) != self.manifest.arrays[name]:
            raise _unreadable(self, name, "its content is not what was written")
        return array

    def rows(self, name: str) -> Rows:
        """The array `name`, whose rows are read when they are asked for; DbcError if a part is missing or has other bytes.

        UsageError if the artifact has none of that name.
        """
        self._require(name)
        return Rows(self._open(name), artifact=self, name=name)

    def names(self) -> tuple[str, ...]:
        """The names of all arrays, sorted."""
        return tuple(sorted(self.manifest.arrays))

    def damaged(self) -> tuple[str, ...]:
        """The names of arrays that cannot be read or whose digest is not the manifest's, and of groups that are none.

        Empty for an intact artifact. DbcError for a file that the system does not let be read: it need not be damaged.
        """
        groups = {parent.as_posix() for name in self.names() for parent in PurePosixPath(name).parents} - {"."}
        with _reading(self, "zarr.json"):
            broken = [name for name in sorted(groups) if not is_group(self.path / name)]
        return (*broken, *(name for name in self.names() if not self._is_intact(name)))

    def _is_intact(self, name: str) -> bool:
        try:
            rows = self.rows(name)
            if not rows.shape or rows.is_text:
                self.read(name)
                return True
            digest = ArrayDigest()
            for start in range(0, len(rows), rows.rows_per_slab):
                digest.update(rows[start : start + rows.rows_per_slab])
        except DamagedError:
            return False
        return digest.record(dtype=rows.dtype.name, shape=rows.shape) == self.manifest.arrays[name]

    def _require(self, name: str) -> None:
        """Raise UsageError unless there is an array `name`: that is no damage, but a slip, or an artifact made before it."""
        names = self.names()
        if name not in names:
            near = (get_close_matches(name, names, n=_NAMED, cutoff=0.4) if len(names) > _NAMED else []) or names[
                :_NAMED
            ]
            more = f" and {len(names) - len(near)} more" if len(names) > len(near) else ""
            raise UsageError(
                f"{self.path} has no array '{name}', it has {', '.join(near)}{more}; read one of these, and look in `names()` "
                "first for one that earlier releases did not write"
            )

    def _one_chunk(self, name: str) -> NDArray[Any] | None:
        record = self.manifest.arrays[name]
        if record.dtype == "string":
            return None
        dtype = np.dtype(record.dtype)
        plain = OneChunk.of(record.shape, dtype)
        return None if plain is None else plain.read(self.path / name, record.shape, dtype)

    def _open(self, name: str) -> Any:
        with _reading(self, name):
            array = _opened(self.path.absolute(), name)
            missing = missing_file(array, self.path / name)
        if missing is not None:
            raise _unreadable(self, name, f"its file {missing} is missing or empty")
        record, dtype = self.manifest.arrays[name], dtype_name(array)
        if (record.dtype, record.shape) != (dtype, tuple(array.shape)):
            wanted = f"{record.dtype} {record.shape}"
            raise _unreadable(self, name, f"it is {dtype} {tuple(array.shape)}, and its manifest says {wanted}")
        return array


def _opened(path: Path, name: str) -> Any:
    """The Zarr array `name` of the group `path`; what Zarr raises if it is not described as one."""
    try:
        described = (path / name / "zarr.json").read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        described = b""
    return _opened_as(path, name, described)


@lru_cache(maxsize=ARRAYS_KEPT)
def _opened_as(path: Path, name: str, described: bytes) -> Any:  # noqa: ARG001
    """The array that `described` tells of: Zarr takes a millisecond to read it, and commands ask again and again."""
    return import_zarr().open_array(path, path=name, mode="r")


class Rows:
    """A read-only array of which only the rows asked for are read."""

    def __init__(self, array: Any, *, artifact: Artifact, name: str) -> None:
        self._array = array
        self._artifact = artifact
        self._name = name
        self.shape: tuple[int, ...] = tuple(array.shape)
        self.dtype: np.dtype[Any] = array.dtype
        self.is_text: bool = self.dtype.kind in "OUT"
        self._rows_per_chunk = int(array.chunks[0]) if array.chunks else 1
        # slabs of whole chunks: Zarr's own reading by index takes twenty times as long
        self.rows_per_slab = ROWS_CHUNKS * self._rows_per_chunk
        self._checksums = artifact.checksums.get(name)
        self._plain = PlainRows.of(array, artifact.path / name)

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, index: slice | NDArray[np.integer[Any]]) -> NDArray[Any]:
        """The rows of a slice, or of an index array in its order; rows may repeat. DbcError if they are damaged."""
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
        """The rows of a slice, whose chunks are read whole and held against their checksums."""
        start, stop, step = rows.indices(len(self))
        step_chunk = self._rows_per_chunk
        first, last = start - start % step_chunk, min(len(self), -(-stop // step_chunk) * step_chunk)
        is_plain = self._plain is not None and last > first
        if last <= first or (self._checksums is None and not is_plain):
            first, last = start, stop
        with _reading(self._artifact, self._name):
            if self._plain is not None and is_plain:
                read = self._plain.read(first // step_chunk, last - first)
            else:
                read = np.asarray(self._array[first:last])
        if self._checksums is not None:
            for begin, end in pairwise([*range(0, len(read), step_chunk), len(read)]):
                self._check(read[begin:end], (first + begin) // step_chunk)
        return read[start - first : stop - first : step]

    def _check(self, rows: NDArray[Any], chunk: int) -> None:
        if checksum(rows) != (self._checksums or "")[8 * chunk : 8 * chunk + 8]:
            first = chunk * self._rows_per_chunk
            reason = f"rows {first} to {first + len(rows) - 1} are not what was written"
            raise _unreadable(self._artifact, self._name, reason)


def artifact_versions(directory: Path) -> list[int]:
    """The committed versions in `directory`, ascending."""
    names = (_VERSION_NAME.fullmatch(entry.name) for entry in entries(directory))
    return sorted(int(name[1]) for name in names if name)


def open_artifact(directory: Path, version: int) -> Artifact:
    """Version `version` of the artifact in `directory`; DbcError if its root is not what was written for that place.

    A root of the first release has no seal: its key is computed again from kind, parameters and parents. The id is always
    computed again, from the key and the arrays' digests.
    """
    path = directory / f"v{version}.zarr"
    try:
        manifest, checksums = _checked_root(root_bytes(path))
        _require_place(manifest, directory)
    except OSError as error:
        if isinstance(error, FileNotFoundError) and path.is_dir():
            # dbc renames whole folders, so another program made it or took its root
            raise DbcError(
                f"{path} has no zarr.json, so it is no artifact: a copy that was cut off, or an empty folder; copy it again, "
                "or move it away, and run the command again"
            ) from error
        raise DbcError(file_problem(error, path / "zarr.json")) from error
    except ValueError as error:  # a RootError, a ManifestError, or the folder of no stage
        told = f"{path} is not a readable artifact: {error}"
        if isinstance(error, NewerError):
            raise DbcError(told) from error
        raise UnreadableError(f"{told}; move it away and make it again") from error
    return Artifact(path, version, manifest, checksums)


@lru_cache(maxsize=ROOTS_KEPT)
def _checked_root(content: bytes) -> tuple[AnyManifest, Mapping[str, str]]:
    """The manifest and the checksums of a root; RootError or ManifestError if it is not what was written.

    A command asks for the same artifacts again and again: what was read is checked once.
    """
    attributes, is_sealed = parse_root(content, known=frozenset({ATTRIBUTE, CHECKSUMS}))
    manifest = parse_manifest(attributes.get(ATTRIBUTE))
    if not is_sealed and manifest.key != _key_of(manifest):
        raise RootError("its key does not follow from its kind, parameters and parents")
    if manifest.id != artifact_id(manifest.key, manifest.arrays):
        raise RootError("its id does not follow from its key and arrays")
    return manifest, attributes.get(CHECKSUMS, {})


def every_version(directory: Path) -> Iterator[Artifact]:
    """The artifacts in `directory`, the newest first; DbcError at one that cannot be opened."""
    return (open_artifact(directory, version) for version in reversed(artifact_versions(directory)))


def readable_versions(directory: Path) -> list[Artifact]:
    """The artifacts in `directory` that can be opened, the oldest first: what cannot is told when it is used."""
    found = []
    for version in artifact_versions(directory):
        with suppress(DbcError):
            found.append(open_artifact(directory, version))
    return found


def _key_of(manifest: AnyManifest) -> str:
    return content_key(
        manifest.kind,
        schema_version=manifest.schema_version,
        parameters=manifest.parameters.request(),
        parent_ids=[parent.id for parent in manifest.parents],
    )


def _require_place(manifest: AnyManifest, directory: Path) -> None:
    """Raise RootError if an artifact lies in the folder of another kind or stage."""
    if manifest.kind != directory.name:
        raise RootError(f"it is a {manifest.kind} artifact in the folder of {directory.name}")
    stage = getattr(manifest.summary, "stage", None)
    if stage is not None and stage != parse_stage(directory.parent.name):
        raise RootError(f"it is of stage {stage_label(stage)} in the folder {directory.parent.name}")


@contextmanager
def _reading(artifact: Artifact, name: str) -> Iterator[None]:
    """Turn what Zarr and its codecs raise at damaged files into a DbcError; of a file that cannot be read at all, too."""
    try:
        yield
    except MemoryError:
        raise
    except OSError as error:
        if error.errno is None:
            raise _unreadable(artifact, name, str(error)) from error
        raise DbcError(file_problem(error, artifact.path / name)) from error
    except Exception as error:  # damaged files make them raise anything
        raise _unreadable(artifact, name, f"{type(error).__name__}: {' '.join(str(error).split())[:200]}") from error


def _unreadable(artifact: Artifact, name: str, reason: str) -> DamagedError:
    if not artifact.path.exists():
        return DamagedError(f"{artifact.path} was removed while it was read; run the command again")
    again = shlex.join(artifact.manifest.command) or "its command"
    return DamagedError(
        f"{artifact.path}: array '{name}' cannot be read ({reason}); remove this directory and run again: {again}"
    )
