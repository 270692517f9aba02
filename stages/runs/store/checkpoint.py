"""Checkpoints: unfinished work, kept hidden beside the artifact it will become, under that artifact's content key."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stages.errors import DbcError
from stages.processes import is_leader
from stages.runs.store.commit import sync_tree
from stages.runs.store.digests import record_of
from stages.runs.store.root import RootError, read_root, write_root
from stages.runs.store.temporary import entries, rename_new, sync, temporary_directory, writing
from stages.runs.store.writer import Writer
from stages.runs.store.zarr_import import import_zarr

ATTRIBUTE = "dbc-checkpoint"
KEYS_KEPT = 3
"""Requests whose checkpoints stay side by side; beyond them the oldest goes."""
MOST_KEPT = 32
"""Requests that `keep` leaves side by side: whitenings by all and by camera, neighbours, measures, calibrations, sources."""
_NAME = re.compile(r"\.checkpoint-([0-9a-f]{16})-([0-9]{9})\.zarr")


@dataclass(frozen=True)
class Checkpoint:
    """The state after `step` steps, by name, and the texts that were kept `about` it."""

    step: int
    arrays: Mapping[str, NDArray[Any]]
    about: Mapping[str, str]


def write_checkpoint(
    directory: Path,
    key: str,
    step: int,
    arrays: Mapping[str, NDArray[Any]],
    *,
    about: Mapping[str, str],
    n_keys: int = KEYS_KEPT,
) -> None:
    """Keep `arrays` for the request `key` in `directory`, whole or not at all, in place of its earlier checkpoints.

    Arrays of one dtype lie end to end in one Zarr array, because hundreds of small ones would take seconds to write. Of all
    requests, the `n_keys` that were written last stay. DbcError if `directory` cannot be written.
    """
    earlier = [place for place in _found(directory) if place.key == key[:16]]
    # one of this step that is whole would have been gone on from
    _remove([place.path for place in earlier if place.step == step and _read(place.path, key) is None])
    with temporary_directory(directory) as path:
        writer = Writer(path)
        places: dict[str, dict[str, Any]] = {}
        for dtype in sorted({array.dtype.name for array in arrays.values()}):
            named = {name: array for name, array in arrays.items() if array.dtype.name == dtype}
            n_values = sum(array.size for array in named.values())
            start = 0
            with writer.stream(dtype, row_shape=(), dtype=dtype, max_rows=n_values) as stream:
                for name, array in named.items():
                    places[name] = {"dtype": dtype, "start": start, "shape": list(array.shape)}
                    stream.append(array.ravel())
                    start += array.size
        digests = {name: record.sha256 for name, record in writer.arrays.items()}
        root = {"key": key, "step": step, "about": dict(about), "arrays": places, "digests": digests}
        with writing(directory):
            write_root(path, {ATTRIBUTE: root})
            sync_tree(path)
            # another process that works on the same request may have kept the same state
            rename_new(path, directory / f".checkpoint-{key[:16]}-{step:09d}.zarr")
            sync(directory)
    _remove([place.path for place in earlier if place.step < step] + _of_oldest_keys(directory, n_keys))


def keep(directory: Path, key: str, arrays: Mapping[str, NDArray[Any]], *, about: Mapping[str, str]) -> None:
    """Keep `arrays` for the request `key` as the leader; `directory` may hold `MOST_KEPT` such requests.

    They only save time: if the run cannot be written, nothing is said, and they are computed again next time.
    """
    if is_leader():
        with suppress(DbcError):
            write_checkpoint(directory, key, 0, arrays, about=about, n_keys=MOST_KEPT)


def kept(directory: Path, *, holds: str) -> list[Path]:
    """The folders in `directory` that `keep` filled with what `holds` says; those that are damaged are nobody's."""
    found = []
    for place in _found(directory):
        with suppress(OSError, RootError, KeyError, TypeError):
            if read_root(place.path, known=frozenset({ATTRIBUTE}))[0][ATTRIBUTE]["about"]["holds"] == holds:
                found.append(place.path)
    return found


def remove_kept(paths: Iterable[Path], *, must_go: bool = False) -> None:
    """Remove folders that `kept` found, as the leader: whoever needs them again computes them.

    One that cannot be removed stays, and nothing is said; if they `must_go` that is a DbcError.
    """
    for path in paths if is_leader() else ():
        with writing(path.parent) if must_go else suppress(OSError):
            _remove([path])
            if must_go and path.exists():
                # says why
                shutil.rmtree(path)


def read_checkpoint(directory: Path, key: str) -> Checkpoint | None:
    """The newest checkpoint of the request `key` that is whole; None where there is none."""
    for place in sorted(_found(directory), key=lambda place: -place.step):
        if place.key == key[:16] and (checkpoint := _read(place.path, key)) is not None:
            return checkpoint
    return None


def remove_checkpoints(directory: Path, keys: Iterable[str]) -> int:
    """Remove the checkpoints of these requests, which nobody needs once their artifacts are there; how many."""
    gone = {key[:16] for key in keys}
    return _remove([place.path for place in _found(directory) if place.key in gone])


@dataclass(frozen=True)
class _Place:
    path: Path
    key: str
    step: int


def _found(directory: Path) -> list[_Place]:
    names = ((path, _NAME.fullmatch(path.name)) for path in entries(directory))
    return [_Place(path, name[1], int(name[2])) for path, name in names if name]


def _of_oldest_keys(directory: Path, n_keys: int) -> list[Path]:
    """Checkpoints of all requests but the `n_keys` that were written last."""
    written: dict[str, float] = {}
    for place in _found(directory):
        try:
            modified = place.path.stat().st_mtime
        except FileNotFoundError:
            continue
        written[place.key] = max(modified, written.get(place.key, modified))
    newest = sorted(written, key=lambda key: (-written[key], key))[:n_keys]
    return [place.path for place in _found(directory) if place.key not in newest]


def _remove(paths: list[Path]) -> int:
    for path in paths:
        # without its root it is no checkpoint, however far the removal gets
        (path / "zarr.json").unlink(missing_ok=True)
        shutil.rmtree(path, ignore_errors=True)
    return len(paths)


def _read(path: Path, key: str) -> Checkpoint | None:
    """The checkpoint at `path`; None where it is damaged, half removed, or another request's."""
    zarr = import_zarr()

    try:
        attributes, is_sealed = read_root(path, known=frozenset({ATTRIBUTE}))
        root = attributes[ATTRIBUTE]
        if not is_sealed or root["key"] != key:
            return None
        stored = {dtype: np.asarray(zarr.open_array(path, path=dtype, mode="r")[...]) for dtype in root["digests"]}
        for dtype, values in stored.items():
            if record_of(values).sha256 != root["digests"][dtype]:
                return None
        arrays = {name: _cut(stored[place["dtype"]], place) for name, place in root["arrays"].items()}
        return Checkpoint(int(root["step"]), arrays, root["about"])
    except MemoryError:
        raise
    except Exception:  # damaged files make Zarr and its codecs raise anything
        return None


def _cut(stored: NDArray[Any], place: Mapping[str, Any]) -> NDArray[Any]:
    """The array at its place in the one of its dtype."""
    shape = tuple(place["shape"])
    return stored[place["start"] : place["start"] + int(np.prod(shape, dtype=np.int64))].reshape(shape)
