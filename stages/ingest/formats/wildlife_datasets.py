"""The table of the package wildlife-datasets: image_id, identity, path and, if known, bbox, date, orientation and more."""

from __future__ import annotations

import re
from collections.abc import Collection
from pathlib import Path

from schemas.parameters import IngestParameters
from stages.errors import DbcError, UsageError
from stages.ingest.formats.csv_file import read_csv_file, read_header
from stages.ingest.formats.detection import Detection
from stages.ingest.formats.detections import samples_of
from stages.ingest.formats.find_table import find_table
from stages.ingest.formats.format import NAMING, Findings, Format
from stages.ingest.formats.names import is_missing
from stages.ingest.formats.numbers import box_of
from stages.ingest.formats.path_patterns import said_by_patterns
from stages.ingest.formats.table_cells import CORNERS, SIDES, with_clock
from stages.samples import Samples
from stages.wording import plain, shown

UNKNOWN_NAME = "unknown"
"""What the package calls an individual that is not known."""
COLUMNS = ("path", "identity", "image_id", "bbox", "date", "orientation", "camera", "encounter")
SYNONYMS = {
    # orientation was called position before
    "orientation": ("position", "view", "flank", "viewpoint"),
    "encounter": ("encounter_id",),
    "camera": ("camid", "station"),
    "date": ("timestamp", "datetime"),
}
"""Other names of columns; the first of them counts if the column itself is not there."""
OWN_OF_CSV = ("tracklet", "split", "frame", "junk", "distractor", "score", "category")
"""Columns beside boxes that the format `csv` reads and this one does not."""
_BRACKETS = re.compile(r"[\[\](),;\s]+")


def read_wildlife_datasets(source: Path, root: Path, parameters: IngestParameters, findings: Findings) -> Samples:
    """The rows of a table with the columns path and identity; `source` is the table or the folder that holds it.

    `bbox` is [left, top, width, height] in pixels, `date` the time, `orientation` the view, `camera` and `encounter` as they
    say; one of `SYNONYMS` stands for a missing column, which is told. The identity 'unknown' is none. Other columns are named
    and not read. UsageError names the line of what is wrong.
    """
    table = read_csv_file(find_table(source, findings), columns=(*COLUMNS, "time"), synonyms=SYNONYMS, root=root)
    findings.warnings += table.short
    findings.notes += table.told_names(said_by_patterns(parameters))
    table = with_clock(table, "date", findings)
    if "identity" not in table.cells:
        raise UsageError(f"{shown(table.file)} has no column 'identity'; name the column of individuals so")
    if table.ignored:
        findings.notes.append(f"{shown(table.file)}: columns not read: {', '.join(map(shown, table.ignored))}")
    if by_csv := read_by_csv(table.ignored):
        findings.warnings.append(
            f"{shown(table.file)}: {', '.join(map(shown, by_csv))} would be read with `format='csv'`, but not bbox and date"
        )
    wanted = ("path", "identity", "bbox", "date", "orientation", "camera", "encounter")
    columns = [table.column(name) for name in wanted]
    found = [
        Detection(
            path=path,
            origin=table.at(row),
            box=_box(box, table.at(row)),
            timestamp=date,
            identity="" if identity.casefold() == UNKNOWN_NAME else identity,
            camera=camera,
            encounter=sighting,
            view=view,
        )
        for row, (path, identity, box, date, view, camera, sighting) in enumerate(zip(*columns, strict=True))
    ]
    return samples_of(found, source=table.file, root=root, parameters=parameters, findings=findings)


def why_wildlife_datasets(source: Path) -> str | None:
    """One line if `source` is a table with the columns path and identity, or a folder with one such table; else None."""
    try:
        file = find_table(source)
        names = read_header(file)
    except (DbcError, OSError):
        return None
    if "identity" not in names or "pid" in names or is_better_as_csv(names):
        return None
    return f"{plain(file.name)} has the columns path and identity"


def read_by_csv(names: Collection[str]) -> list[str]:
    """The columns among `names` that the format `csv` reads and this one does not. Boxes count only if complete."""
    boxes = {name for box in (*SIDES, *CORNERS) if set(box) <= set(names) for name in box}
    return [name for name in names if name in boxes or name in OWN_OF_CSV]


def is_better_as_csv(names: Collection[str]) -> bool:
    """Whether a table with the columns `names` would lose boxes or others of `read_by_csv`, and has no mark of this format.

    A column `bbox` is such a mark, and without columns of boxes `image_id`, `date` and `orientation` are.
    """
    by_csv = set(read_by_csv(names))
    marks = {"bbox"} if by_csv - set(OWN_OF_CSV) else {"bbox", "image_id", "date", "orientation"}
    return bool(by_csv) and not marks & set(names)


def _box(text: str, origin: str) -> tuple[float, float, float, float] | None:
    """The numbers of `[1, 2, 3, 4]`, as pandas and NumPy write lists; None for a missing one."""
    cells = None if is_missing(text) else _BRACKETS.sub(" ", text).split()
    return box_of(cells, origin, name="bbox", meaning="[left, top, width, height] in pixels")


FORMAT = Format(
    name="wildlife-datasets",
    description="The table of wildlife-datasets: path, identity and, if known, bbox, date, orientation, camera, encounter.",
    read_table=read_wildlife_datasets,
    recognise=why_wildlife_datasets,
    options=NAMING | {"pad"},
)
