"""MegaDetector's results with an individual as the class of each box, as Timelapse and AddaxAI show classes."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Any

from stages.export.formats.format import ANIMAL, ExportFormat, IngestedSource, Layout, category_of, counts, in_order
from stages.export.members import Member
from stages.ingest.decode.pixels import is_video
from stages.ingest.formats.megadetector import OWN_CLASSIFIER

_USUAL = (ANIMAL, "person", "vehicle")
"""The categories of MegaDetector, numbered from 1; others come after them."""


def layout(rows: Sequence[Member], source: IngestedSource) -> Layout:
    """One object in format version 1.4 (lila.science/megadetector-output-format), files in order of path.

    Boxes are in shares of the picture. The first and only class of a box is its individual; boxes in no cluster have none. A
    box whose score is not known has confidence 1.
    """
    titles = {row.individual: row.title for row in rows if row.individual is not None}
    there = set(map(category_of, rows))
    numbers = {name: str(n) for n, name in enumerate((*_USUAL, *sorted(there.difference(_USUAL))), start=1)}
    images = [
        {
            "file": source.place(path),
            **_about(path, own := list(group)),
            "detections": [_detection(row, source, numbers) for row in own],
        }
        for path, group in groupby(in_order(rows), key=lambda row: row.path)
    ]
    content = {
        "info": {"format_version": "1.4", "classifier": OWN_CLASSIFIER},
        "detection_categories": {number: name for name, number in numbers.items() if name in there},
        "classification_categories": {str(number): f"individual {titles[number]}" for number in sorted(titles)},
        "images": images,
    }
    told = f"the file holds the pictures with boxes that were ingested, {len(images)}; empty ones and failures are not in it"
    unsure = counts((sum(row.score is None for row in rows), "boxes whose score is not known have confidence 1"))
    return Layout({"": json.dumps(content, indent=1, ensure_ascii=False) + "\n"}, (told, *unsure))


def _about(path: str, rows: Sequence[Member]) -> dict[str, Any]:
    time = next((row.timestamp for row in rows if row.timestamp), None)
    frames = {"frames_processed": sorted({row.frame or 0 for row in rows})} if is_video(path) else {}
    return {**({"datetime": time} if time else {}), **frames}


def _detection(row: Member, source: IngestedSource, numbers: Mapping[str, str]) -> dict[str, Any]:
    found: dict[str, Any] = {
        "category": numbers[category_of(row)],
        "conf": 1 if row.score is None else row.score,
        "bbox": [round(share, 6) for share in source.shares(row)],
    }
    if row.frame is not None:
        found["frame_number"] = row.frame
    if row.individual is not None:
        found["classifications"] = [[str(row.individual), 1]]
    return found


FORMAT = ExportFormat(name="megadetector", suffix=".json", layout=layout)
