"""A CSV table that names the images and says what is known of each."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import numpy as np

from schemas.parameters import ANY_CATEGORY, IngestParameters
from stages.errors import UsageError
from stages.ingest.decode.pixels import is_video
from stages.ingest.formats.csv_file import DELIMITERS, CsvFile, read_csv_file
from stages.ingest.formats.detection import MARKS, Detection
from stages.ingest.formats.detections import samples_of
from stages.ingest.formats.find_table import find_table
from stages.ingest.formats.format import BOXES, NAMING, Findings, Format
from stages.ingest.formats.names import has_minus_one, twins_note
from stages.ingest.formats.path_patterns import texts_in
from stages.ingest.formats.programs import with_program
from stages.ingest.formats.table_cells import (
    CLOCK,
    CORNERS,
    DETAILS,
    NAMES,
    SIDES,
    SIZE,
    TRACKS,
    table_rows,
    with_clock,
    with_points,
    with_tracks,
)
from stages.ingest.formats.whole_pictures import each_picture_once
from stages.samples import Samples
from stages.wording import counted, shown

COLUMNS = ("path", *NAMES, "split", "frame", *MARKS, *DETAILS)
_MOST_OF_BOX = 3
"""Columns with names of a box that are there for no other reason; two may be a position, or the size of the picture."""
SEVERAL = 4
"""Tracklets of one camera that hardly begin at the same moment by chance."""
SYNONYMS = {
    "pid": ("identity",),
    "camid": ("camera", "station"),
    "timestamp": ("datetime",),
    "view": ("flank", "viewpoint", "orientation"),
}
"""Other names of columns; the first of them counts if the column itself is not there."""

_SPECIES = frozenset({"species", "scientificname", "commonname"})


def read_table(source: Path, root: Path, parameters: IngestParameters, findings: Findings) -> Samples:
    """The samples of a table with a column `path` and, if known, the others of `COLUMNS` and a box (`SIDES`, `CORNERS`).

    `source` is the table, or the folder that holds it. Paths are relative to `root`. pid, camid and tracklet are texts,
    numbered as `numbers_of` says: 0 and −1 are names like any other. Rows with 1 in a column `junk` or `distractor` are
    those, whatever their pid. One of `SYNONYMS` stands for a missing column, which is told. Rows of one split with the same
    tracklet are the frames of one sample, in order of `frame` or else of path. Without splits they are drawn by identity
    (`assign_splits`). Other columns are ignored and reported. Samples are sorted by their first path, so the order of the
    rows does not matter. Rows of boxes, and of videos, are read as `samples_of` says.
    """
    names, file = (*COLUMNS, *itertools.chain(*SIDES, *CORNERS), *TRACKS, *CLOCK), find_table(source, findings)
    table = read_csv_file(file, columns=names, synonyms=SYNONYMS, root=root, programs=True)
    findings.warnings += table.short
    table = with_clock(table, "timestamp", findings)
    table = with_program(table, root, parameters, findings)
    table = with_points(table, findings)
    box = next((box for box in (*SIDES, *CORNERS) if all(name in table.cells for name in box)), None)
    used = {*(box or ()), *(SIZE if box in CORNERS else ())}
    rest = [name for name in itertools.chain(*SIDES, *CORNERS) if name in table.cells and name not in used]
    if box is None and len(rest) >= _MOST_OF_BOX:
        raise UsageError(
            f"{shown(table.file)} has the columns {', '.join(rest)}, which are no whole box; name those of a box "
            f"{', '.join(SIDES[0])} or {', '.join(CORNERS[0])}, or call these otherwise"
        )
    if parameters.category != ANY_CATEGORY and "category" not in table.cells:
        raise UsageError(
            f"{shown(table.file)} has no column category, which `category` chooses by; leave it out, or name the column "
            f"of categories so{_as_category(table)}"
        )
    paths = table.cells["path"]
    has_boxes = box is not None or any(map(is_video, paths))
    if has_boxes and not table.cells.keys().isdisjoint(TRACKS):
        table = with_tracks(_named(table, root, parameters, findings), findings)
    rest += [name for name in TRACKS if name in table.cells]
    table = replace(table, ignored=(*table.ignored, *rest))
    _report_columns(table, findings)
    own_place = [table.file.name] if root == table.file.parent else []
    rows: Iterable[Detection] = table_rows(table, box, findings)
    if table.program is not None and not has_boxes:
        left_out = Counter[str]()
        rows = each_picture_once(rows, left_out, parameters)
        findings.notes += [f"rows left out: {counted(left_out)}"] if left_out else []
    samples = samples_of(
        rows,
        source=table.file,
        root=root,
        parameters=parameters,
        findings=findings,
        listed=None if has_boxes else {*paths, *table.empty, *own_place},
    )
    _tell_names(samples, table, parameters, findings)
    return samples if has_boxes else _without_own_frames(samples, table, findings)


def _tell_names(samples: Samples, table: CsvFile, parameters: IngestParameters, findings: Findings) -> None:
    """Add columns without any name to `findings`, and names that may be meant otherwise than they are read."""
    for column in NAMES:
        if column in table.cells and (column != "pid" or parameters.folder_identities is not False):
            findings.missing.setdefault(column, len(samples.path))
    twins = twins_note(set(samples.path), kind="names of path")
    findings.warnings += [twins] if twins else []
    if has_minus_one(samples.identity) and "junk" not in table.cells:
        findings.warnings.append(
            f"{shown(table.file)}: pid -1 is an identity like any other; if it is junk, say so by 1 in a column junk "
            "(and by 1 in a column distractor for images of nobody)"
        )


def _named(table: CsvFile, root: Path, parameters: IngestParameters, findings: Findings) -> CsvFile:
    """The table with identities and cameras as the parameters say."""
    cells = dict(table.cells)
    if parameters.folder_identities is False:
        cells.pop("pid", None)
    for column, kind in (("pid", "identity"), ("camid", "camera")):
        if getattr(parameters, f"{kind}_pattern") is not None:
            cells[column] = texts_in(cells["path"], kind, root=root, parameters=parameters, findings=findings)
    return replace(table, cells=cells)


def _without_own_frames(samples: Samples, table: CsvFile, findings: Findings) -> Samples:
    """The samples, without numbers of frames if all tracklets begin with one number, and one camera's folder has `SEVERAL`."""
    starts, numbers = samples.frame_start[:-1], samples.frame_number
    if not len(numbers):
        return samples
    numbered = np.flatnonzero((np.diff(samples.frame_start) > 1) & (numbers[starts] >= 0)).tolist()
    begins = {int(numbers[starts[sample]]) for sample in numbered}
    places = Counter((samples.camid[each], samples.path[starts[each]].rpartition("/")[0]) for each in numbered)
    if len(begins) != 1 or max(places.values()) < SEVERAL:
        return samples
    findings.warnings.append(
        f"{shown(table.file)}: every tracklet begins with frame {begins.pop()}, so frames are taken to count within each, "
        "and do not say which tracklets were seen at one time"
    )
    return replace(samples, frame_number=np.zeros(0, dtype=np.int64))


def _report_columns(table: CsvFile, findings: Findings) -> None:
    """Add to `findings` what separates the columns, and which are ignored."""
    if table.delimiter != ",":
        findings.notes.append(f"{shown(table.file)} is separated by {DELIMITERS[table.delimiter]}")
    if table.ignored:
        ignored = ", ".join(shown(name) for name in table.ignored)
        known = ", ".join(name for name in (*COLUMNS, *SIDES[0]) if name not in table.ignored)
        track = next((name for name in TRACKS if name in table.ignored and "tracklet" not in table.cells), None)
        advice = (
            f"; rename {track} to tracklet, as camA/7, if images of one name are frames of one animal" if track else ""
        )
        advice += _as_category(table)
        findings.warnings.append(f"{shown(table.file)}: ignoring the columns {ignored}; known are {known}{advice}")


def _as_category(table: CsvFile) -> str:
    """Advice on an ignored column of species, as the end of a sentence; empty if there is none."""
    name = next((name for name in table.ignored if name.casefold().replace("_", "") in _SPECIES), None)
    return "" if name is None or "category" in table.cells else f"; rename {shown(name)} to category to choose by it"


FORMAT = Format(
    name="csv",
    description="A table with the column path and, if known, pid, camid, tracklet, frame, split, boxes and more.",
    read_table=read_table,
    options=NAMING | BOXES,
)
