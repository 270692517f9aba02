"""MOTChallenge: boxes and tracks of frames, as CVAT and trackers write them too; frames as pictures or in a video."""

from __future__ import annotations

import configparser
import glob
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from schemas.parameters import IngestParameters
from stages.errors import UsageError
from stages.ingest.decode.pixels import is_video
from stages.ingest.formats.detections import Detection, samples_of
from stages.ingest.formats.format import NAMING, Findings, Format
from stages.ingest.formats.listing import list_images, subfolders
from stages.ingest.formats.names import (
    INT32_MAX,
    is_missing,
    numbered_lines,
    plain,
    read_lines,
    relative_path,
    shown,
    whole_number,
)
from stages.ingest.formats.numbers import number_of, score_of
from stages.plain_files import plain_file
from stages.samples import Samples

OWN_FILES = ("gt/gt.txt", "det/det.txt")
"""Where a sequence keeps its boxes: the first that is there is read."""
IGNORED, NO_TRACK = 0.0, -1
_SEPARATOR = re.compile(r"\s*,\s*|\s+")
_FEWEST = 6


@dataclass(frozen=True)
class Sequence:
    """Frames of one camera: their `boxes` file, and the video or the folder of pictures that has the `frames`."""

    name: str
    boxes: Path
    frames: Path
    n_frames: int | None = None


class Row(NamedTuple):
    """A line of a file of boxes: `frame` counts from 1, `box` is left, top, width and height in pixels from 0."""

    line: int
    frame: int
    track: int
    box: tuple[float, float, float, float]
    confidence: float


def read_mot(source: Path, parameters: IngestParameters, findings: Findings) -> Samples:
    """The boxes of `source`, a sequence, a folder of sequences or a file of boxes; boxes of one track are one sample's frames.

    The sequence is the camera, sequence and track id together name the tracklet; a box without a track (−1) is a sample of
    its own. Boxes of ground truth with confidence 0 are left out, as MOTChallenge ignores them. UsageError names the file
    and line of what is wrong.
    """
    sequences = find_sequences(source)
    if not sequences:
        raise UsageError(
            f"{shown(source)} has no sequence: give a folder with img1 (or one video) and gt/gt.txt or det/det.txt, a folder "
            "of such, or NAME.txt (or its folder) beside a video or a folder NAME"
        )
    root = source.parent if source.is_file() else source
    found = [detection for sequence in sequences for detection in _detections(root, sequence, parameters, findings)]
    boxes = ", ".join(sorted({each.boxes.name for each in sequences}))
    findings.notes.append(f"sequences, each a camera: {len(sequences)}; boxes from {boxes}")
    return samples_of(found, source=source, root=root, parameters=parameters, findings=findings)


def find_sequences(source: Path) -> list[Sequence]:
    """The sequences of `source`, in order of name: itself, or what lies in it or, if it is a file of boxes, beside it."""
    if source.is_file():
        return [each for each in (_beside(source),) if each is not None]
    own = _sequence(source)
    if own is not None:
        return [own]
    found = [each for each in map(_sequence, subfolders(source)) if each is not None]
    beside = map(_beside, sorted(source.glob("*.txt")))
    return sorted([*found, *(each for each in beside if each is not None)], key=lambda each: each.name)


def why_mot(source: Path) -> str | None:
    """One line if `source` is a folder with sequences, or a file of boxes; else None. Faults are for the reader to say."""
    if source.is_file() and source.suffix == ".txt" and looks_like_mot(source):
        return f"{plain(source.name)} has boxes as MOTChallenge writes them"
    if not source.is_dir():
        return None
    own = [folder / name for folder in (source, *subfolders(source)) for name in OWN_FILES]
    own = [file for file in own if file.is_file()]
    beside = (file for file in sorted(source.glob("*.txt")) if _beside(file) is not None)
    # the first line tells
    boxes = next((file for file in chain(own, beside) if file.is_file() and looks_like_mot(file)), None)
    if boxes is not None:
        return f"{plain(boxes.relative_to(source).as_posix())} has boxes as MOTChallenge writes them"
    return f"{plain(own[0].relative_to(source).as_posix())} is where MOTChallenge keeps boxes" if own else None


def rows_of(file: Path, *, is_truth: bool) -> tuple[list[Row], int]:
    """The lines of `file`, and how many more are ignored: those of ground truth (`is_truth`) with confidence 0.

    UsageError for a line that is no frame, id, left, top, width, height, … or that repeats the track of an earlier one.
    """
    rows, n_ignored = [], 0
    first: dict[tuple[int, int, tuple[float, ...] | None], int] = {}
    for number, text in numbered_lines(file):
        row = _row(file, number, text)
        if is_truth and row.confidence == IGNORED:
            n_ignored += 1
            continue
        key = (row.frame, row.track, row.box if row.track == NO_TRACK else None)
        before = first.setdefault(key, number)
        if before != number:
            what = "the same box" if row.track == NO_TRACK else f"a box of track {row.track}"
            raise UsageError(f"{shown(file)} line {number} has {what} in frame {row.frame}, as line {before}; keep one")
        rows.append(row)
    if not rows:
        told = f"all {n_ignored} have confidence 0, which ground truth ignores" if n_ignored else "it is empty"
        raise UsageError(f"{shown(file)} has no boxes: {told}; leave the sequence out")
    return rows, n_ignored


def looks_like_mot(file: Path) -> bool:
    """Whether the first line of `file` is that of a file of boxes: six numbers or more, of which two are whole."""
    try:
        with open(file, encoding="utf-8", opener=plain_file) as text:
            _row(file, 1, next((line for line in text if line.strip()), ""))
    except (UsageError, OSError, UnicodeDecodeError):
        return False
    return True


def _row(file: Path, number: int, text: str) -> Row:
    fields, origin = _SEPARATOR.split(text.strip().rstrip(",")), f"{shown(file)} line {number}"
    if len(fields) < _FEWEST:
        raise UsageError(
            f"{origin} has {len(fields)} fields, expected at least 6: frame, id, left, top, width, height; write it as "
            "MOTChallenge does"
        )
    # no id, and no number at all, mean that there is no track
    fields[1] = str(NO_TRACK) if is_missing(fields[1]) else fields[1]
    numbers = [found for found in map(number_of, fields[:_FEWEST]) if found is not None]
    if len(numbers) < _FEWEST:
        raise UsageError(f"{origin}: {shown(text.strip())} are not numbers; correct it")
    frame, track, left, top, width, height = numbers
    confidence = score_of(fields[_FEWEST], origin, name="confidence") if len(fields) > _FEWEST else -1.0
    if not (frame.is_integer() and track.is_integer()):
        raise UsageError(f"{origin}: frame and id must be whole, got {fields[0]} and {fields[1]}")
    if not 1 <= frame <= INT32_MAX:
        raise UsageError(f"{origin}: frame {frame:.0f} is out of range; frames count from 1")
    # pixels count from 1 there
    return Row(number, int(frame), int(track), (left - 1, top - 1, width, height), confidence)


def _sequence(folder: Path) -> Sequence | None:
    """The sequence that `folder` is; None if it is none."""
    boxes = next((folder / name for name in OWN_FILES if (folder / name).is_file()), None)
    if boxes is None:
        return None
    told = _seqinfo(folder / "seqinfo.ini")
    imdir, length = told.get("imdir", "img1"), told.get("seqlength", "")
    place = relative_path(imdir, PurePosixPath(folder.absolute().as_posix()))
    if place is None:
        raise UsageError(f"{shown(folder / 'seqinfo.ini')}: imDir {shown(imdir)} is not below its folder; correct it")
    if not is_missing(length) and whole_number(length) is None:
        raise UsageError(
            f"{shown(folder / 'seqinfo.ini')}: seqLength {shown(length)} is not a whole number; correct it"
        )
    frames = folder / place if (folder / place).is_dir() else _video_in(folder)
    return Sequence(folder.absolute().name, boxes, frames, whole_number(length))


def _seqinfo(file: Path) -> dict[str, str]:
    if not file.is_file():
        return {}
    parser = configparser.ConfigParser(interpolation=None)
    try:
        parser.read_string("\n".join(read_lines(file)))
        return dict(parser["Sequence"])
    except (configparser.Error, KeyError) as error:
        reason = str(error).splitlines()[0]
        raise UsageError(f"{shown(file)} is not a seqinfo.ini with [Sequence]: {reason}; mend or remove it") from error


def _video_in(folder: Path) -> Path:
    videos = sorted(file for file in folder.iterdir() if is_video(file.name))
    if len(videos) != 1:
        raise UsageError(
            f"{shown(folder)} should have its frames in img1 or in one video, found no img1 and {len(videos)} videos; "
            "add the frames"
        )
    return videos[0]


def _beside(boxes: Path) -> Sequence | None:
    """The sequence whose frames lie beside the file NAME.txt of a tracker: a video or a folder NAME."""
    videos = sorted(file for file in boxes.parent.glob(f"{glob.escape(boxes.stem)}.*") if is_video(file.name))
    folder = boxes.with_suffix("")
    pictures = next((each for each in (folder / "img1", folder) if each.is_dir()), None)
    frames = videos[0] if videos else pictures
    return None if frames is None else Sequence(boxes.stem, boxes, frames)


def _detections(
    source: Path, sequence: Sequence, parameters: IngestParameters, findings: Findings
) -> Iterator[Detection]:
    is_truth = sequence.boxes.name == "gt.txt"
    rows, n_ignored = rows_of(sequence.boxes, is_truth=is_truth)
    if n_ignored:
        findings.notes.append(f"{shown(sequence.boxes)}: {n_ignored} boxes with confidence 0 are left out")
    pictures = None if is_video(sequence.frames.name) else _pictures(sequence.frames, findings)
    prefix = sequence.frames.relative_to(source).as_posix()
    n_frames = sequence.n_frames if pictures is None else len(pictures)
    file = shown(sequence.boxes)
    for row in rows:
        origin = f"{file} line {row.line}"
        path = prefix if pictures is None else pictures.get(row.frame)
        if path is None or (pictures is None and n_frames is not None and row.frame > n_frames):
            if parameters.on_bad_image == "skip":
                findings.boxes["in frames that are not there"] += 1
                continue
            raise UsageError(
                f"{origin}: frame {row.frame} is out of range: {shown(sequence.frames)} has {n_frames} frames, none of this "
                "number; correct it, or leave such boxes out with `on_bad_image='skip'`"
            )
        yield Detection(
            path=path if pictures is None else f"{prefix}/{path}",
            origin=origin,
            box=row.box,
            frame=row.frame - 1,
            score=math.nan if is_truth or row.confidence < 0 else row.confidence,
            camera=sequence.name,
            tracklet="" if row.track == NO_TRACK else f"{sequence.name}/{row.track}",
        )


def _pictures(folder: Path, findings: Findings) -> dict[int, str]:
    """The picture of each frame, from 1: by the numbers that names are if they count from 1 or more, else in order.

    `img_10` comes after `img_2`.
    """
    names = sorted(list_images(folder, recursive=False), key=_by_numbers)
    stems = [name.rpartition(".")[0] for name in names]
    numbers = [int(stem) for stem in stems if stem.isdecimal()]
    if len(numbers) == len(names) == len(set(numbers)) and min(numbers, default=0) >= 1:
        return dict(zip(numbers, names, strict=True))
    if names:
        findings.notes.append(
            f"frames of {shown(folder)} in order of their names: frame 1 is {shown(names[0])}, frame {len(names)} is "
            f"{shown(names[-1])}"
        )
    return dict(enumerate(names, start=1))


def _by_numbers(name: str) -> list[str | int]:
    """What `name` is sorted by: its texts, and the numbers between them."""
    return [int(part) if place % 2 else part for place, part in enumerate(re.split(r"([0-9]+)", name))]


FORMAT = Format(
    name="mot",
    description="MOTChallenge: img1/ (or a video) with gt/gt.txt or det/det.txt; trackers' NAME.txt beside the frames NAME.",
    read=read_mot,
    recognise=why_mot,
    options=NAMING | {"min_confidence", "pad"},
)
