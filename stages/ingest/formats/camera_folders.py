"""Pictures of several cameras that have the same names: each is looked for in a folder called as its camera."""

from __future__ import annotations

from collections.abc import Callable, Collection, Container, Hashable, Iterable, Sequence, Set
from contextlib import suppress
from functools import cached_property
from pathlib import Path

from schemas.parameters import IngestParameters
from stages.errors import DbcError, UsageError
from stages.ingest.decode.pixels import is_video
from stages.ingest.formats.detection import Detection
from stages.ingest.formats.format import Findings
from stages.ingest.formats.listing import file_names, list_images, subfolders
from stages.ingest.formats.names import is_missing
from stages.wording import shown, so_many

_LEVELS = 3
"""Levels of folders below the root in which folders called as cameras are looked for."""


class CameraFolders:
    """Where pictures lie below `root`: where their paths lead, or else in a folder called as their camera."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._names: dict[str, set[str]] = {}
        self._pictures: dict[str, dict[tuple[str, str], list[str]]] = {}

    def has(self, path: str) -> bool:
        """Whether `path` is a file."""
        folder, _, name = path.rpartition("/")
        if folder not in self._names:
            self._names[folder] = file_names(self._root / folder)
        # a file system that ignores case finds what its listing does not
        return name in self._names[folder] or (self._root / path).is_file()

    def place(self, path: str, camera: str) -> str:
        """`path`, or, if it is no file, the one picture below a folder called `camera` whose path ends so."""
        if is_missing(camera) or self.has(path):
            return path
        if camera not in self._pictures:
            self._pictures[camera] = by_name_and_folder(self._below(camera), {camera})
        alike = self._pictures[camera].get((path.rpartition("/")[2], camera), [])
        found = [each for each in alike if f"/{each}".endswith(f"/{path}")]
        return found[0] if len(found) == 1 else path

    def _below(self, camera: str) -> list[str]:
        """The pictures below folders called `camera`; those of folders that cannot be listed are none."""
        found = set[str]()
        for folder in self._folders.get(camera.rpartition("/")[2], []):
            with suppress(DbcError, OSError):
                found |= {f"{folder}/{each}" for each in list_images(self._root / folder, recursive=True)}
        return sorted(found)

    @cached_property
    def _folders(self) -> dict[str, list[str]]:
        """The folders in the upper levels below the root, by their names; what lies further below may be very much."""
        found: dict[str, list[str]] = {}
        above = [""]
        for _ in range(_LEVELS):
            above = [f"{each}{folder.name}/" for each in above for folder in subfolders(self._root / each)]
            for path in above:
                found.setdefault(path[:-1].rpartition("/")[2], []).append(path[:-1])
        return found


def by_name_and_folder(paths: Iterable[str], folders: Collection[str]) -> dict[tuple[str, str], list[str]]:
    """`paths` by the name of their file and each of `folders` that they lie in, at whatever depth."""
    found: dict[tuple[str, str], list[str]] = {}
    by_end: dict[str, list[str]] = {}
    for folder in folders:
        by_end.setdefault(folder.rpartition("/")[2], []).append(folder)
    for path in paths:
        *parts, name = path.split("/")
        for part in by_end.keys() & set(parts):
            for folder in by_end[part]:
                if folder == part or f"/{folder}/" in f"/{path}":
                    found.setdefault((name, folder), []).append(path)
    return found


def of_shared_files(
    pictures: Iterable[tuple[str, Hashable, int]], taken: Container[int], is_there: Callable[[str], bool]
) -> tuple[list[list[int]], list[int]]:
    """Rows that are `taken` of different pictures of one file, a list a file; and those whose file only others share.

    `pictures` are a file, what tells the picture from others, and a row; several rows may be of one picture. Files that are
    not there are nobody's.
    """
    rows_of: dict[str, dict[Hashable, int]] = {}
    for file, picture, row in pictures:
        rows = rows_of.setdefault(file, {})
        if rows.setdefault(picture, row) not in taken:
            rows[picture] = row
    shared = [
        [row for row in rows.values() if row in taken]
        for file, rows in rows_of.items()
        if len(rows) > 1 and is_there(file)
    ]
    return [rows for rows in shared if len(rows) > 1], [rows[0] for rows in shared if len(rows) == 1]


def in_camera_folders(
    rows: list[Detection], listed: Set[str] | None, root: Path, parameters: IngestParameters, findings: Findings
) -> tuple[list[Detection], Set[str] | None]:
    """`rows` and `listed` with the paths of pictures that lie in a folder called as their camera, which is told.

    UsageError if a picture that is there is of two cameras, unless `camera_pattern` says which; its boxes may be.
    """
    folders = CameraFolders(root)
    pictures = dict.fromkeys((row.path, row.camera) for row in rows)
    moved = {each: found for each in pictures if (found := folders.place(*each)) != each[0]}
    if moved:
        (first, _), found = next(iter(sorted(moved.items())))
        findings.notes.append(
            "pictures that are not where their paths lead, taken from folders called as their camera: "
            f"{len(moved)}, the first {shown(first)} as {shown(found)}"
        )
        rows = [row._replace(path=moved.get((row.path, row.camera), row.path)) for row in rows]
        listed = None if listed is None else {*listed, *moved.values()}
    if parameters.camera_pattern is None:
        _refuse_two_cameras(rows, folders, findings)
    return rows, listed


def _refuse_two_cameras(rows: Iterable[Detection], folders: CameraFolders, findings: Findings) -> None:
    """UsageError if a picture or frame, or a box in one, is of two cameras; a warning if only different boxes are."""
    rows_of: dict[tuple[str, int], list[Detection]] = {}
    for row in rows:
        if not is_missing(row.camera):
            rows_of.setdefault((row.path, row.frame if is_video(row.path) else -1), []).append(row)
    several = [
        same for (path, _), same in rows_of.items() if len({row.camera for row in same}) > 1 and folders.has(path)
    ]
    wrong = [pair for pair in map(_of_two_cameras, several) if pair]
    advice = (
        "if cameras have pictures of the same name, put those of each into a folder called as the camera below `root`"
    )
    if wrong:
        before, row = wrong[0]
        raise UsageError(
            f"{row.origin}: {shown(row.path)} is of camera {shown(row.camera)}, and of {shown(before.camera)} in "
            f"{before.origin}; {so_many(len(wrong), 'picture')} so; {advice}"
        )
    if several:
        findings.warnings.append(
            f"pictures with boxes of different cameras: {len(several)}, the first {shown(several[0][0].path)}; {advice}"
        )


def _of_two_cameras(rows: Sequence[Detection]) -> tuple[Detection, Detection] | None:
    """Two of the `rows` of a picture that are of different cameras and of one box, or one of them of the whole picture."""
    of_box: dict[object, Detection] = {}
    for row in rows:
        if of_box.setdefault(row.box, row).camera != row.camera:
            return of_box[row.box], row
    whole = of_box.get(None)
    other = next((row for row in rows if whole is not None and row.camera != whole.camera), None)
    if whole is None or other is None:
        return None
    # as they are written
    first, second = sorted((whole, other), key=rows.index)
    return first, second
