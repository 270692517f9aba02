"""Identities that come in a table after the pictures were ingested: path and identity."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from stages.errors import UsageError
from stages.ingest.formats.csv_file import CsvFile, read_csv_file
from stages.ingest.formats.names import is_missing, numbers_of, shown, whole_number
from stages.ingest.formats.wildlife_datasets import UNKNOWN_NAME
from stages.runs.run_directory import source_boxes
from stages.runs.store import Artifact
from stages.samples import UNKNOWN
from stages.typing import Int32Array, Int64Array

IDENTITIES = ("identity", "pid")
PLACES = ("frame", "left", "top", "width", "height")
"""Columns that tell the boxes of one picture, or the frames of one video, apart, as tables of clusters have them."""


@dataclass(frozen=True)
class KnownLater:
    """The `pid` (n_samples, int32) of each sample, `UNKNOWN` if the table has none; a `digest` of it; what is to be said."""

    pid: Int32Array
    digest: str
    note: str


def read_known_later(file: Path, dataset: Artifact) -> KnownLater:
    """The identities that `file`, a table with the columns path and identity (or pid), gives the samples of `dataset`.

    A path is that of the picture as it was ingested or, if the data set has no such path, a file name that it has once.
    'unknown' is nobody, as in the tables of wildlife-datasets. Columns of `PLACES` say which box or frame of it is meant.
    UsageError if the table has no identities, names no picture of the data set or several samples by one row, or gives one
    sample two identities.
    """
    table = read_csv_file(file, columns=("path", *IDENTITIES, *PLACES))
    column = next((name for name in IDENTITIES if name in table.cells), None)
    if column is None:
        raise UsageError(f"{shown(file)} has no column 'identity'; name the column of identities so")
    if all(name in table.cells for name in IDENTITIES):
        raise UsageError(f"{shown(file)} has the columns identity and pid, which may differ; keep one of them")
    paths = dataset.read("path").tolist()
    text_of, n_strange = _texts(table, column, paths, dataset)
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


def _texts(table: CsvFile, column: str, paths: Sequence[str], dataset: Artifact) -> tuple[dict[int, str], int]:
    """The identity of images, by their place in `paths`, without missing ones; and how many rows name no picture."""
    images_of: dict[str, list[int]] = {}
    for image, path in enumerate(paths):
        images_of.setdefault(path, []).append(image)
    of_name: dict[str, list[str]] = {}
    for path in images_of:
        of_name.setdefault(path.rpartition("/")[2], []).append(path)
    sample_of = np.repeat(
        np.arange(len(dataset.read("frame_start")) - 1), np.diff(dataset.read("frame_start"))
    ).tolist()
    places = _places(table, dataset)
    found: dict[int, str] = {}
    said_in: dict[int, int] = {}
    n_strange = 0
    for row, (path, identity) in enumerate(zip(table.cells["path"], table.cells[column], strict=True)):
        same_name = of_name.get(path.rpartition("/")[2], [])
        images = images_of.get(path) or (images_of[same_name[0]] if len(same_name) == 1 else [])
        wanted = [
            (values, _whole(table, row, name)) for name, values in places if not is_missing(table.cells[name][row])
        ]
        images = [image for image in images if all(values[image] == number for values, number in wanted)]
        if len({sample_of[image] for image in images}) > 1:
            raise UsageError(
                f"{table.at(row)} names {len(images)} boxes or frames of {shown(path)}; say which one in the columns "
                f"{', '.join(PLACES)}, as dbc export clusters lists them"
            )
        if not images:
            n_strange += 1
        elif not is_missing(identity) and identity.casefold() != UNKNOWN_NAME:
            other = next((image for image in images if found.get(image, identity) != identity), None)
            if other is not None:
                raise UsageError(
                    f"{table.at(row)} says {shown(identity)} of {shown(path)}, and line {table.line[said_in[other]]} says "
                    f"{shown(found[other])}; correct one"
                )
            found.update(dict.fromkeys(images, identity))
            said_in.update(dict.fromkeys(images, row))
    return found, n_strange


def _whole(table: CsvFile, row: int, name: str) -> int:
    cell = table.cells[name][row]
    number = whole_number(cell)
    if number is None:
        raise UsageError(f"{table.at(row)}: {name} {shown(cell)} is not a whole number; correct it")
    return number


def _places(table: CsvFile, dataset: Artifact) -> list[tuple[str, list[int]]]:
    """Each column of `PLACES` that table and data set have, and its values (n_images) in the data set."""
    values: dict[str, list[int]] = {}
    if "frame_number" in dataset.names():
        values["frame"] = dataset.read("frame_number").tolist()
    if "box" in dataset.names():
        values |= dict(zip(PLACES[1:], source_boxes(dataset).T.tolist(), strict=True))
    return [(name, values[name]) for name in PLACES if name in table.cells and name in values]


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
