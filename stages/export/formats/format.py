"""What a format of other programs is: its name, whether it is a folder, and the function that writes its files as texts."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import KW_ONLY, dataclass, field
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import TypeAlias

from schemas.parameters import IngestParameters
from stages.errors import DbcError, UsageError
from stages.export.members import Member
from stages.export.pictures import paths_without_time, require_box_within, with_times
from stages.ingest.decode.crops import BadImageError
from stages.ingest.decode.pixels import is_video, shown_size
from stages.ingest.decode.video_file import frame_seconds
from stages.ingest.headers import taken_at
from stages.ingest.whereabouts import PictureFiles

Box: TypeAlias = tuple[float, float, float, float]


class LostPictureError(DbcError):
    """A picture that a format must look at is not there."""


@dataclass(eq=False)
class IngestedSource:
    """The source that was ingested by `parameters`. Its pictures are looked for, and their headers read, only if need be:
    `looked_at` says of which.

    `largest_number` is that of all individuals that the run ever had; `deployments` is a table of what is known of each
    camera, for formats that take it. `paths` are all that are written, `was_at` the folder that they started from when they
    were ingested, if that was kept. `named` are the folders that commands named which made the dataset, each with the one
    that its paths start from.
    """

    find: Callable[[], PictureFiles]
    parameters: IngestParameters
    _: KW_ONLY
    largest_number: int
    deployments: Path | None = None
    paths: Collection[str] = ()
    was_at: Path | None = None
    named: Sequence[tuple[Path, Path]] = ()
    looked_at: set[str] = field(default_factory=set)
    _sizes: dict[str, tuple[int, int]] = field(default_factory=dict)
    _seconds: dict[str, list[float]] = field(default_factory=dict)
    _top: str | None = None

    @cached_property
    def pictures(self) -> PictureFiles:
        """Where the pictures lie; UsageError if their folder is not there."""
        return self.find()

    @property
    def root(self) -> Path:
        """The folder that paths are relative to; UsageError if it is not there."""
        return self.pictures.root

    def size(self, path: str) -> tuple[int, int]:
        """Width and height in pixels of a picture or video as it is shown; DbcError if it cannot be read or is lost."""
        if path not in self._sizes:
            if path in self.pictures.lost:
                raise LostPictureError(f"picture {path!r} is not in {self.root}; restore it")
            self.looked_at.add(path)
            size = shown_size(self.pictures.file(path))
            if size is None:
                kind = "video" if is_video(path) else "picture"
                raise DbcError(f"{kind} {path!r} cannot be read in {self.root}; restore it")
            self._sizes[path] = size
        return self._sizes[path]

    def second(self, path: str, frame: int) -> float | None:
        """When the `frame` of a video is shown, in seconds from its first; None if the video cannot be read."""
        if path not in self._seconds:
            try:
                self._seconds[path] = frame_seconds(self.pictures.file(path))
            except (UsageError, BadImageError):
                self._seconds[path] = []
        seconds = self._seconds[path]
        return seconds[frame] if frame < len(seconds) else None

    def with_times(self, rows: Sequence[Member]) -> tuple[list[Member], tuple[str, ...]]:
        """The rows, with the time of EXIF where a picture has none, and a note of how many got one.

        Rows stay as they are if the source is not there, and so do those of lost pictures.
        """
        without = paths_without_time(rows)
        try:
            there = [path for path in without if path not in self.pictures.lost] if without else []
        except UsageError:
            return list(rows), ()
        self.looked_at.update(there)
        return with_times(rows, {path: taken_at(self.pictures.file(path)) for path in there})

    def place(self, path: str) -> str:
        """`path` relative to the folder that holds all pictures: other programs read nothing outside of it.

        Pictures that were added later may lie beside the root, as `../card2/1.jpg`: that becomes `card2/1.jpg`, and
        `1.jpg` in the root `card1` becomes `card1/1.jpg`. No two files get one place. A root that is not there counts as
        where it was. A picture that has another name or folder now is at that.
        """
        return self._places.get(path, path)

    @property
    def notes(self) -> tuple[str, ...]:
        """Which folder paths start from, if some were asked for and it is not the root."""
        return () if self._top is None else (self._top,)

    @cached_property
    def _places(self) -> Mapping[str, str]:
        there, lost, now = self.was_at, frozenset[str](), ", where they were and are not now"
        moved: Mapping[str, str] = {}
        with suppress(UsageError):
            there, lost, moved, now = self.root, self.pictures.lost, self.pictures.elsewhere, ""
        if not any(os.pardir in PurePosixPath(path).parts for path in (*self.paths, *moved.values())):
            return moved
        below = {path for path in self.paths if not path.startswith("../")}
        if below and below <= lost and self.was_at is not None:
            # a folder beside the root, which seems to have pictures because its own are `../card2/1.jpg`
            there, now = self.was_at, ", where they were and are not now"
        if there is None:
            self._top = (
                "pictures lie outside of the folder that was ingested, which is not there, so paths begin with ..; "
                "give it as `root`"
            )
            return {}
        # of a folder that is a link, `..` is where the folder behind it lies
        root = Path(os.path.realpath(there))
        absolute = {path: os.path.normpath(root / moved.get(path, path)) for path in self.paths}
        top = os.path.commonpath([root, *absolute.values()])
        if top != str(root):
            self._top = (
                f"pictures lie outside of {root}, too, so paths start from {top}{now}; dbc ingest takes it as `root`"
            )
        return {path: Path(os.path.relpath(place, top)).as_posix() for path, place in absolute.items()}

    def box(self, row: Member) -> Box:
        """Left, top, width and height in pixels: the row's own box, or the whole picture."""
        return (0, 0, *self.size(row.path)) if row.box is None else row.box

    def box_within(self, row: Member) -> Box:
        """The box within its picture; DbcError if the picture is smaller now, so that the box reaches beyond it."""
        box = self.box(row)
        require_box_within(row, box, self.size(row.path))
        return box

    def shares(self, row: Member) -> Box:
        """The box in shares of the picture's width and height."""
        width, height = self.size(row.path)
        left, top, wide, high = self.box_within(row)
        return left / width, top / height, wide / width, high / height


@dataclass(frozen=True)
class Layout:
    """The texts of `files` by their places, and `notes`, what a reader should know. The place of the only file is empty."""

    files: Mapping[str, str]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class ExportFormat:
    """A format of another program, in a file with `suffix` or, if that is empty, in a folder.

    `layout` gets every row of the data set; those without a cluster have no individual.
    """

    name: str
    suffix: str
    layout: Callable[[Sequence[Member], IngestedSource], Layout]


def counts(*found: tuple[int | str, str]) -> tuple[str, ...]:
    """A note for each of `found` that there is: how many, and of what."""
    return tuple(f"{what}: {n}" for n, what in found if n)


def in_order(rows: Sequence[Member]) -> list[Member]:
    """The rows in order of picture, frame and box."""
    return sorted(rows, key=lambda row: (row.path, -1 if row.frame is None else row.frame, row.box or ()))


def refuse_videos(rows: Sequence[Member], name: str) -> None:
    """Raise UsageError if one of `rows` is of a video, of which the format `name` knows nothing."""
    video = next((row.path for row in rows if is_video(row.path)), None)
    if video is not None:
        raise UsageError(f"{video!r} is a video, and `format='{name}'` has no frames; give another `format`")


ANIMAL = "animal"
"""The category of boxes for which the source names no other."""


def category_of(row: Member) -> str:
    """What the box shows, as the source calls it."""
    return row.category or ANIMAL


def decimal(number: float) -> str:
    """A number without needless digits: `12`, `0.25`."""
    return f"{number:.10g}"
