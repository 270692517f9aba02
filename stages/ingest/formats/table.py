"""A CSV table that names the images and says what is known of each."""

from __future__ import annotations

import csv
import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from schemas.parameters import IngestParameters
from stages.errors import DbcError, UsageError
from stages.ingest.formats.names import identities_from_one, shown, whole_number, whole_numbers_or_ranks
from stages.ingest.formats.splits import assign_splits
from stages.samples import SPLIT_NAMES, TRAIN, UNKNOWN, Samples
from stages.typing import Int32Array, UInt8Array

COLUMNS = ("path", "pid", "camid", "tracklet", "split", "frame")


@dataclass(frozen=True)
class Row:
    """One line of the table: the image's path, and its other cells, stripped, by lower-case column name."""

    line: int
    path: str
    cells: dict[str, str]

    def cell(self, column: str) -> str:
        """The cell of `column`, empty where the table or the line does not have it."""
        return self.cells.get(column, "")


def read_table(source: Path, parameters: IngestParameters) -> Samples:
    """The samples of a table with a column `path` and optionally `pid`, `camid`, `tracklet`, `split`, `frame`.

    `source` is the table, or the folder that holds it. Paths are relative to the table's folder. pid, camid and
    tracklet are whole numbers, or names numbered 1..n in sorted order; an empty cell is unknown. pid −1 is junk
    and 0 a distractor, unless a query or train row has it: then identities count from 0, and from 1 here. Rows of
    one split with the same tracklet are the frames of one sample, in order of `frame` or else of path. Without splits
    they are drawn by identity (`splits.assign_splits`). Other columns are ignored (`ignored_columns` tells).
    Samples are sorted by their first path, so the order of the rows does not matter.
    """
    table = find_table(source)
    rows = sorted(read_rows(table), key=lambda row: row.path)
    _check_paths(table, rows)
    split = _splits(table, rows)
    numbers = {column: _numbers(table, rows, column) for column in ("pid", "camid", "tracklet")}
    frames_of = _group(table, rows, split, numbers)
    first = [frames[0] for frames in frames_of]
    pid, camid, tracklet = (numbers[column][first] for column in ("pid", "camid", "tracklet"))
    if split is not None:
        pid = identities_from_one(pid, split[first])
    return Samples(
        path=tuple(rows[frame].path for frames in frames_of for frame in frames),
        frame_start=np.cumsum([0, *map(len, frames_of)], dtype=np.int64),
        pid=pid,
        camid=camid,
        tracklet=tracklet,
        split=split[first]
        if split is not None
        else assign_splits(pid, camid, test_fraction=parameters.test_fraction, seed=parameters.seed),
    )


def find_table(source: Path) -> Path:
    """`source` itself if it is a file, else its `samples.csv`, else its only `.csv` file."""
    if source.is_file():
        return source
    if (source / "samples.csv").is_file():
        return source / "samples.csv"
    found = sorted(entry for entry in source.iterdir() if entry.suffix.lower() == ".csv" and entry.is_file())
    if len(found) != 1:
        names = ", ".join(entry.name for entry in found[:5]) or "none"
        raise UsageError(
            f"'{source}' should hold samples.csv or exactly one .csv file, found {len(found)} ({names}); "
            "give the table itself as the source"
        )
    return found[0]


def ignored_columns(source: Path) -> str | None:
    """Which columns of a table are not known and which are, on one line; None where all are known or have no name."""
    table = find_table(source)
    with _lines(table) as reader:
        unknown = [shown(name) for name in _columns(table, next(reader, [])) if name and name not in COLUMNS]
    if not unknown:
        return None
    return f"'{table}': no notice is taken of {', '.join(unknown)}; the columns known are {', '.join(COLUMNS)}"


def read_rows(table: Path) -> list[Row]:
    """The rows of the table in its order; UTF-8 with or without BOM, any line ends, fields quoted or not."""
    with _lines(table) as reader:
        columns = _columns(table, next(reader, []))
        rows = [_row(table, columns, reader.line_num, cells) for cells in reader if any(cells)]
    if not rows:
        raise UsageError(f"'{table}' has no rows below its header; list one image a row")
    return rows


@contextmanager
def _lines(table: Path) -> Iterator[Any]:
    try:
        with table.open(encoding="utf-8-sig", newline="") as file:
            yield csv.reader(file, strict=True)
    except (csv.Error, UnicodeDecodeError) as error:
        raise UsageError(f"'{table}' is not a UTF-8 CSV table: {error}; save it as one") from error
    except OSError as error:
        raise DbcError(f"cannot read '{table}': {error.strerror}; make it readable") from error


def _columns(table: Path, header: list[str]) -> list[str]:
    columns = [name.strip().lower() for name in header]
    found = ", ".join(name for name in columns if name) or "none"
    if "path" not in columns:
        raise UsageError(f"'{table}' has no column 'path' (columns found: {found}); name the column of image paths so")
    doubled = sorted({name for name in columns if name and columns.count(name) > 1})
    if doubled:
        raise UsageError(f"'{table}' has the column '{doubled[0]}' more than once; keep one")
    return columns


def _row(table: Path, columns: list[str], line: int, cells: list[str]) -> Row:
    if len(cells) > len(columns):
        raise UsageError(
            f"'{table}' line {line} has {len(cells)} cells under {len(columns)} columns; quote cells that hold a comma"
        )
    known = {column: cell.strip() for column, cell in zip(columns, cells, strict=False)}
    # a name may begin or end with a blank: the path is taken as written
    path = cells[columns.index("path")] if columns.index("path") < len(cells) else ""
    return Row(line=line, path=_relative(table, line, path), cells=known)


def _relative(table: Path, line: int, path: str) -> str:
    if not path or "\0" in path:
        raise UsageError(f"'{table}' line {line} has path {path!r}; give the path of an image")
    pure = PurePosixPath(path)
    folder = PurePosixPath(table.parent.absolute().as_posix())
    if pure.is_absolute() and pure.is_relative_to(folder):
        pure = pure.relative_to(folder)
    if pure.is_absolute() or ".." in pure.parts:
        raise UsageError(
            f"'{table}' line {line}: path {path!r} leaves the table's folder; give paths relative to it, below it"
        )
    return pure.as_posix()


def _check_paths(table: Path, rows: list[Row]) -> None:
    for before, row in itertools.pairwise(rows):
        if before.path == row.path:
            raise UsageError(
                f"'{table}' lists {row.path!r} in lines {min(before.line, row.line)} and {max(before.line, row.line)}; "
                "keep one"
            )
    missing = [row for row in rows if not (table.parent / row.path).is_file()]
    if missing:
        raise UsageError(
            f"'{table}' lists {len(missing)} of {len(rows)} files that do not exist, the first {missing[0].path!r} "
            f"(line {missing[0].line}); paths are relative to the table's folder"
        )


def _numbers(table: Path, rows: list[Row], column: str) -> Int32Array:
    """(n_rows) the numbers of `column`; in `pid` −1 and 0 keep their meaning beside names."""
    reserved = (UNKNOWN, -1, 0) if column == "pid" else (UNKNOWN,)
    cells = [row.cell(column) for row in rows]
    for row, cell in zip(rows, cells, strict=True):
        number = whole_number(cell)
        if number is not None and number < 0 and number not in reserved:
            raise UsageError(
                f"'{table}' line {row.line}: {column} {cell} is negative; give {column}s from 0 or leave it empty"
            )
    return np.asarray(whole_numbers_or_ranks(cells, reserved=reserved), dtype=np.int32)


def _splits(table: Path, rows: list[Row]) -> UInt8Array | None:
    """(n_rows) the split of each row, or None where the table gives none."""
    if not any(row.cell("split") for row in rows):
        return None
    for row in sorted(rows, key=lambda row: row.line):
        if row.cell("split") not in SPLIT_NAMES:
            raise UsageError(
                f"'{table}' line {row.line}: split {row.cell('split')!r} is not {', '.join(SPLIT_NAMES)}; "
                "correct it, or leave the whole column empty to have splits drawn"
            )
    return np.asarray([SPLIT_NAMES.index(row.cell("split")) for row in rows], dtype=np.uint8)


def _group(table: Path, rows: list[Row], split: UInt8Array | None, numbers: dict[str, Int32Array]) -> list[list[int]]:
    """The rows (indices) of each sample, frames in order; samples in order of their first path."""
    groups: dict[tuple[int, int], list[int]] = {}
    for i, tracklet in enumerate(numbers["tracklet"].tolist()):
        # no split is negative: the key of an image without tracklet is like no other
        key = (-1, i) if tracklet == UNKNOWN else (TRAIN if split is None else int(split[i]), tracklet)
        groups.setdefault(key, []).append(i)
    has_frames = any(row.cell("frame") for row in rows)
    for (kind, _), members in groups.items():
        if kind != -1:
            _check_agreement(table, rows, members, numbers)
            if has_frames:
                members.sort(key=lambda i: (_frame_number(table, rows[i]), i))
    return list(groups.values())


def _frame_number(table: Path, row: Row) -> int:
    number = whole_number(row.cell("frame"))
    if number is None:
        raise UsageError(f"'{table}' line {row.line}: frame {row.cell('frame')!r} is not a whole number; correct it")
    return number


def _check_agreement(table: Path, rows: list[Row], members: list[int], numbers: dict[str, Int32Array]) -> None:
    first = rows[members[0]]
    for column in ("pid", "camid"):
        for i in members:
            if numbers[column][i] != numbers[column][members[0]]:
                raise UsageError(
                    f"'{table}' line {rows[i].line}: {column} {rows[i].cell(column)!r} in tracklet "
                    f"{rows[i].cell('tracklet')!r}, whose line {first.line} has {first.cell(column)!r}; "
                    "give each tracklet a name of its own"
                )
