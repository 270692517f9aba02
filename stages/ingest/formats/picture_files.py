"""Files of boxes, one for each picture, beside it or in a folder of their own: which picture each of them is of."""

from __future__ import annotations

import os.path
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from mmap import ACCESS_READ, mmap
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

from schemas.parameters import IngestParameters
from stages.errors import UsageError
from stages.ingest.formats.detection import Detection
from stages.ingest.formats.detections import samples_of, told_tracks
from stages.ingest.formats.format import Findings
from stages.ingest.formats.json_file import forget_json
from stages.ingest.formats.listing import LOOKED_AT, list_images, no_images, subfolders
from stages.ingest.formats.names import is_missing
from stages.ingest.formats.numbers import text_of
from stages.plain_files import plain_file
from stages.samples import Samples
from stages.wording import plain, shown, so_many

_ANNOTATIONS = frozenset({"annotations", "annotation", "ann", "labels", "xml", "xmls", "json", "jsons"})
_PLACES = _ANNOTATIONS | {"jpegimages", "images", "image", "img", "imgs"}
"""Folders, in any case, that do not count when places are compared: `Annotations/a/1.xml` and `JPEGImages/a/1.jpg`."""
_MASKS = frozenset({"segmentationclass", "segmentationobject"})
"""Folders of VOC whose pictures are masks of others."""
FIELDS = {"individual": "identity", "individualid": "identity", "identity": "identity", "trackid": "tracklet"}
FIELDS |= dict.fromkeys(("view", "viewpoint", "flank"), "view")
"""What is taken of the attributes of a box, by their names in small letters without _."""


class Annotated(NamedTuple):
    """What a file says: the name of its picture, with folders or not, and the boxes in it, without the path."""

    picture: str
    boxes: list[Detection]


class Kind(NamedTuple):
    """A format of such files. `of_file` gives what a file says, or None if it is of no such format.

    It counts what it leaves out in its second argument, and what else there is to tell in its third. A file that may be of
    this format has all of the `signs`, expressions of bytes.
    """

    name: str
    suffix: str
    signs: Sequence[bytes]
    of_file: Callable[[Path, Counter[str], Counter[str]], Annotated | None]

    def read(self, source: Path, root: Path, parameters: IngestParameters, findings: Findings) -> Samples:
        """The boxes of the pictures below `root` of which a file below `source` says any.

        Pictures without a file or without boxes are counted and left out. Boxes of one tracklet in one folder are one sample.
        UsageError for a file with boxes of no picture (left out and counted if bad images are skipped), for two of one, and
        for what is wrong in one, with its place.
        """
        paths = [path for path in list_images(root, recursive=True) if not _MASKS & {*path.lower().split("/")}]
        if not paths:
            raise no_images(root)
        of_picture = _of_pictures(source, _PicturesByName(paths), parameters, findings, self)
        forget_json()
        found = [box for boxes in of_picture.values() for box in boxes]
        if not found:
            raise UsageError(
                f"{shown(source)}: the {len(of_picture)} files of {self.name} have no boxes; give some with boxes"
            )
        n_empty = sum(not boxes for boxes in of_picture.values())
        if n_empty or len(of_picture) < len(paths):
            without = f"{len(paths) - len(of_picture)} without a {self.suffix} file, {n_empty} without boxes"
            findings.notes.append(f"pictures left out: {without}; of {len(paths)}")
        samples = samples_of(found, source=source, root=root, parameters=parameters, findings=findings)
        findings.warnings += told_tracks(
            samples, "track_id in one folder", "CVAT counts tracks anew in each task: give each a folder of its own"
        )
        return samples

    def recognise(self, source: Path) -> str | None:
        """One line if one of the first files of the suffix near `source` has the signs of the format; else None."""
        for file in islice(_near(source, self.suffix) if source.is_dir() else (), LOOKED_AT):
            if has_signs(file, self.signs):
                return f"{plain(file.relative_to(source).as_posix())} has the boxes of a picture as {self.name} writes them"
        return None


def _of_pictures(
    source: Path, pictures: _PicturesByName, parameters: IngestParameters, findings: Findings, kind: Kind
) -> dict[str, list[Detection]]:
    """The boxes of each of the pictures that has a file; what else the files are is told in the findings."""
    told: Counter[str] = Counter()
    found: dict[str, list[Detection]] = {}
    file_of: dict[str, str] = {}
    strays: dict[str, int] = {}
    for file in list_images(source, recursive=True, suffixes=frozenset({kind.suffix})):
        annotated = kind.of_file(source / file, findings.boxes, told)
        if annotated is None:
            told[f"{kind.suffix} files that are not of {kind.name}, left out"] += 1
            continue
        picture = pictures.of(file, annotated.picture, source)
        if picture is None:
            strays |= {shown(source / file): len(annotated.boxes)} if annotated.boxes else {}
            continue
        before = file_of.setdefault(picture, file)
        if before != file:
            raise UsageError(f"{shown(before)} and {shown(file)} are both of {shown(picture)}; keep one")
        folder = picture.rpartition("/")[0]
        other = str(PurePosixPath(folder, _name(annotated.picture)))
        if other != picture and other in pictures.paths:
            told["files that name another picture than the one they are called after, whose boxes they are"] += 1
        found[picture] = [
            box._replace(path=picture, tracklet=f"{folder}/{box.tracklet}" if box.tracklet else "")
            for box in annotated.boxes
        ]
    refuse_strays(
        strays,
        parameters,
        findings,
        "" if found else "give the folder of both, or the folder of the pictures as `root`",
    )
    if not found:
        raise UsageError(
            f"{shown(source)} has no {kind.suffix} file of {kind.name} of a picture; give the folder of both, or that of the "
            "files, with the folder of the pictures as `root`"
        )
    findings.notes += [f"{what}: {n}" for what, n in sorted((+told).items())]
    return found


def refuse_strays(
    strays: Mapping[str, int], parameters: IngestParameters, findings: Findings, advice: str = ""
) -> None:
    """Raise UsageError for files without a picture, or count their boxes, given by file, if bad images are skipped."""
    if strays and parameters.on_bad_image == "skip":
        findings.boxes["in files without a picture"] += sum(strays.values())
    elif strays:
        more = f", nor have those of {so_many(len(strays) - 1, 'other file')}" if len(strays) > 1 else ""
        advice = advice or "restore it, or leave such files out with `on_bad_image='skip'`"
        raise UsageError(f"{next(iter(strays))}: the boxes of this file have no picture{more}; {advice}")


class _PicturesByName:
    """Pictures, found by the place and name of the file that is of one of them, or else by the name that it says."""

    def __init__(self, paths: Iterable[str]) -> None:
        self.paths = frozenset(paths)
        self._alike: dict[str, list[str]] = {}
        for path in paths:
            self._alike.setdefault(_key(path), []).append(path)

    def of(self, file: str, said: str, source: Path) -> str | None:
        """The picture of `file`; None if it is not there, UsageError if it may be one of several."""
        folder = file.rpartition("/")[0]
        there = os.path.normpath(f"{folder or '.'}/{said.replace(chr(92), '/')}")
        named = [there] if there in self.paths else self._alike.get(_key(f"{folder}/{_name(said)}"), [])
        found = self._alike.get(_key(file)) or named
        for is_meant in (lambda path: path.rpartition("/")[0] == folder, lambda path: _name(path) == _name(said)):
            found = list(filter(is_meant, found)) or found
        if len(found) > 1:
            raise UsageError(
                f"{shown(source / file)} may be of {shown(found[0])} or of {shown(found[1])}; leave only one of them"
            )
        return found[0] if found else None


def _name(path: str) -> str:
    """The last part of a path as any system writes it."""
    return path.replace("\\", "/").rpartition("/")[2]


def _key(path: str) -> str:
    """Key by which a picture and its file of boxes are matched."""
    pure = PurePosixPath(path)
    return "/".join([*(part for part in pure.parts[:-1] if part.casefold() not in _PLACES), pure.stem])


def key_of(name: str) -> str:
    """The key by which `FIELDS` have the name of an attribute."""
    return name.strip().casefold().replace("_", "")


def box_attributes(said: Mapping[str, object], origin: str) -> dict[str, Any]:
    """Identity, tracklet and view as the attributes of a box say them, those that do."""
    found: dict[str, Any] = {}
    for name, value in said.items():
        field = FIELDS.get(key_of(name))
        if field is not None and not is_missing(text := text_of(value, origin, name=name)):
            found.setdefault(field, text.strip())
    return found


def _near(source: Path, suffix: str) -> Iterator[Path]:
    """The files of the suffix in `source`, in the folders there, and in folders of annotations and what these hold."""
    below = subfolders(source)[:LOOKED_AT]
    deeper = [
        each
        for folder in below
        for each in subfolders(folder)[:LOOKED_AT]
        if _ANNOTATIONS & {folder.name.casefold(), each.name.casefold()}
    ]
    for folder in (source, *below, *deeper):
        yield from sorted(file for file in folder.glob(f"*{suffix}") if not file.name.startswith("."))


def has_signs(file: Path, signs: Sequence[bytes]) -> bool:
    """Whether all `signs`, expressions of bytes, are in `file`; it is not parsed, and not if it cannot be read."""
    try:
        with open(file, "rb", opener=plain_file) as opened, mmap(opened.fileno(), 0, access=ACCESS_READ) as content:
            return all(re.search(sign, content) for sign in signs)
    except (OSError, ValueError):
        return False
