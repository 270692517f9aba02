"""A file with a line for each box, as MOTChallenge, the AI City Challenge and KITTI write it, and whether a text is one."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import islice
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from stages import plain_files
from stages.errors import UsageError
from stages.ingest.decode.pixels import is_video
from stages.ingest.formats.listing import LOOKED_AT, first_files, subfolders
from stages.ingest.formats.names import INT32_MAX, is_missing
from stages.ingest.formats.numbers import NO_NUMBER, number_of, score_of
from stages.ingest.formats.text_files import numbered_lines
from stages.plain_files import beginning, plain_file
from stages.wording import plain, shortened, shown, with_first

IGNORED, NO_TRACK = 0.0, -1
_SEPARATOR = re.compile(r"\s*,\s*|\s+")
CELL, _NUMBERS, _LOOKED_AT = re.compile(r"[,;\s]+"), 4, 5
"""So many numbers in one of the first lines make a text beside a video look like boxes."""
_CVAT = re.compile(rb"<annotations[\s>]")
_BOXES_IN_JSON = re.compile(rb'"(?:bounding_?box|bbox|boxes|rectanglelabels)"\s*:')
_SEEN_AGAIN = 0.25
"""The share of boxes whose id their camera had before, from which on a text is of cameras; fewer may be mistakes."""
_KITTI_TYPE = re.compile("[A-Za-z_]+")
_NOTHING = "DontCare"
"""What KITTI calls regions that are not labelled."""


class Form(NamedTuple):
    """How a format writes the line of a box: its `fields` in order, of which the first `n_needed` have to be there.

    `first_pixel` is the number of the first column and row, and `first_frame` that of the first frame, if it is always one.
    """

    title: str
    fields: tuple[str, ...]
    n_needed: int
    first_pixel: int = 0
    first_frame: int | None = None


MOT = Form(
    "MOTChallenge", ("frame", "id", "left", "top", "width", "height", "confidence", "class"), n_needed=6, first_pixel=1
)
AI_CITY = Form("the AI City Challenge", ("camera", "id", "frame", "left", "top", "width", "height"), n_needed=7)
KITTI = Form(
    "KITTI",
    (
        *("frame", "id", "type", "truncated", "occluded", "alpha", "left", "top", "right", "bottom"),
        *("h", "w", "l", "x", "y", "z", "rotation", "confidence"),
    ),
    n_needed=10,
    first_frame=0,
)


class Row(NamedTuple):
    """A line of a file of boxes: `frame` as it is there, `box` is left, top, width and height in pixels from 0.

    `kind` is the field after the confidence: a class in ground truth, as CVAT and VisDrone write it; of KITTI, the type.
    """

    line: int
    frame: int
    track: int
    box: tuple[float, float, float, float]
    confidence: float
    n_fields: int
    kind: str = ""
    camera: int = 0


def read_track_rows(file: Path, form: Form = MOT, *, is_truth: bool, may_repeat: bool = False) -> tuple[list[Row], int]:
    """The lines of `file`, and how many more are ignored: of ground truth (`is_truth`) with confidence 0, of KITTI `DontCare`.

    UsageError for a line that is not of this `form`, or that repeats the track of an earlier one in its frame (of its camera)
    unless it `may_repeat`.
    """
    if may_repeat and form is MOT:
        refuse_cameras(file)
    rows, n_ignored = [], 0
    first: dict[tuple[int, int, int], int] = {}
    for number, text in numbered_lines(file):
        row = _row(file, number, text, form)
        if (is_truth and row.confidence == IGNORED) or (form is KITTI and row.kind == _NOTHING):
            n_ignored += 1
            continue
        key = (row.camera, row.frame, row.track)
        before = number if may_repeat or row.track == NO_TRACK else first.setdefault(key, number)
        if before != number:
            if form is MOT:
                refuse_cameras(file)
            raise UsageError(
                f"{shown(file)} line {number} has a box of track {row.track} in frame {row.frame}, as line {before}; keep "
                "one, or leave all but the surest or largest out with `on_bad_image='skip'`"
            )
        rows.append(row)
    if not rows:
        told = "it is empty"
        if n_ignored:
            why = f"are {_NOTHING}" if form is KITTI else "have confidence 0, which ground truth ignores"
            told = f"all {n_ignored} {why}"
        raise UsageError(f"{shown(file)} has no boxes: {told}; leave the sequence out")
    return rows, n_ignored


def refuse_cameras(file: Path) -> None:
    """Raise UsageError if the lines of `file` begin with a camera."""
    if begins_with_cameras(file):
        raise UsageError(
            f"{shown(file)} begins each line with a camera, as the AI City Challenge does; say `format='ai-city'`"
        )


def begins_with_cameras(file: Path) -> bool | None:
    """Whether the first lines of `file` are of `AI_CITY` and cannot be of `MOT`; None if they may be of either.

    With frames first ids would be in one frame again. If few are, by mistake, a confidence above 1 may be a height, and left
    a frame.
    """
    head = beginning(file)
    lines = head.decode("utf-8-sig", "replace").splitlines()[: -1 if len(head) == plain_files.LOOKED_AT else None]
    try:
        rows = [_row(file, 1, line, AI_CITY) for line in lines if line.strip()]
    except UsageError:
        return False
    are_boxes = all(row.track > 0 and min(row.box[2:]) > 1 for row in rows)
    n_tracks = len({(row.camera, row.track) for row in rows})
    if not are_boxes or not len({(row.camera, row.track, row.frame) for row in rows}) == len(rows) > 0:
        return False
    return True if len(rows) - n_tracks >= _SEEN_AGAIN * len(rows) else None


def other_lengths(n_fields: Sequence[int]) -> list[int]:
    """The places of the lines that have another number of fields than most; of two numbers as frequent the larger counts."""
    counts = Counter(n_fields)
    usual = max(counts, key=lambda n: (counts[n], n), default=0)
    return [place for place, n in enumerate(n_fields) if n != usual]


def of_other_length(origins: Sequence[str], *, of: str) -> list[str]:
    """A line to warn with of the lines `origins`, which have another number of fields than most; or none."""
    told = f"lines with another number of fields than most {of}: {with_first(origins, str)}" if origins else ""
    return [f"{told}; if it lacks one, its numbers are taken for others: mend it"] if told else []


def looks_like_mot(file: Path) -> bool:
    """Whether one of the first lines of `file` is a row of `MOT`: six numbers or more, two of them whole."""
    try:
        return any(_why_no_row(file, line) is None for line in first_lines(file))
    except (OSError, UnicodeDecodeError):
        return False


def unread_boxes(root: Path, frames: Iterable[str]) -> list[str]:
    """A line for each file beside one of the `frames` that may be a tracker's, in a format without boxes.

    `frames` are videos and folders of pictures, as paths below `root`. The file has the name of the video or folder, ends in
    .txt or .csv, and has lines of numbers or none at all. One line is about texts of boxes that are called otherwise.
    """
    names = [path.rpartition(".")[0] if is_video(path) else path for path in frames]
    beside = [root / f"{name}{suffix}" for name in names for suffix in (".txt", ".csv")]
    told = ((file, _why_unread(file)) for file in beside if file.is_file())
    lines = [f"{shown(file.relative_to(root))} is not read: {why}" for file, why in told if why is not None]
    texts = [each for place in sorted({root, *(file.parent for file in beside)}) for each in first_files(place)]
    others = [file for file in texts if file not in beside and looks_like_mot(file)]
    cameras = list(filter(begins_with_cameras, others))
    if cameras:
        lines += [f"{shown(file.relative_to(root))} is not read: `format='ai-city'` reads it" for file in cameras]
    elif others:
        stems = sorted((PurePosixPath(name).name for name in names), key=len, reverse=True)
        stem = next((stem for stem in stems if others[0].stem.startswith(stem)), "NAME")
        lines.append(
            f"files with boxes as MOTChallenge writes them, which no video or folder is called like: {len(others)} "
            f"({shortened([shown(file.relative_to(root)) for file in others])}); to read them, call them as what they are of, "
            f"such as {plain(stem)}.txt, and say `format='mot'`"
        )
    return [*lines, *unread_annotations(root)]


def unread_annotations(source: Path, *, surely: bool = False) -> list[str]:
    """A line for each file for many pictures, in `source`, of boxes that are not read: of CVAT, of KITTI, in JSON.

    JSON, which may hold other things, is left out if they are `surely` to be such.
    """
    here = source.absolute()  # . has no name
    labels = here.parent / re.sub(r"^image", "label", here.name)
    texts = (each for place in (labels, *subfolders(source)[:LOOKED_AT]) for each in first_files(place))
    kitti = next(filter(is_kitti, texts), None)
    told = []
    if kitti is not None:
        name = plain(f"{kitti.parent.name}/{kitti.name}")
        told.append(f"{name} has boxes as KITTI writes them; give the folder that holds both with `format='kitti'`")
    kinds = [("*.xml", _CVAT, "boxes of all pictures as CVAT writes them", "in CVAT, export MOT, COCO or VOC")]
    if not surely:
        advice = "give the file itself if it is COCO or MegaDetector's, else export COCO"
        kinds.append(("*.json", _BOXES_IN_JSON, "boxes in JSON", advice))
    for pattern, sign, what, advice in kinds:
        file = next((each for each in first_files(source, pattern) if sign.search(beginning(each))), None)
        told += [f"{plain(file.name)} has {what}, which are not read; {advice}"] if file else []
    return told


def is_kitti(file: Path) -> bool:
    """Whether the first line of `file` is of `KITTI`, with or without a score: numbers, and a word in third place."""
    fields = beginning(file).partition(b"\n")[0].decode("ascii", "replace").split()
    is_number = [number_of(field) is not None for field in fields]
    return bool(
        len(fields) >= len(KITTI.fields) - 1 and _KITTI_TYPE.fullmatch(fields[2]) and is_number.count(False) == 1
    )


def _why_unread(file: Path) -> str | None:
    """Why the boxes of `file` are not read; None if it is a text like any other."""
    try:
        lines = first_lines(file)
    except (OSError, UnicodeDecodeError) as error:
        return "it is not in UTF-8" if isinstance(error, UnicodeDecodeError) else f"{error.strerror}"
    if not lines:
        return "it is empty, where a tracker's boxes would be"
    if not any(len([cell for cell in CELL.split(line) if number_of(cell) is not None]) >= _NUMBERS for line in lines):
        return None
    if file.suffix != ".txt":
        return f"a tracker's boxes are read from {plain(file.stem)}.txt, written as MOTChallenge does"
    why = _why_no_row(file, lines[0])
    if why is not None:
        return f"it has no boxes as MOTChallenge writes them, because {why}"
    return "it has boxes as MOTChallenge writes them; give its folder with `format='mot'`"


def _why_no_row(file: Path, line: str) -> str | None:
    """What is wrong with the first line of `file`; None if it is a row."""
    try:
        _row(file, 1, line, MOT)
    except UsageError as error:
        return str(error)
    return None


def first_lines(file: Path) -> list[str]:
    """The first lines of `file` that are not empty."""
    with open(file, encoding="utf-8-sig", opener=plain_file) as text:
        return list(islice((line.strip("\ufeff \r\n\t") for line in text if line.strip()), _LOOKED_AT))


def _row(file: Path, number: int, text: str, form: Form) -> Row:
    cells, origin = _SEPARATOR.split(text.strip().rstrip(",")), f"{shown(file)} line {number}"
    needed = form.fields[: form.n_needed]
    if len(cells) < len(needed):
        raise UsageError(
            f"{origin} has {len(cells)} fields, expected at least {len(needed)}: {', '.join(needed)}; write it as "
            f"{form.title} does"
        )
    said = dict(zip(form.fields, cells, strict=False))
    # no id, and no number at all, mean that there is no track
    said["id"] = str(NO_TRACK) if is_missing(said["id"]) else said["id"]
    numbers = {name: found for name in needed if name != "type" and (found := number_of(said[name])) is not None}
    if len(numbers) < len(needed) - ("type" in needed):
        advice = "correct it" if numbers else "leave the header out"
        raise UsageError(f"{origin}: {shown(text.strip())} are not numbers; {advice}")
    confidence = score_of(said["confidence"], origin, name="confidence") if "confidence" in said else math.nan
    frame, track, camera = numbers["frame"], numbers["id"], numbers.get("camera", 0.0)
    if not (frame.is_integer() and track.is_integer() and camera.is_integer()):
        raise UsageError(f"{origin}: frame and id must be whole, got {said['frame']} and {said['id']}")
    if not 0 <= frame <= INT32_MAX:
        raise UsageError(f"{origin}: frame {frame:.0f} is out of range; frames count from 1, or from 0")
    left, top = numbers["left"], numbers["top"]
    return Row(
        line=number,
        frame=int(frame),
        track=int(track),
        box=(
            left - form.first_pixel,
            top - form.first_pixel,
            numbers["width"] if "width" in numbers else numbers["right"] - left,
            numbers["height"] if "height" in numbers else numbers["bottom"] - top,
        ),
        # below 0 it is not known
        confidence=math.nan if form is MOT and NO_NUMBER < confidence < 0 else confidence,
        n_fields=len(cells),
        kind=said.get("type", said.get("class", "")),
        camera=int(camera),
    )
