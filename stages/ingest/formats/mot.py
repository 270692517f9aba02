"""MOTChallenge: boxes and tracks of frames, as CVAT and trackers write them too; frames as pictures or in a video."""

from __future__ import annotations

import configparser
import math
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path, PurePosixPath

from schemas.parameters import IngestParameters
from stages.errors import UsageError
from stages.ingest.decode.pixels import VIDEO_SUFFIXES, is_video
from stages.ingest.formats.boxes_file import (
    AI_CITY,
    IGNORED,
    KITTI,
    MOT,
    NO_TRACK,
    Form,
    Row,
    begins_with_cameras,
    is_kitti,
    looks_like_mot,
    of_other_length,
    other_lengths,
    read_track_rows,
    refuse_cameras,
)
from stages.ingest.formats.detection import Detection
from stages.ingest.formats.detections import samples_of
from stages.ingest.formats.format import NAMING, Findings, Format
from stages.ingest.formats.listing import LOOKED_AT, first_files, list_images, subfolders
from stages.ingest.formats.names import is_missing, whole_number
from stages.ingest.formats.numbers import size_of
from stages.ingest.formats.relative_paths import relative_path
from stages.ingest.formats.text_files import read_lines
from stages.samples import Samples
from stages.wording import counted, first_line, plain, shortened, shown, so_many

OWN_FILES = ("gt/gt.txt", "det/det.txt")
"""Where a sequence keeps its boxes: the first that is there is read."""

_MOST_CLASSES = 30
"""Numbers of as many kinds are no positions."""


@dataclass(frozen=True)
class Sequence:
    """Frames of one camera: their `boxes` file of a `form`, and the video or the folder of pictures that has the `frames`.

    `size` is their width and height, if it is said.
    """

    name: str
    boxes: Path
    frames: Path
    n_frames: int | None = None
    size: tuple[float, float] | None = None
    form: Form = MOT


def read_mot(source: Path, root: Path, parameters: IngestParameters, findings: Findings) -> Samples:
    """The boxes of `source`, a sequence, a folder of sequences or a file of boxes; boxes of one track are one sample's frames.

    Frames lie under `root` as their boxes do under the source, which it is by default.
    The sequence is the camera, sequence and track id together name the tracklet; a box without a track (−1) is a sample of
    its own. Boxes of ground truth with confidence 0 are left out, as MOTChallenge ignores them. Frames count from 1, or from 0
    in all files if one has a frame 0. UsageError names the file and line of what is wrong.
    """
    every = find_sequences(source, root)
    if not every:
        for file in sorted(source.glob("*.txt")):
            refuse_cameras(file)
        raise UsageError(
            f"{shown(source)} has no sequence: give a folder with img1 (or one video) and gt/gt.txt or det/det.txt, a folder "
            "of such, or NAME.txt (or its folder) beside a video or a folder NAME, or with the folder of these as `root`"
        )
    return read_sequences(every, source, root, root, parameters, findings)


def read_sequences(
    every: list[Sequence], source: Path, place: Path, root: Path, parameters: IngestParameters, findings: Findings
) -> Samples:
    """The samples of `every` sequence of `source` whose file has boxes; their frames lie in the folder `place` of `root`."""
    sequences = _with_boxes(every, findings)
    may_repeat = parameters.on_bad_image == "skip"
    found = [
        read_track_rows(each.boxes, each.form, is_truth=_is_truth(each), may_repeat=may_repeat) for each in sequences
    ]
    findings.notes += [
        f"{shown(sequence.boxes)}: boxes {'of DontCare' if sequence.form is KITTI else 'with confidence 0'} that are left "
        f"out: {n_ignored}"
        for sequence, (_, n_ignored) in zip(sequences, found, strict=True)
        if n_ignored
    ]
    samples = samples_of_rows(sequences, [rows for rows, _ in found], source, root, parameters, findings)
    if source.is_dir():
        findings.warnings += _without_boxes(place, every)
        others = sorted({*source.glob("*.txt")} - {each.boxes for each in every})
        alone = [shown(each) for each in others if looks_like_mot(each) or is_kitti(each)]
        if alone:
            findings.warnings.append(f"files of boxes without frames, left out: {len(alone)} ({shortened(alone)})")
    return samples


def samples_of_rows(
    sequences: list[Sequence],
    rows: list[list[Row]],
    source: Path,
    root: Path,
    parameters: IngestParameters,
    findings: Findings,
) -> Samples:
    """The samples of the `rows` of each of the `sequences` of `source`, whose frames lie below `root`."""
    odd = [
        f"{shown(sequence.boxes)} line {own[place].line}"
        for sequence, own in zip(sequences, rows, strict=True)
        for place in other_lengths([row.n_fields for row in own])
    ]
    findings.warnings += of_other_length(odd, of="in their file")
    findings.warnings += _told_marks(list(chain.from_iterable(rows)))
    first = _first_frame(sequences, rows, findings)
    found = [
        detection
        for sequence, own in zip(sequences, rows, strict=True)
        for detection in _detections(root, sequence, own, first, parameters, findings)
    ]
    boxes = ", ".join(sorted({each.boxes.name for each in sequences}))
    findings.notes.append(f"sequences, each a camera: {len(sequences)}; boxes from {boxes}")
    return samples_of(found, source=source, root=root, parameters=parameters, findings=findings)


def find_sequences(source: Path, root: Path) -> list[Sequence]:
    """The sequences of `source`, in order of name: itself, or what lies in it or, if it is a file of boxes, beside it.

    Their frames lie under `root` as the boxes do under the source.
    """
    if source.is_file():
        return list(_beside([source], root))
    own = _sequence(source, root)
    if own is not None:
        return [own]
    found = [_sequence(folder, root / folder.name) for folder in subfolders(source)]
    found += _beside(sorted(source.glob("*.txt")), root)
    return sorted(filter(None, found), key=lambda each: each.name)


def why_mot(source: Path) -> str | None:
    """One line if `source` is a folder with sequences, or a file or a folder of boxes alone; else None.

    Faults are for the reader to say.
    """
    if source.is_file() and source.suffix == ".txt" and _is_mot(source):
        return f"{plain(source.name)} has boxes as MOTChallenge writes them"
    if not source.is_dir():
        return None
    own = [folder / name for folder in (source, *subfolders(source)) for name in OWN_FILES]
    own = [file for file in own if file.is_file()]
    texts = sorted(source.glob("*.txt"))
    are_alone = all(entry.suffix == ".txt" for entry in source.glob("*") if not entry.name.startswith("."))
    beside = texts if are_alone else (each.boxes for each in _beside(texts, source))
    # the first line tells
    boxes = next((file for file in chain(own, beside) if file.is_file() and _is_mot(file)), None)
    if boxes is not None:
        return f"{plain(boxes.relative_to(source).as_posix())} has boxes as MOTChallenge writes them"
    return f"{plain(own[0].relative_to(source).as_posix())} is where MOTChallenge keeps boxes" if own else None


def _is_mot(file: Path) -> bool:
    return looks_like_mot(file) and not begins_with_cameras(file)


def refuse_deep_sequences(source: Path, *, whole: str) -> None:
    """Raise UsageError if a folder in `source` holds sequences, or boxes of those beside it, as these are not looked into.

    `whole` is the format that takes whole pictures of `source`.
    """
    folders = subfolders(source)[:LOOKED_AT]
    for folder in folders:
        boxes = next(filter(looks_like_mot, first_files(folder)), None)
        frames = boxes and next((each for each in (*folders, source) if any(_beside([boxes], each))), None)
        if boxes is not None and frames is not None:
            raise UsageError(
                f"{shown(boxes)} has boxes as MOTChallenge writes them, of frames in {shown(frames)}; give {shown(folder)} as "
                f"the source and {shown(frames)} as `root`, or say `format='{whole}'` for whole pictures"
            )
        for below in subfolders(folder)[:LOOKED_AT]:
            if any((below / name).is_file() for name in OWN_FILES):
                raise UsageError(
                    f"{shown(source)} holds folders of sequences of MOTChallenge, such as {shown(below.relative_to(source))}; "
                    f"give one folder of sequences, such as {shown(folder)}, with `format='mot'`, and add the others, or say "
                    f"`format='{whole}'` for whole pictures"
                )


def _told_marks(rows: list[Row]) -> list[str]:
    """Lines to warn with of classes, which are not read, and of boxes that are ignored where a file is ground truth."""
    n_ignored = [row.confidence for row in rows].count(IGNORED)
    classes = Counter(f"of class {row.kind}" for row in rows if row.kind.isdecimal())
    told = []
    if n_ignored and {row.confidence for row in rows} == {IGNORED, 1.0}:
        told.append(
            f"boxes with confidence 0 where all others have 1, as ground truth marks what to ignore: {n_ignored}; "
            "`min_confidence=0.5` leaves them out"
        )
    if 1 < len(classes) <= _MOST_CLASSES and classes.total() == len(rows):
        told.append(
            f"the field after the confidence, which is not read, seems to be a class: {counted(classes)}; all are compared "
            "with each other: leave lines of others out of the files"
        )
    return told


def _with_boxes(sequences: list[Sequence], findings: Findings) -> list[Sequence]:
    """`sequences` without those whose file of boxes is empty, which a warning names; all if none of them has boxes."""
    empty = [each for each in sequences if not each.boxes.stat().st_size]
    if not empty or len(empty) == len(sequences):
        return sequences
    names = shortened([shown(each.boxes) for each in empty])
    findings.warnings.append(f"files of boxes that are empty, left out with their frames: {len(empty)} ({names})")
    return [each for each in sequences if each not in empty]


def _first_frame(sequences: list[Sequence], rows: list[list[Row]], findings: Findings) -> int:
    """The number of the first frame, 0 or 1, in all files of boxes: who counts from 0 once does so everywhere."""
    form = sequences[0].form
    if form.first_frame is not None:
        return form.first_frame
    from_zero = [each for each, own in zip(sequences, rows, strict=True) if any(row.frame == 0 for row in own)]
    if form is AI_CITY:
        told = "0, as there is a frame 0" if from_zero else "1, as there is no frame 0"
        findings.notes.append(f"frames are taken to count from {told}")
        return 0 if from_zero else 1
    if not from_zero:
        return 1
    others = f", and so do all {len(sequences)} files of boxes" if len(sequences) > 1 else ""
    findings.warnings.append(
        f"frames count from 0 in {shown(from_zero[0].boxes)}, which has a frame 0{others}: each is taken as the next of "
        "MOTChallenge, which counts from 1"
    )
    return 0


def _without_boxes(source: Path, sequences: list[Sequence]) -> list[str]:
    """Lines that name the videos, and the folders of frames, in `source` that no file of boxes belongs to."""
    frames = {each.frames for each in sequences}
    known = frames | {each.parent for each in frames}
    if source / "img1" in frames or source in {each.boxes.parent.parent for each in sequences}:
        return []
    others = [folder for folder in subfolders(source) if folder not in known]
    films = [
        folder / name
        for folder in (source, *others)
        for name in list_images(folder, recursive=False, suffixes=VIDEO_SUFFIXES)
        if folder / name not in frames
    ]
    folders = [folder for folder in others if (folder / "img1").is_dir() or list_images(folder, recursive=False)]
    told = []
    for kind, found in (("videos", films), ("folders of pictures", folders)):
        if found:
            names = shortened([shown(file.relative_to(source)) for file in found])
            told.append(f"{kind} without boxes, left out: {len(found)} ({names})")
    return told


def _sequence(folder: Path, place: Path) -> Sequence | None:
    """`folder` as a sequence with its frames in `place`; None if it is not one."""
    boxes = next((folder / name for name in OWN_FILES if (folder / name).is_file()), None)
    if boxes is None:
        return None
    told = _seqinfo(folder / "seqinfo.ini")
    imdir, length = told.get("imdir", "img1"), told.get("seqlength", "")
    below = relative_path(imdir, PurePosixPath(folder.absolute().as_posix()))
    if below is None:
        raise UsageError(f"{shown(folder / 'seqinfo.ini')}: imDir {shown(imdir)} is not below its folder; correct it")
    if not is_missing(length) and whole_number(length) is None:
        raise UsageError(
            f"{shown(folder / 'seqinfo.ini')}: seqLength {shown(length)} is not a whole number; correct it"
        )
    frames = place / below if (place / below).is_dir() else _video_in(place)
    return Sequence(
        folder.absolute().name, boxes, frames, whole_number(length), size_of(told.get("imwidth"), told.get("imheight"))
    )


def _seqinfo(file: Path) -> dict[str, str]:
    if not file.is_file():
        return {}
    parser = configparser.ConfigParser(interpolation=None)
    try:
        parser.read_string("\n".join(read_lines(file)))
        return dict(parser["Sequence"])
    except (configparser.Error, KeyError) as error:
        reason = first_line(error)
        raise UsageError(f"{shown(file)} is not a seqinfo.ini with [Sequence]: {reason}; mend or remove it") from error


def _video_in(folder: Path) -> Path:
    videos = sorted(file for file in folder.iterdir() if is_video(file.name)) if folder.is_dir() else []
    if len(videos) != 1:
        raise UsageError(
            f"{shown(folder)} should have its frames in img1 or in one video, found no img1 and {len(videos)} videos; "
            "add the frames, or give the folder that has them as `root`"
        )
    return videos[0]


def _beside(files: Iterable[Path], place: Path) -> Iterator[Sequence]:
    """The sequences of those `files` NAME.txt of a tracker whose frames lie in `place`: a video or a folder NAME."""
    video_of: dict[str, Path] = {}
    for video in sorted(file for file in place.glob("*.*") if is_video(file.name)):
        for dot in re.finditer(r"\.", video.name):
            video_of.setdefault(video.name[: dot.start()], video)
    for boxes in files:
        folder = place / boxes.stem
        pictures = next((each for each in (folder / "img1", folder) if each.is_dir()), None)
        if frames := video_of.get(boxes.stem, pictures):
            yield Sequence(boxes.stem, boxes, frames)


def _is_truth(sequence: Sequence) -> bool:
    return sequence.boxes.name == "gt.txt"


def _detections(
    source: Path, sequence: Sequence, rows: Iterable[Row], first: int, parameters: IngestParameters, findings: Findings
) -> Iterator[Detection]:
    """The detections of `rows`, whose frames count from `first`."""
    is_truth = _is_truth(sequence)
    pictures = (
        None if is_video(sequence.frames.name) else _pictures(sequence.frames, findings, sequence.form.first_frame)
    )
    prefix = sequence.frames.relative_to(source).as_posix()
    n_frames = sequence.n_frames if pictures is None else len(pictures)
    file = shown(sequence.boxes)
    for row in rows:
        origin = f"{file} line {row.line}"
        frame = row.frame - first
        path = prefix if pictures is None else pictures.get(frame + 1)
        if path is None or (pictures is None and n_frames is not None and frame >= n_frames):
            why = "" if sequence.form.first_frame == first else ", as there is a frame 0"
            there = so_many(n_frames or 0, "frame") + ("" if first else f" (from 0{why})")
            told = f"{origin}: frame {row.frame} is out of range: {shown(sequence.frames)} has {there}, none of this number"
            findings.leave_out("in frames that are not there", f"{told}; correct it", parameters)
            continue
        yield Detection(
            path=path if pictures is None else f"{prefix}/{path}",
            origin=origin,
            box=row.box,
            frame=frame,
            score=math.nan if is_truth else row.confidence,
            category=row.kind if sequence.form is KITTI else "",
            camera=sequence.name,
            tracklet="" if row.track == NO_TRACK else f"{sequence.name}/{row.track}",
            size=sequence.size,
        )


def _pictures(folder: Path, findings: Findings, first: int | None) -> dict[int, str]:
    """The picture of each frame, from 1: by the numbers that names are if they count from `first` (1) or more, else in order.

    `img_10` comes after `img_2`.
    """
    first = 1 if first is None else first
    names = sorted(list_images(folder, recursive=False), key=_by_numbers)
    stems = [name.rpartition(".")[0] for name in names]
    numbers = [int(stem) for stem in stems if stem.isdecimal()]
    if len(numbers) == len(names) == len(set(numbers)) and min(numbers, default=0) >= first:
        return {number - first + 1: name for number, name in zip(numbers, names, strict=True)}
    if names:
        findings.notes.append(
            f"frames of {shown(folder)} in order of their names: frame 1 is {shown(names[0])}, frame {len(names)} is "
            f"{shown(names[-1])}"
        )
    return dict(enumerate(names, start=1))


def _by_numbers(name: str) -> list[str | int]:
    """Sort key of `name`: its texts, and the numbers between them as numbers."""
    return [int(part) if place % 2 else part for place, part in enumerate(re.split(r"([0-9]+)", name))]


FORMAT = Format(
    name="mot",
    description="MOTChallenge: img1/ (or a video) with gt/gt.txt or det/det.txt; trackers' NAME.txt beside the frames NAME.",
    read_table=read_mot,
    recognise=why_mot,
    options=NAMING | {"min_confidence", "pad"},
)
