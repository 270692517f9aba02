"""Pictures of several cameras that have the same names: each is looked for in a folder called as its camera."""

from __future__ import annotations

from collections.abc import Sequence, Set
from pathlib import Path

from schemas.parameters import IngestParameters
from stages.errors import UsageError
from stages.ingest.formats.detection import Detection
from stages.ingest.formats.format import Findings
from stages.ingest.formats.listing import file_names, list_images
from stages.ingest.formats.names import is_missing
from stages.wording import shown, so_many


class CameraFolders:
    """Where pictures lie below `root`: where their paths lead, or else in a folder called as their camera."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._names: dict[str, set[str]] = {}
        self._alike: dict[str, list[str]] | None = None

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
        if self._alike is None:
            self._alike = {}
            for each in list_images(self._root, recursive=True):
                self._alike.setdefault(each.rpartition("/")[2], []).append(each)
        alike = self._alike.get(path.rpartition("/")[2], [])
        found = [each for each in alike if f"/{each}".endswith(f"/{path}") and f"/{camera}/" in f"/{each}"]
        return found[0] if len(found) == 1 else path


def in_camera_folders(
    rows: list[Detection], listed: Set[str] | None, root: Path, parameters: IngestParameters, findings: Findings
) -> tuple[list[Detection], Set[str] | None]:
    """`rows` and `listed` with the paths of pictures that lie in a folder called as their camera, which is told.

    UsageError if a picture that is there is of two cameras, unless `camera_pattern` says which.
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
        _refuse_two_cameras(rows, folders)
    return rows, listed


def _refuse_two_cameras(rows: Sequence[Detection], folders: CameraFolders) -> None:
    first: dict[str, Detection] = {}
    wrong: dict[str, Detection] = {}
    for row in rows:
        if not is_missing(row.camera) and first.setdefault(row.path, row).camera != row.camera:
            wrong.setdefault(row.path, row)
    there = [row for path, row in wrong.items() if folders.has(path)]
    if there:
        row = there[0]
        before = first[row.path]
        raise UsageError(
            f"{row.origin}: {shown(row.path)} is of camera {shown(row.camera)}, and of {shown(before.camera)} in "
            f"{before.origin}; {so_many(len(there), 'picture')} so; if cameras have "
            "pictures of the same name, put those of each into a folder called as the camera below `root`"
        )
