"""The table that MatchyPatchy imports, to look at individuals and correct them by hand."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from stages.export.formats.format import ExportFormat, IngestedSource, Layout, counts
from stages.export.members import Member, told_samples
from stages.export.tables import csv_text
from stages.ingest.decode.pixels import is_video


def layout(rows: Sequence[Member], source: IngestedSource) -> Layout:
    """One table, a row a box: boxes in shares of the picture, paths absolute, frames of videos from 0.

    A picture without a time has that of its EXIF. MatchyPatchy takes all empty individuals for one, so each track or box that
    is in no cluster gets a number that no individual had before, and it is said.
    """
    timed, notes = source.with_times(rows)
    alone = [row for row in rows if row.individual is None]
    own: dict[int, int] = {}
    columns: dict[str, list[Any]] = {name: [] for name in _COLUMNS}
    encounters = {name: number for number, name in enumerate(sorted({row.encounter or "" for row in rows}), start=1)}
    for place, row in enumerate(timed):
        number = row.individual
        if number is None:
            sample = -1 - place if row.track is None else row.track
            number = own.setdefault(sample, source.largest_number + len(own) + 1)
        cells = (
            source.pictures.file(row.path).as_posix(),
            row.timestamp,
            row.camera or "unknown",
            encounters[row.encounter] if row.encounter else None,
            row.frame if is_video(row.path) else 1,
            *source.shares(row),
            row.view,
            number,
        )
        for column, cell in zip(columns.values(), cells, strict=True):
            column.append(cell)
    if not any(columns["sequence_id"]):
        del columns["sequence_id"]
    notes += counts(
        (told_samples(alone) if alone else 0, "boxes or tracks that are in no cluster, under numbers of their own"),
        (columns["timestamp"].count(None), "MatchyPatchy wants a time for each picture; boxes without one"),
    )
    return Layout({"": csv_text(columns)}, notes)


_COLUMNS = (
    *("filepath", "timestamp", "station", "sequence_id", "frame_number"),
    *("bbox_x", "bbox_y", "bbox_w", "bbox_h", "viewpoint", "individual"),
)
FORMAT = ExportFormat(name="matchypatchy", suffix=".csv", layout=layout)
