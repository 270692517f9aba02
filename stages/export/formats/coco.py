"""COCO with individuals: boxes in pixels, `individual_ids` and `name` of each, and what COCO Camera Traps says of pictures."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from stages.export.formats.format import ExportFormat, IngestedSource, Layout, category_of, in_order
from stages.export.members import Member


def layout(rows: Sequence[Member], source: IngestedSource) -> Layout:
    """One JSON object: images, or frames of videos, in order of path and frame; an annotation for each box.

    `individual_ids` has the number of the individual, `name` its title; boxes that are in no cluster have neither.
    """
    images: dict[tuple[str, int | None], dict[str, Any]] = {}
    annotations = []
    category = {name: place for place, name in enumerate(sorted(set(map(category_of, rows))), start=1)}
    for number, row in enumerate(in_order(rows), start=1):
        image = images.setdefault((row.path, row.frame), _image(row, source, number=len(images) + 1))
        annotations.append(
            _annotation(row, source, number=number, image=image["id"], category=category[category_of(row)])
        )
    content = {
        "info": {"description": "Individuals found by dbc-reid"},
        "images": list(images.values()),
        "annotations": annotations,
        "categories": [{"id": number, "name": name} for name, number in category.items()],
    }
    return Layout({"": json.dumps(content, indent=1, ensure_ascii=False) + "\n"})


def _image(row: Member, source: IngestedSource, *, number: int) -> dict[str, Any]:
    width, height = source.size(row.path)
    said = {"frame_num": row.frame, "location": row.camera, "seq_id": row.encounter, "datetime": row.timestamp}
    return {"id": number, "file_name": source.place(row.path), "width": width, "height": height, **_known(said)}


def _annotation(row: Member, source: IngestedSource, *, number: int, image: int, category: int) -> dict[str, Any]:
    box = source.box_within(row)
    found = {
        "id": number,
        "image_id": image,
        "category_id": category,
        "bbox": list(box),
        "area": box[2] * box[3],
        "iscrowd": 0,
    }
    if row.individual is not None:
        found |= {"individual_ids": [row.individual], "name": row.title}
    return found | _known({"viewpoint": row.view, "score": row.score, "track_id": row.track})


def _known(said: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in said.items() if value is not None}


FORMAT = ExportFormat(name="coco", suffix=".json", layout=layout)
