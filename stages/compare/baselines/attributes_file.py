"""A table of attributes: path, and a column of 0 and 1 for each attribute."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from stages.errors import UsageError
from stages.ingest.formats.csv_file import read_csv_file, read_header
from stages.ingest.named_pictures import NamedPictures
from stages.runs.store import Artifact
from stages.typing import Float32Array
from stages.wording import shown

_VALUES = {"0": 0.0, "1": 1.0, "false": 0.0, "true": 1.0, "no": 0.0, "yes": 1.0}


def read_attributes(file: Path, dataset: Artifact) -> Float32Array:
    """The attributes (n_samples, m) of every sample of `dataset`, in the order of the columns of `file`.

    A sample is found by the path of its first image, as `NamedPictures` says. UsageError, one line, for a value that is
    neither 0 nor 1, a sample that the table does not name, a name of several, and a table without attributes.
    """
    names = [name for name in read_header(file) if name and name != "path"]
    if not names:
        raise UsageError(f"{shown(file)} has no attributes; give it a column of 0 and 1 for each")
    table = read_csv_file(file, columns=("path", *names), are_ingested=True)
    values = np.empty((len(table), len(names)), dtype=np.float32)
    for column, name in enumerate(names):
        for row, cell in enumerate(table.cells[name]):
            if cell.lower() not in _VALUES:
                raise UsageError(f"{table.at(row)}: {name} must be 0 or 1, got {shown(cell)}")
            values[row, column] = _VALUES[cell.lower()]
    first = dataset.read("path")[dataset.read("frame_start")[:-1]].tolist()
    pictures = NamedPictures(first)
    place: dict[str, int] = {}
    for row, name in enumerate(table.cells["path"]):
        fitting = pictures.that_fit(name)
        if len(fitting) > 1:
            raise UsageError(
                f"{table.at(row)} names {shown(name)}, which fits {len(fitting)} pictures; give whole paths"
            )
        path = fitting[0] if len(fitting) == 1 else name
        if place.setdefault(path, row) != row:
            raise UsageError(f"{table.at(row)} names {shown(name)}, as line {table.line[place[path]]}; keep one")
    missing = [path for path in first if path not in place]
    if missing:
        raise UsageError(f"{shown(file)} does not name {shown(missing[0])} ({len(missing)} such pictures); add it")
    found: Float32Array = values[[place[path] for path in first]]
    return found
