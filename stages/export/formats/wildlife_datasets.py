"""The table that wildlife-datasets reads: a row a box with its individual as the identity."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from stages.export.formats.format import ExportFormat, IngestedSource, Layout, in_order, refuse_videos
from stages.export.members import Member
from stages.export.tables import csv_text


def layout(rows: Sequence[Member], source: IngestedSource) -> Layout:
    """One table in order of path and box: `unknown` is the identity of boxes that are in no cluster. UsageError for videos."""
    refuse_videos(rows, "wildlife-datasets")
    ordered = in_order(rows)
    columns: dict[str, list[Any]] = {
        "image_id": list(range(1, len(ordered) + 1)),
        "identity": ["unknown" if row.individual is None else row.title for row in ordered],
        "path": [source.place(row.path) for row in ordered],
        "bbox": [None if row.box is None else str(list(row.box)) for row in ordered],
        "date": [row.timestamp for row in ordered],
        "orientation": [row.view for row in ordered],
        "camera": [row.camera for row in ordered],
        "encounter": [row.encounter for row in ordered],
    }
    needed = ("image_id", "identity", "path")
    known = {name: cells for name, cells in columns.items() if name in needed or any(cells)}
    return Layout({"": csv_text(known)})


FORMAT = ExportFormat(name="wildlife-datasets", suffix=".csv", layout=layout)
