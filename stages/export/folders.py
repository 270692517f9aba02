"""A folder for each cluster, with links to its pictures or copies of them."""

from __future__ import annotations

import os
import re
import secrets
import shutil
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path

from PIL import Image

from stages.errors import DbcError, UsageError, file_problem
from stages.export.members import Member
from stages.export.pictures import require_box_within
from stages.ingest.decode.crops import BadImageError
from stages.ingest.decode.pixels import is_video, whole_pictures
from stages.ingest.known_later import NEW
from stages.ingest.whereabouts import PictureFiles
from stages.output_files import on_failure

_UNSAFE = re.compile(r"[^\w.()+=@ -]+")
_MOST_LETTERS = 150


def write_folders(rows: Sequence[Member], folder: Path, *, pictures: PictureFiles, copy: bool) -> int:
    """Make `folder` with one folder a cluster, which holds links to the `pictures`, or copies; their number.

    Those that were assigned to none of the individuals, so to new ones, are in `new`. A picture keeps its name, made safe,
    after its place in the cluster: the nearest to the centre comes first. If files of one name lie in several folders, that
    of the camera, or of the folder if one camera has several, stands before it. Links to pictures with several boxes have left
    and top of theirs. Copies of boxes and of frames are what was cut out of the picture or video, as JPEG; links lead to the
    whole picture.
    DbcError if `folder` is there and not empty, or cannot be written, or a picture cannot be read or is smaller than it was:
    nothing is left of it then. UsageError for links to frames of videos.
    """
    target = Path(os.path.realpath(folder))
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise DbcError(
            f"{folder} is there and not empty, and is never replaced; remove it, or give another as `folders`"
        )
    places = list(_places([row for row in rows if row.path not in pictures.lost], copy=copy))
    video = next((row.path for row, _ in places if is_video(row.path)), None)
    if video is not None and not copy:
        raise UsageError(f"there are no links to frames of {video!r}, which is a video; use `copy=True`")
    part = target.with_name(f".{target.name}.writing-{os.getpid()}-{secrets.token_hex(4)}")
    try:
        for name in {Path(place).parent for _, place in places}:
            (part / name).mkdir(parents=True, exist_ok=True)
        part.mkdir(parents=True, exist_ok=True)
        if not copy:
            for row, place in places:
                (part / place).symlink_to(pictures.file(row.path))
        else:
            _copy(places, part, pictures)
        part.replace(target)
        on_failure(lambda: shutil.rmtree(target))
    except OSError as error:
        advice = "" if copy else "; if links are not possible there, use `copy=True`"
        raise DbcError(
            f"{file_problem(error, folder, failed='cannot be written', elsewhere='folders')}{advice}"
        ) from error
    finally:
        # also after Ctrl-C
        shutil.rmtree(part, ignore_errors=True)
    return len(places)


def _copy(places: Sequence[tuple[Member, str]], folder: Path, pictures: PictureFiles) -> None:
    """Copy pictures to their places in `folder`, or save what was cut out of them; each is decoded once."""
    ordered = sorted(places, key=lambda each: (each[0].path, _frame(each[0])))
    for path, group in groupby(ordered, key=lambda each: each[0].path):
        members = list(group)
        if not _is_cut(members[0][0]):
            for _, place in members:
                shutil.copy2(pictures.file(path), folder / place)
            continue
        by_frame = {frame: list(own) for frame, own in groupby(members, key=lambda each: _frame(each[0]))}
        try:
            for own, picture in zip(
                by_frame.values(), whole_pictures(pictures.file(path), list(by_frame)), strict=True
            ):
                _save(own, picture, folder)
        except BadImageError as error:
            raise DbcError(
                f"{pictures.file(path)} {error}; restore it, or give the folder of the pictures as `root`"
            ) from error


def _save(members: Sequence[tuple[Member, str]], picture: Image.Image, folder: Path) -> None:
    for row, place in members:
        left, top, width, height = box = row.cut_out or (0, 0, *picture.size)
        require_box_within(row, box, picture.size)
        picture.crop((left, top, left + width, top + height)).save(folder / place, quality=95)


def _frame(row: Member) -> int:
    """The frame of a video, 0 of a picture."""
    return (row.frame or 0) if is_video(row.path) else 0


def _is_cut(row: Member) -> bool:
    """Whether the image of `row` is a box in a picture or a frame of a video."""
    return row.cut_out is not None or is_video(row.path)


def _places(rows: Sequence[Member], *, copy: bool) -> Iterator[tuple[Member, str]]:
    """Every picture that is clustered or of a new individual, and the path that it gets."""
    digits = len(str(max((row.individual or 0 for row in rows), default=0)))
    n_new = sum(row.is_new for row in rows)
    count: Counter[str] = Counter()
    n_boxes = Counter((row.path, row.frame) for row in rows)
    cameras = {row.path: row.camera for row in rows}
    n_files = Counter(safe_name(path).casefold() for path in cameras)
    of_camera = Counter((camera, safe_name(path).casefold()) for path, camera in cameras.items())
    is_named_again = max(n_files.values(), default=0) > 1
    by_camera = max(of_camera.values(), default=0) == 1
    for row in rows:
        if row.individual is None and not row.is_new:
            continue
        place = NEW if row.individual is None else _folder(row, digits)
        count[place] += 1
        width = len(str(n_new if row.individual is None else row.cluster_size))
        name = safe_name(row.path)
        if is_named_again and (where := (row.camera if by_camera else None) or row.path.rpartition("/")[0]):
            name = f"{safe_name(where.replace('../', '').replace('/', '_'))[: _MOST_LETTERS // 3]}_{name}"
        if not copy and row.box is not None and n_boxes[row.path, row.frame] > 1:
            suffix = Path(name).suffix
            name = f"{name.removesuffix(suffix)}-at-{row.box[0]}-{row.box[1]}{suffix}"
        if copy and _is_cut(row):
            frame = f"-{_frame(row):06}" if is_video(row.path) else ""
            name = f"{name.removesuffix(Path(name).suffix)}{frame}.jpg"
        yield row, f"{place}/{count[place]:0{width}}_{name}"


def _folder(row: Member, digits: int) -> str:
    """The folder of the individual of `row`: `individual-073`, or `individual-073-Ayo` if it has a name."""
    name = "" if row.name is None else "-" + _UNSAFE.sub("_", row.name).strip(" .")[:_MOST_LETTERS]
    return f"individual-{row.individual:0{digits}}{name}"


def safe_name(path: str) -> str:
    """The name of the file `path` without what some file system refuses; its ending stays."""
    name = _UNSAFE.sub("_", path.rpartition("/")[2]).strip(" .") or "picture"
    stem, dot, suffix = name.rpartition(".")
    if not dot or len(suffix) > 8:
        return name[:_MOST_LETTERS]
    return f"{stem[:_MOST_LETTERS]}.{suffix}"
