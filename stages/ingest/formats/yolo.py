"""YOLO: a text file of boxes for each picture or frame of a video, beside it or in labels/ beside images/."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from contextlib import suppress
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path, PurePosixPath

from schemas.parameters import IngestParameters
from stages.errors import DbcError, UsageError
from stages.ingest.decode.pixels import VIDEO_SUFFIXES
from stages.ingest.formats.boxes_file import CELL, first_lines, of_other_length, other_lengths
from stages.ingest.formats.detection import Detection
from stages.ingest.formats.detections import samples_of, told_tracks
from stages.ingest.formats.format import BOXES, NAMING, Findings, Format
from stages.ingest.formats.listing import LOOKED_AT, first_files, left_out, list_images, no_images, subfolders
from stages.ingest.formats.names import is_missing, whole_number
from stages.ingest.formats.numbers import number_of, score_of
from stages.ingest.formats.picture_files import refuse_strays
from stages.ingest.formats.text_files import numbered_lines, read_lines
from stages.samples import Samples
from stages.wording import plain, shortened, shown, so_many

IMAGES, LABELS = "images", "labels"
_COMMON = (".jpg", ".jpeg", ".png", ".JPG", ".JPEG", ".PNG")
_BOX, _WITH_ONE, _WITH_BOTH = 5, 6, 7
"""Fields of a line: class and box; with a confidence or a track; with both."""


@dataclass(frozen=True)
class LabelLine:
    """A line of a file of labels: `box` is centre, width and height in shares of the picture; `more` what follows."""

    origin: str
    kind: str
    box: tuple[float, float, float, float]
    more: tuple[str, ...]


def read_yolo(source: Path, root: Path, parameters: IngestParameters, findings: Findings) -> Samples:
    """The boxes of every picture, and every frame of a video (`frame_labels`), under `root` that has a file of labels.

    If `source` is another folder, the files lie in it, or in `labels` there: under the paths of the pictures, or all in one.
    Frames count from 1, or from 0 in all videos if one has a frame 0; each video is a camera. Pictures without labels are
    counted and left out, as are those whose file is empty. A sixth field is a track if it is whole in every line, and not 1.0
    at most, else the detector's confidence; a seventh is a track. Tracks are told apart by folder or video. UsageError names
    the file and line of what is wrong.
    """
    apart = None if source.resolve() == root.resolve() else (source / LABELS if (source / LABELS).is_dir() else source)
    files = _files(source, root, apart, findings)
    lines = {place: _lines(file) for place, file in files.items() if file.is_file()}
    refuse_strays(_without_picture(set(files.values())), parameters, findings)
    if not lines:
        raise UsageError(
            f"{shown(source)} has no labels: give NAME.txt beside NAME.jpg, or in labels/ beside images/, or the folder of "
            "labels with that of the pictures as `root`"
        )
    n_empty = sum(not each for each in lines.values())
    told = [f"{len(files) - len(lines)} without labels", f"{n_empty} without boxes"]
    if n_empty or len(lines) < len(files):
        findings.notes.append(f"pictures left out: {', '.join(told)}; of {len(files)}")
    everything = [line for own in lines.values() for line in own]
    odd = [everything[place].origin for place in other_lengths([len(line.more) for line in everything])]
    findings.warnings += of_other_length(odd, of="of the labels")
    sixth_is_track = _are_tracks([line.more[0] for line in everything if line.more])
    if any(len(line.more) == 1 for line in everything):
        meaning = "tracks: all are whole numbers" if sixth_is_track else "confidences of the detector"
        findings.notes.append(f"the sixth field of labels is taken as {meaning}")
    if not everything:
        raise UsageError(f"{shown(source)}: all {len(lines)} files of labels are empty; give some with boxes")
    names = class_names(source, findings)
    found = [
        each._replace(category=names.get(each.category, each.category))
        for (path, frame), own in lines.items()
        for each in _detections(path, frame, own, sixth_is_track=sixth_is_track)
    ]
    samples = samples_of(found, source=source, root=root, parameters=parameters, findings=findings)
    if apart is None:
        findings.warnings += _drawn_on(source)
    else:
        own = {file.relative_to(source).as_posix() for file in files.values()}
        findings.left_out = left_out(source, taken=own)
    findings.warnings += told_tracks(
        samples,
        "track (the last field of their lines) in one folder or video",
        "if it is an individual, as `dbc export clusters` writes it, or a confidence, take it out of the lines",
    )
    return samples


def _files(source: Path, root: Path, apart: Path | None, findings: Findings) -> dict[tuple[str, int], Path]:
    """The file of labels of each picture (frame −1), there or not, and of each frame of a video that has one."""
    paths = list_images(root, recursive=True)
    files = {(path, -1): label_file(root, path) if apart is None else _file_in(apart, path) for path in paths}
    files |= _of_frames(root, apart, set(files.values()), findings)
    if not files and apart is None and _alone(source):
        raise UsageError(f"{shown(source)} has labels and no pictures or videos; give the folder of these as `root`")
    if not files:
        raise no_images(root)
    path_of: dict[Path, str] = {}
    for (path, frame), file in files.items():
        is_one = frame >= 0 or apart is not None
        if is_one and path_of.setdefault(file, path) != path and file.is_file():
            raise UsageError(
                f"{shown(file)} may be of {shown(path_of[file])} or of {shown(path)}; leave only one of them"
            )
    return files


def _drawn_on(source: Path) -> list[str]:
    """A line if `source` is the folder of results of Ultralytics."""
    if not (source / LABELS).is_dir():
        return []
    if not ((source / "crops").is_dir() or any(source.glob("*.avi")) or list_images(source, recursive=False)):
        return []
    return [
        f"{shown(source)} looks like what Ultralytics saves: its pictures and videos may have boxes and numbers drawn on "
        "them, which features would see; give the folder of those that it was run on as `root`"
    ]


def _file_in(apart: Path, path: str) -> Path:
    """The file of labels of the picture `path` in the folder `apart` of labels alone: at its path, else by its name."""
    places = [(apart / place).with_suffix(".txt") for place in (path, PurePosixPath(path).name)]
    return places[0] if places[0].is_file() else places[1]


def _of_frames(root: Path, apart: Path | None, taken: Set[Path], findings: Findings) -> dict[tuple[str, int], Path]:
    """The files of labels of frames of videos under `root`, by path and frame from 0, without those `taken` by pictures."""
    videos = list_images(root, recursive=True, suffixes=VIDEO_SUFFIXES)
    labels = frame_labels(root, videos, apart)
    files = [(path, n, own[n]) for path, own in labels.items() for n in sorted(own) if own[n] not in taken]
    first = 0 if any(n == 0 for _, n, _ in files) else 1
    found = {(path, n - first): file for path, n, file in files}
    if found:
        n_videos = len({path for path, _ in found})
        findings.notes.append(
            f"labels of frames of videos, counted from {first}: {len(found)}, of {so_many(n_videos, 'video')}"
        )
        without = [shown(path) for path in videos if path not in labels]
        if without:
            findings.warnings.append(f"videos without labels, left out: {len(without)} ({shortened(without)})")
    return found


def frame_labels(root: Path, videos: Iterable[str], apart: Path | None = None) -> dict[str, Mapping[int, Path]]:
    """The files `NAME_12.txt` of frames, as Ultralytics writes them, of those of the `videos` that have any.

    Videos are paths below `root`. The files lie in `labels` beside the video, where `label_place` says, or beside it; if a
    folder `apart` of labels is given, in that, or in the folder of the video there.
    """
    places: dict[str, tuple[Path, ...]] = {}
    for path in videos:
        beside = (root / path).parent
        if apart is None:
            places[path] = (beside / LABELS, (root / label_place(path)).parent, beside)
        else:
            places[path] = ((apart / path).parent, apart)
    numbered: dict[tuple[Path, str], dict[int, Path]] = {}
    for folder in set(chain(*places.values())):
        for file in folder.glob("*_*.txt"):
            name, _, number = file.stem.rpartition("_")
            if number.isdecimal():
                numbered.setdefault((folder, name), {})[int(number)] = file
    keys = {path: [(folder, PurePosixPath(path).stem) for folder in folders] for path, folders in places.items()}
    found = {path: next((numbered[key] for key in own if key in numbered), {}) for path, own in keys.items()}
    return {path: own for path, own in found.items() if own}


def _without_picture(files: Set[Path]) -> dict[str, int]:
    """How many boxes each file has that lies beside the label `files` and is of no picture, by its first line for messages."""
    found: dict[str, int] = {}
    for file in sorted(file for folder in {file.parent for file in files} for file in folder.glob("*.txt")):
        try:
            lines = [] if file in files else _lines(file)
        except DbcError:
            # a list of classes, or of files
            continue
        found |= {line.origin: len(lines) for line in lines[:1]}
    return found


def class_names(source: Path, findings: Findings) -> dict[str, str]:
    """The name of each class by its number, of a list (`classes.txt`, `obj.names`) or of `names` in `data.yaml`; or empty.

    It is warned of if `names` is there and cannot be read.
    """
    for list_name in ("classes.txt", "obj.names"):
        if (source / list_name).is_file():
            # a line is a class, an empty one too
            return {str(number - 1): name.strip() for number, name in numbered_lines(source / list_name)}
    file = source / "data.yaml"
    if not file.is_file():
        return {}
    import yaml  # type: ignore[import-untyped]

    try:
        # a class called no is no truth value: this loader makes text of all, and no other objects
        told = yaml.load("\n".join(read_lines(file)), Loader=yaml.BaseLoader)  # noqa: S506
        names = told["names"]
        found = dict(enumerate(names) if isinstance(names, list) else names.items())
    except (yaml.YAMLError, KeyError, TypeError, AttributeError, ValueError, RecursionError):
        findings.warnings.append(
            f"{shown(file)} has no `names` that can be read as YAML, so classes are called by their numbers"
        )
        return {}
    return {str(number).strip(): str(name).strip() for number, name in found.items()}


def label_file(source: Path, path: str) -> Path:
    """The file of labels of the picture `path`: where `label_place` says, in `labels` beside the picture, or beside it."""
    beside = (source / path).with_suffix(".txt")
    places = (source / label_place(path), beside.parent / LABELS / beside.name)
    return next((place for place in places if place.is_file()), beside)


def label_place(path: str) -> str:
    """Where the labels of the picture `path` belong: in `labels` for the last folder `images`, else beside it."""
    *folders, name = PurePosixPath(path).with_suffix(".txt").parts
    return "/".join([*_with_last(folders, IMAGES, LABELS), name])


def _with_last(folders: Sequence[str], name: str, other: str) -> list[str]:
    """`folders` with `other` in place of the last one called `name`."""
    if name not in folders:
        return list(folders)
    place = len(folders) - 1 - folders[::-1].index(name)
    return [*folders[:place], other, *folders[place + 1 :]]


def why_yolo(source: Path) -> str | None:
    """One line that says why `source` is YOLO: one of its first text files holds labels of a picture; else None."""
    for file in _near(source):
        with suppress(DbcError):
            if _lines(file):
                return f"{plain(file.relative_to(source).as_posix())} has boxes of YOLO"
    if labels := _alone(source):
        return f"{plain(labels.relative_to(source).as_posix())} has boxes of YOLO, and there are no pictures"
    return why_frames(source)


def _alone(source: Path) -> Path | None:
    """The first file of labels in a folder of labels alone, or in `labels` of one that holds little else; else None."""
    folder = source / LABELS if (source / LABELS).is_dir() else source
    with suppress(OSError):
        there = (each for each in source.iterdir() if not each.name.startswith("."))
        if all(each.suffix in (".txt", ".yaml") or each == folder for each in islice(there, LOOKED_AT)):
            for file in filter(_is_full, first_files(folder)):
                with suppress(DbcError):
                    if _lines(file):
                        return file
    return None


def why_frames(source: Path) -> str | None:
    """One line if `source` is a folder with videos and no pictures, and has labels of a frame of them; else None."""
    with suppress(DbcError):
        if not list_images(source, recursive=False):
            labels = frame_labels(source, list_images(source, recursive=False, suffixes=VIDEO_SUFFIXES))
            for file in islice((own[frame] for own in labels.values() for frame in sorted(own)), LOOKED_AT):
                with suppress(DbcError):
                    if _lines(file):
                        name = plain(file.relative_to(source).as_posix())
                        return f"{name} has boxes of YOLO of a frame of a video"
    return None


def refuse_bad_labels(source: Path) -> None:
    """Raise UsageError for a file near `source`, where `why_yolo` found none, that would be one of labels but for a mistake.

    Half of its first lines or more are numbers, but for one word.
    """
    for file in _near(source):
        try:
            lines = [CELL.split(line) for line in first_lines(file)]
        except (OSError, UnicodeDecodeError):
            continue
        if 2 * sum(map(_are_numbers, lines)) >= len(lines) > 0:
            try:
                _lines(file)
            except DbcError as error:
                raise UsageError(f"{error}; or say `format='folder'` if it has no boxes of YOLO") from error


def _are_numbers(cells: Sequence[str]) -> bool:
    """Whether these are four numbers or more, but for one word."""
    n_numbers = sum(is_missing(cell) or number_of(cell) is not None for cell in cells)
    return len(cells) >= _BOX - 1 <= n_numbers + 1 >= len(cells)


def _near(source: Path) -> Iterator[Path]:
    """The first text files in `source` and its folders that have the name of a picture and are not empty."""
    if not source.is_dir():
        return
    below = subfolders(source)[:LOOKED_AT]
    places = [(source, f"{LABELS}/**/*.txt"), *((folder, f"{LABELS}/*.txt") for folder in below), (source, "*.txt")]
    places += [(folder, "*.txt") for folder in below]
    near = chain.from_iterable(folder.glob(pattern) for folder, pattern in places)
    yield from filter(_has_picture, islice(filter(_is_full, near), LOOKED_AT))


def _is_full(file: Path) -> bool:
    try:
        return file.stat().st_size > 0
    except OSError:
        return False


def _has_picture(label: Path) -> bool:
    folders = [label.parent, Path(*_with_last(label.parent.parts, LABELS, IMAGES))]
    folders += [label.parent.parent] if label.parent.name == LABELS else []
    return any((folder / f"{label.stem}{suffix}").is_file() for folder in folders for suffix in _COMMON)


def _lines(file: Path) -> list[LabelLine]:
    lines = []
    for number, text in numbered_lines(file):
        origin = f"{shown(file)} line {number}"
        fields = text.split()
        has_track = len(fields) == _WITH_BOTH and _is_track(fields[-1])
        if len(fields) > _WITH_ONE and not has_track:
            raise UsageError(f"{origin} has {len(fields)} fields, as outlines have; save boxes: class x y width height")
        numbers = [found for found in map(number_of, fields[1:_BOX]) if found is not None]
        if len(numbers) < _BOX - 1:
            raise UsageError(f"{origin}: {shown(text.strip())} is not class x y width height; write it as YOLO does")
        x, y, width, height = numbers
        if len(fields) > _BOX:
            score_of(fields[_BOX], origin, name="the sixth field")
        lines.append(LabelLine(origin, fields[0], (x, y, width, height), tuple(fields[_BOX:])))
    return lines


def _is_track(field: str) -> bool:
    return is_missing(field) or whole_number(field) is not None


def _are_tracks(fields: Sequence[str]) -> bool:
    """Whether all `fields` are whole numbers, and not confidences of 1.0."""
    numbers = [number_of(field) or 0 for field in fields]
    return all(map(_is_track, fields)) and not (max(numbers, default=0) <= 1 and any("." in field for field in fields))


def _detections(path: str, frame: int, lines: list[LabelLine], *, sixth_is_track: bool) -> Iterator[Detection]:
    """The boxes of a picture (`frame` −1), or of a frame of the video `path`."""
    folder = path.rpartition("/" if frame < 0 else ".")[0]
    for line in lines:
        x, y, width, height = line.box
        track = line.more[-1] if len(line.more) == 2 or (line.more and sixth_is_track) else ""
        score = line.more[0] if len(line.more) == 2 or (line.more and not sixth_is_track) else ""
        yield Detection(
            path=path,
            origin=line.origin,
            box=(x - width / 2, y - height / 2, width, height),
            is_relative=True,
            frame=frame,
            camera="" if frame < 0 else folder,
            category=line.kind,
            score=score_of(score, line.origin),
            tracklet="" if is_missing(track) else f"{folder}/{track}",
        )


FORMAT = Format(
    name="yolo",
    description="YOLO: NAME.txt (NAME_FRAME.txt of videos) beside pictures or in labels/: class, box, confidence, track.",
    read_table=read_yolo,
    recognise=why_yolo,
    options=NAMING | BOXES,
)
