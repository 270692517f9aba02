"""Pascal VOC: an XML file of boxes for each picture, as LabelImg, CVAT, Label Studio and Roboflow write it.

Corners are taken as they are, in pixels from 0, as those programs write them. `name` is the category, `pose` the view; of
`attributes` of CVAT individual, track_id and view are taken, and score or confidence wherever it stands.
"""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path
from xml.etree import ElementTree

from stages.errors import DbcError, UsageError
from stages.ingest.formats.detection import Detection
from stages.ingest.formats.format import BOXES, NAMING, Format
from stages.ingest.formats.numbers import box_of, number_of, score_of, size_of
from stages.ingest.formats.picture_files import Annotated, Kind, box_attributes
from stages.plain_files import plain_file
from stages.wording import plain, shown

_CORNERS = ("xmin", "ymin", "xmax", "ymax")
_LARGEST = 16 << 20
"""Bytes of a file: ten thousand boxes have a quarter of them."""
_DECLARATION = re.compile(rb"<!\s*(DOCTYPE|ENTITY)", re.IGNORECASE)
_NO_POSE = "unspecified"


def _read(file: Path, left_out: Counter[str], told: Counter[str]) -> Annotated | None:  # noqa: ARG001
    tree = _tree(file)
    if tree.tag != "annotation":
        return None
    size = size_of(_text(tree, "size/width"), _text(tree, "size/height"))
    boxes = []
    for number, each in enumerate(tree.iterfind("object"), start=1):
        origin = f"{shown(file)} object {number}"
        corners = [each.findtext(f"bndbox/{name}") for name in _CORNERS]
        found = box_of(corners, origin, name="bndbox", meaning=f"{', '.join(_CORNERS)} in pixels")
        if found is None:
            raise UsageError(f"{origin} has no bndbox with {', '.join(_CORNERS)}; draw its box anew, or take it out")
        left, top, right, bottom = found
        said = {
            _text(attribute, "name"): _text(attribute, "value") for attribute in each.iterfind("attributes/attribute")
        }
        pose = _text(each, "pose")
        scores = (_text(each, "score"), _text(each, "confidence"), said.get("score"), said.get("confidence"))
        told["boxes marked as difficult, taken like the others"] += _text(each, "difficult") not in ("", "0")
        told["boxes that are turned, taken as they are before the turn"] += bool(number_of(said.get("rotation")))
        fields = {"view": "" if pose.casefold() == _NO_POSE else pose, **box_attributes(said, origin)}
        boxes.append(
            Detection(
                path="",
                origin=origin,
                box=(left, top, right - left, bottom - top),
                score=score_of(next(filter(None, scores), None), origin),
                category=_text(each, "name"),
                size=size,
                **fields,
            )
        )
    return Annotated(_text(tree, "filename"), boxes)


def _tree(file: Path) -> ElementTree.Element:
    """The XML in `file`, which may declare no entities: they could grow without end, or name other files."""
    try:
        with open(file, "rb", opener=plain_file) as opened:
            content = opened.read(_LARGEST + 1)
        if len(content) > _LARGEST:
            raise UsageError(
                f"{shown(file)} has more than {_LARGEST >> 20} MiB, and no file of one picture has; take it out"
            )
        if _DECLARATION.search(content.replace(b"\0", b"")):
            raise UsageError(f"{shown(file)} declares a document type or entities, which are not read; take them out")
        return ElementTree.fromstring(content)  # noqa: S314 — no entities, no more than 16 MiB
    except OSError as error:
        raise DbcError(f"cannot read {shown(file)}: {error.strerror}; make it readable") from error
    except (ElementTree.ParseError, LookupError, ValueError) as error:
        raise UsageError(f"{shown(file)} is not XML: {plain(str(error))}; write the file anew, in UTF-8") from error


def _text(node: ElementTree.Element, path: str) -> str:
    return (node.findtext(path) or "").strip()


KIND = Kind("Pascal VOC", ".xml", (rb"<annotation[\s>]", rb"<(filename|size|object)[\s>]"), _read)
FORMAT = Format(
    name="voc",
    description="Pascal VOC: NAME.xml beside NAME.jpg, or in Annotations/ beside JPEGImages/, of LabelImg or CVAT.",
    read_table=KIND.read,
    recognise=KIND.recognise,
    options=NAMING | BOXES,
)
