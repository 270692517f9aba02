"""LabelMe: a JSON file of shapes for each picture, as LabelMe and X-AnyLabeling write it.

A sample is the box around a shape. `label` is the category; shapes of one label and one `group_id` in a picture are parts of
one, and have one box. Points, lines, circles and what is labelled `__ignore__` are counted and left out.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

from stages.errors import UsageError
from stages.ingest.formats.detection import Detection
from stages.ingest.formats.format import BOXES, NAMING, Format
from stages.ingest.formats.json_file import load_json
from stages.ingest.formats.numbers import number_of, score_of, size_of, text_of
from stages.ingest.formats.picture_files import Annotated, Kind, box_attributes
from stages.wording import shown

_AREAS = frozenset({"rectangle", "polygon", "mask", "oriented_rectangle", "rotation"})
"""Shapes whose points have the box around them that the shape has. A circle's are its centre and a point of it."""

_IGNORED = "__ignore__"


def _read(file: Path, left_out: Counter[str], told: Counter[str]) -> Annotated | None:
    content = load_json(file)
    if not isinstance(content, dict) or not isinstance(content.get("shapes"), list) or "imagePath" not in content:
        return None
    size = size_of(content.get("imageWidth"), content.get("imageHeight"))
    boxes: dict[tuple[str, str], Detection] = {}
    for number, shape in enumerate(content["shapes"], start=1):
        origin = f"{shown(file)} shape {number}"
        if not isinstance(shape, dict):
            raise UsageError(f"{origin} is no object with label and points; write the file anew")
        kind, label, group = (
            text_of(shape.get(name), origin, name=name) for name in ("shape_type", "label", "group_id")
        )
        if label == _IGNORED or (kind and kind not in _AREAS):
            left_out[f"labelled {label}" if label == _IGNORED else f"that are of the shape {kind}"] += 1
            continue
        key = (label, f"group {group}" if group else str(number))
        corners = _corners(shape.get("points"), origin)
        if (before := boxes.get(key)) is not None and before.box is not None:
            left, top, width, height = before.box
            corners += [(left, top), (left + width, top + height)]
            told["shapes that are one with an earlier one of their label and group_id"] += 1
        low, high = ([*map(choose, zip(*corners, strict=True))] for choose in (min, max))
        attributes = shape.get("attributes")
        fields = box_attributes(attributes, origin) if isinstance(attributes, dict) else {}
        row = Detection("", origin, category=label, score=score_of(shape.get("score"), origin), size=size, **fields)
        boxes[key] = (before or row)._replace(box=(low[0], low[1], high[0] - low[0], high[1] - low[1]))
    return Annotated(text_of(content["imagePath"], shown(file), name="imagePath"), list(boxes.values()))


def _corners(points: Any, origin: str) -> list[tuple[float, float]]:
    """The points of a shape, x and y in pixels; UsageError unless there are two or more."""
    corners = []
    for point in points if isinstance(points, list) else ():
        x, y = map(number_of, point) if isinstance(point, list) and len(point) == 2 else (None, None)
        if x is None or y is None:
            raise UsageError(f"{origin}: point {shown(str(point)[:60])} is not [x, y] in pixels; correct it")
        corners.append((x, y))
    if len(corners) < 2:
        raise UsageError(f"{origin} has {len(corners)} points, expected two or more; draw it anew, or take it out")
    return corners


KIND = Kind("LabelMe", ".json", (rb'"shapes"\s*:\s*\[', rb'"imagePath"\s*:'), _read)
FORMAT = Format(
    name="labelme",
    description="LabelMe: NAME.json beside NAME.jpg, with the shapes in it; X-AnyLabeling's, too.",
    read_table=KIND.read,
    recognise=KIND.recognise,
    options=NAMING | BOXES,
)
