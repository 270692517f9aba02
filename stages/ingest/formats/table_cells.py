"""What the cells of a table say: numbers, splits, and boxes as rows."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from stages.errors import UsageError
from stages.ingest.decode.pixels import is_video
from stages.ingest.formats.boxes_file import NO_TRACK
from stages.ingest.formats.csv_file import CsvFile
from stages.ingest.formats.detection import MARKS, Detection
from stages.ingest.formats.format import Findings
from stages.ingest.formats.names import is_missing
from stages.ingest.formats.numbers import frame_of, number_of, number_or_nan, score_of, size_of
from stages.ingest.formats.times import clocks, is_day, iso_time, joined
from stages.runs.source_names import BOX
from stages.samples import GALLERY, SPLIT_NAMES
from stages.wording import plain, shown, with_first

CORNERS = (("xmin", "ymin", "xmax", "ymax"), ("x1", "y1", "x2", "y2"))
"""Names of columns for the left, top, right and bottom of a box."""
SIDES = (BOX, ("x", "y", "w", "h"))
"""Names of columns for the left, top, width and height of a box."""
SIZE = ("width", "height")
"""Beside `CORNERS`, columns of the size of the picture that boxes are of, unless all are the boxes' own."""
NAMES = {"pid": 1, "camid": 0, "tracklet": 0}
"""The columns of names, each with the smallest number that may stand for itself."""
TRACKS = ("track_id", "track")
"""Columns of boxes that a tracker numbers, which are tracklets if there is no such column."""
_YES, _NO = frozenset({"1", "1.0", "true", "yes"}), frozenset({"0", "0.0", "false", "no"})
_THOUSANDS = re.compile("[+-]?[1-9][0-9]{0,2},[0-9]{3}")
CLOCK = ("date", "time")
"""Columns of times that are in two."""
DETAILS = ("timestamp", "score", "category", "encounter", "view")


def with_points(table: CsvFile, findings: Findings) -> CsvFile:
    """The table with points for decimal commas in scores and boxes, which is told; as it is if commas separate its columns.

    A column is taken if all its cells are numbers so, and none has a point. If each might be thousands (`1,234`), none is.
    """
    found = {}
    for name in ("score", *itertools.chain(*SIDES, *CORNERS)) if table.delimiter != "," else ():
        cells = table.column(name)
        numbers = [cell.replace(",", ".", 1) for cell in cells]
        are_numbers = all(is_missing(cell) or number_of(cell) is not None for cell in numbers)
        if numbers != cells and are_numbers and not any("." in cell for cell in cells):
            found[name] = numbers
    commas = [cell for name in found for cell in table.cells[name] if "," in cell]
    if all(map(_THOUSANDS.fullmatch, commas)):
        return table
    findings.notes.append(f"{shown(table.file)}: commas in {', '.join(found)} are taken for decimal points")
    return replace(table, cells={**table.cells, **found})


def with_clock(table: CsvFile, column: str, findings: Findings) -> CsvFile:
    """The table with days and a column `time` joined in `column`, which is told; a date and time of no use are not read.

    Days are in that column or, if there is none, in `date`.
    """
    days = column if column in table.cells else "date"
    texts, used = table.cells.get(column), {column}
    if "time" in table.cells and days in table.cells:
        dates, times = table.cells[days], table.cells["time"]
        found = clocks(times)
        texts = list(map(joined, dates, found))
        is_joined, name = texts != dates, plain(table.read_as.get(days, days))
        used = {days, "time"} if is_joined else {days}
        if is_joined:
            findings.notes.append(f"{shown(table.file)}: the columns {name} and time are joined to a time")
        elif days != column:
            findings.notes.append(f"{shown(table.file)}: the column {name} is read as {column}")
        rows = zip(dates, times, found, strict=True)
        unread = [time for day, time, clock in rows if not (clock or is_missing(time)) and is_day(iso_time(day))]
        if unread:
            findings.warnings.append(
                f"{shown(table.file)}: cells of the column time not written as 07:15:00, of which the day alone is known: "
                f"{with_first(unread)}"
            )
    cells = {name: cells for name, cells in table.cells.items() if name not in CLOCK} | (
        {column: texts} if texts else {}
    )
    return replace(
        table, cells=cells, ignored=(*table.ignored, *(name for name in CLOCK if name in table.cells.keys() - used))
    )


def table_rows(table: CsvFile, box: tuple[str, ...] | None, findings: Findings) -> Iterator[Detection]:
    """The rows of a table, each a box (columns `box`) or, if those cells are empty, a whole picture or frame."""
    given = _boxes(table, box)
    is_relative = bool(given) and max(max(map(abs, each)) for each in given.values()) <= 1
    if is_relative:
        findings.notes.append(f"boxes are shares of their pictures: no number of {', '.join(box or ())} exceeds 1")
    columns = {name: table.column(name) for name in ("path", *NAMES, "frame", "split", *MARKS, *DETAILS)}
    has_size = not is_relative and box in CORNERS and set(SIZE) <= set(table.cells)
    sizes = list(itertools.starmap(size_of, zip(*map(table.column, SIZE), strict=True))) if has_size else []
    if _are_of_boxes(sizes, given):
        sizes = []
        findings.notes.append(
            "width and height are those of the boxes in all rows, and not taken for those of pictures"
        )
    file = shown(table.file)
    for row, (path, size) in enumerate(itertools.zip_longest(columns["path"], sizes)):
        frame, origin = columns["frame"][row], f"{file} line {table.line[row]}"
        if is_missing(frame) and is_video(path):
            raise UsageError(f"{origin}: {shown(path)} is a video and no frame is named; say which, from 0, in frame")
        split = _split(columns["split"][row], origin)
        marks = [mark for mark in MARKS if mark in table.cells and _is_marked(columns[mark][row], mark, origin)]
        if len(marks) > 1 or (marks and split not in (None, GALLERY)):
            raise UsageError(f"{origin}: {marks[-1]} belongs in the gallery and is one thing alone; mend it")
        yield Detection(
            path,
            origin,
            given.get(row),
            is_relative=is_relative,
            frame=frame_of(frame, origin),
            score=score_of(columns["score"][row], origin),
            category=columns["category"][row],
            identity=columns["pid"][row],
            camera=columns["camid"][row],
            tracklet=columns["tracklet"][row],
            timestamp=columns["timestamp"][row],
            encounter=columns["encounter"][row],
            view=columns["view"][row],
            split=split,
            mark="".join(marks),
            size=size,
        )


def with_tracks(table: CsvFile, findings: Findings) -> CsvFile:
    """The table of boxes with the first of `TRACKS` as tracklets, each of one camera and folder or video; −1 is no track.

    It is told. The table stays as it is if it has tracklets, or if a track would have two identities, boxes of one frame, or
    cameras or frames of some boxes alone.
    """
    name = next((name for name in TRACKS if name in table.cells), None)
    if name is None or "tracklet" in table.cells:
        return table
    tracklets: list[str] = []
    seen = set()
    told_of: dict[str, tuple[object, ...]] = {}
    columns = map(table.column, ("path", name, "camid", "frame", "pid", "split"))
    for path, track, camera, frame, *identity in zip(*columns, strict=True):
        place = path if is_video(path) else path.rpartition("/")[0]
        parts = ["" if is_missing(camera) or camera in place.split("/") else camera, place, track]
        is_none = is_missing(track) or number_of(track) == NO_TRACK
        tracklets.append("" if is_none else "/".join(filter(None, parts)))
        box = (tracklets[-1], path if is_missing(frame) else frame)
        told = (is_missing(camera), is_missing(frame), *identity)
        if not is_none and (box in seen or told_of.setdefault(tracklets[-1], told) != told):
            return table
        seen.add(box)
    findings.warnings.append(
        f"{shown(table.file)}: boxes with one {name} in one camera and folder or video are taken for frames of one animal, "
        "which no merge parts again; give the column another name if it says something else"
    )
    others = {other: cells for other, cells in table.cells.items() if other != name}
    return replace(table, cells={**others, "tracklet": tracklets})


def _are_of_boxes(
    sizes: Sequence[tuple[float, float] | None], boxes: Mapping[int, tuple[float, float, float, float]]
) -> bool:
    """Whether all `sizes` of rows with a box, and there are some, are those of the box, as near as a pixel."""
    both = [(size, boxes[row]) for row, size in enumerate(sizes) if size is not None and row in boxes]
    return bool(both) and all(max(abs(wide - box[2]), abs(high - box[3])) <= 1 for (wide, high), box in both)


def _boxes(table: CsvFile, box: tuple[str, ...] | None) -> dict[int, tuple[float, float, float, float]]:
    """Left, top, width and height in each row that has them, in whatever unit."""
    found = {}
    for row, cells in enumerate(zip(*(table.cells[name] for name in box or ()), strict=True)):
        if all(map(is_missing, cells)):
            continue
        first, second, third, fourth = (
            number_or_nan(cell, table.at(row), name=name) for name, cell in zip(box or (), cells, strict=True)
        )
        found[row] = (first, second, third, fourth) if box in SIDES else (first, second, third - first, fourth - second)
    return found


def _split(cell: str, origin: str) -> int | None:
    """The split that a cell names, None if it is missing."""
    if is_missing(cell):
        return None
    if cell.casefold() not in SPLIT_NAMES:
        raise UsageError(
            f"{origin}: split {shown(cell)} is not {', '.join(SPLIT_NAMES)}; correct it, or leave the whole column empty to "
            "have splits drawn"
        )
    return SPLIT_NAMES.index(cell.casefold())


def _is_marked(cell: str, mark: str, origin: str) -> bool:
    """Whether a cell of the column `mark` says yes."""
    word = cell.casefold()
    if word not in _YES and word not in _NO and not is_missing(cell):
        raise UsageError(f"{origin}: {mark} {shown(cell)} is not 1 or 0; correct it")
    return word in _YES
