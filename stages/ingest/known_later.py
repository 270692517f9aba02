"""Identities that come in a table after the pictures were ingested: path and identity."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from stages.errors import UsageError
from stages.ingest.formats.csv_file import read_csv_file
from stages.ingest.formats.names import is_missing, numbers_of, shown
from stages.runs.store import Artifact
from stages.samples import UNKNOWN
from stages.typing import Int32Array, Int64Array

COLUMNS = ("path", "identity", "pid")


@dataclass(frozen=True)
class KnownLater:
    """The `pid` (n_samples, int32) of each sample, `UNKNOWN` if the table has none; a `digest` of it; what is to be said."""

    pid: Int32Array
    digest: str
    note: str


def read_known_later(file: Path, dataset: Artifact) -> KnownLater:
    """The identities that `file`, a table with the columns path and identity (or pid), gives the samples of `dataset`.

    A path is that of the picture as it was ingested or, if the data set has no such path, a file name that it has once.
    UsageError if the table has no identities, names no picture of the data set, or gives one sample two identities.
    """
    table = read_csv_file(file, columns=COLUMNS)
    column = next((name for name in COLUMNS[1:] if name in table.cells), None)
    if column is None:
        raise UsageError(f"{shown(file)} has no column 'identity'; name the column of identities so")
    paths = dataset.read("path").tolist()
    text_of, n_strange = _texts(table.cells["path"], table.cells[column], paths)
    if not text_of:
        raise UsageError(
            f"{shown(file)} names no picture of the data set, such as {shown(paths[0])}; give paths as "
            "dbc export clusters lists them"
        )
    texts = _of_samples(file, text_of, dataset.read("frame_start"), paths)
    pid = np.asarray(numbers_of(texts, smallest=1), dtype=np.int32)
    n_known = int((pid != UNKNOWN).sum())
    strange = f"; {n_strange} rows name no picture of the data set" if n_strange else ""
    note = f"identities by {file.name}: {n_known} of {len(pid)} samples, {len(set(pid[pid > 0].tolist()))} identities{strange}"
    return KnownLater(pid, hashlib.sha256("\0".join(texts).encode()).hexdigest(), note)


def _texts(named: Sequence[str], identities: Sequence[str], paths: Sequence[str]) -> tuple[dict[int, str], int]:
    """The identity of pictures, by their place in `paths`, without missing ones; and how many rows name no picture."""
    place = {path: number for number, path in enumerate(paths)}
    file_names = Counter(path.rpartition("/")[2] for path in paths)
    by_name = {path.rpartition("/")[2]: number for number, path in enumerate(paths)}
    found: dict[int, str] = {}
    n_strange = 0
    for path, identity in zip(named, identities, strict=True):
        name = path.rpartition("/")[2]
        number = place.get(path, by_name[name] if file_names[name] == 1 else None)
        if number is None:
            n_strange += 1
        elif not is_missing(identity):
            found[number] = identity
    return found, n_strange


def _of_samples(file: Path, text_of: dict[int, str], frame_start: Int64Array, paths: Sequence[str]) -> list[str]:
    texts = []
    for start, stop in zip(frame_start[:-1].tolist(), frame_start[1:].tolist(), strict=True):
        known = {text_of[frame]: frame for frame in range(start, stop) if frame in text_of}
        if len(known) > 1:
            first, second = list(known.items())[:2]
            raise UsageError(
                f"{shown(file)} says {shown(first[0])} of {shown(paths[first[1]])} and {shown(second[0])} of "
                f"{shown(paths[second[1]])}, which are frames of one tracklet; correct one"
            )
        texts.append(next(iter(known), ""))
    return texts
