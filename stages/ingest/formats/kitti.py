"""KITTI tracking: texts of boxes in label_02, with the frames of each of them in a folder of its name in image_02."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from schemas.parameters import IngestParameters
from stages.errors import UsageError
from stages.ingest.formats.boxes_file import KITTI, is_kitti
from stages.ingest.formats.format import BOXES, NAMING, Findings, Format
from stages.ingest.formats.listing import first_files
from stages.ingest.formats.mot import find_sequences, read_sequences
from stages.samples import Samples
from stages.wording import plain, shown

LABELS, IMAGES = "label_02", "image_02"


def read_kitti(source: Path, root: Path, parameters: IngestParameters, findings: Findings) -> Samples:
    """The boxes of `source`, a text, a folder of texts, or one with `label_02`; frames lie in `root`, or in `image_02` there.

    As `read_mot`, but frames and pixels count from 0, the type is the category, and regions of `DontCare` are left out.
    """
    labels = source / LABELS if (source / LABELS).is_dir() else source
    place = root / IMAGES if (root / IMAGES).is_dir() else root
    sequences = [replace(each, form=KITTI) for each in find_sequences(labels, place)]
    if not sequences:
        raise UsageError(
            f"{shown(source)} has no sequence of KITTI: give the folder with {LABELS}/0000.txt and {IMAGES}/0000/, or the "
            f"texts, with {IMAGES}, which has the frames of 0000.txt in 0000/, as `root`"
        )
    return read_sequences(sequences, labels, place, root, parameters, findings)


def why_kitti(source: Path) -> str | None:
    """One line if `source` is a text of KITTI, or a folder that holds one, itself or in `label_02`; else None."""
    places = (source, source / LABELS) if source.is_dir() else ()
    files = [file for place in places for file in first_files(place)] or [source]
    file = next((each for each in files if each.suffix == ".txt" and is_kitti(each)), None)
    return f"{plain(file.name)} has boxes as KITTI writes them" if file else None


FORMAT = Format(
    name="kitti",
    description="KITTI tracking: a folder with label_02/0000.txt and image_02/0000/, or label_02 with `root` image_02.",
    read_table=read_kitti,
    recognise=why_kitti,
    options=NAMING | BOXES,
)
