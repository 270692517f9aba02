"""Sorted listings of image files, and what else lies beside them."""

from __future__ import annotations

import os
import re
import unicodedata
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from itertools import filterfalse
from pathlib import Path
from typing import NamedTuple

from schemas.parameters import IngestParameters
from stages.errors import DbcError, UsageError
from stages.ingest.decode.image_file import image_suffixes
from stages.ingest.decode.pixels import is_video
from stages.ingest.formats.relative_paths import told_beginning
from stages.runs.run_directory import RunDirectory
from stages.wording import counted, shown

_SYSTEM_FILES = frozenset({"thumbs.db", "desktop.ini", "icon\r"})
_SYSTEM_FOLDERS = frozenset({"@eadir", "#recycle", "$recycle.bin", "system volume information", "__macosx"})
"""Folders that hold thumbnails, deleted files and the like: of network drives, Windows and archives of macOS."""
HIDDEN = "hidden"
NO_SUFFIX = "without suffix"
RUN = "run folder"
LOOKED_AT = 50
"""Files, or folders, that are looked at to know what they are."""
NAMED = 5
"""Lost files that a message names."""
_OTHER_PICTURES = frozenset(
    {
        *(".heic", ".heif", ".hif", ".avif", ".webp", ".jp2", ".jxl", ".cr2", ".cr3", ".crw", ".nef", ".nrw", ".arw"),
        *(".dng", ".orf", ".rw2", ".raf", ".pef", ".srw", ".raw", ".x3f"),
    }
)
"""Suffixes of pictures that Pillow, or one built without a library, does not read: of telephones, and raw ones of cameras."""
HARMLESS = frozenset({HIDDEN, RUN, ".csv", ".db", ".html", ".ini", ".json", ".mat", ".md", ".pdf", ".txt", ".xml"})
"""What `left_out` may count without a warning: what lies beside images in published sets."""


def list_images(folder: Path, *, recursive: bool, suffixes: frozenset[str] | None = None) -> list[str]:
    """Sorted POSIX paths relative to `folder` of its files with `suffixes`, by default images (`image_suffixes`, any case).

    Symbolic links are followed, to files and folders, but not to a folder that holds the link, which would have no end.
    A link to nothing is listed by its name, so that decoding reports it. Hidden files and folders, folders of runs, and files
    with other suffixes, are left out (`left_out` counts them). Raises `UsageError` if `folder` is no folder or a name is not
    UTF-8, `DbcError` if it cannot be read.
    """
    if not folder.is_dir():
        raise UsageError(f"{shown(folder)} is not a folder; give the folder that holds the images")
    suffixes = image_suffixes() if suffixes is None else suffixes
    try:
        entries = _walk(str(folder), "", recursive=recursive, above=())
        paths = sorted(path for path, entry in entries if suffix_of(path) in suffixes and _is_file_or_dead(entry))
    except OSError as error:
        raise DbcError(f"cannot list {shown(error.filename)}: {error.strerror}; make it readable") from error
    for path in paths:
        if not _is_utf8(path):
            raise UsageError(f"file name {shown(path)} in {shown(folder)} is not UTF-8; rename the file")
    return paths


def subfolders(folder: Path) -> list[Path]:
    """The folders in `folder` that are neither hidden nor runs, sorted; empty if it cannot be read. Files do not count."""
    try:
        with os.scandir(folder) as entries:
            found = sorted(Path(each.path) for each in entries if each.is_dir() and not _is_hidden(each.name))
        return [each for each in found if not _is_run(each)]
    except OSError:
        return []


def first_files(folder: Path, pattern: str = "*.txt") -> list[Path]:
    """The files in `folder` that are looked at, by name, to know what they are."""
    return sorted(folder.glob(pattern))[:LOOKED_AT]


def left_out(folder: Path, *, taken: Collection[str], places: Counter[str] | None = None) -> Counter[str]:
    """How many files below `folder` are not `taken` (paths relative to it), by suffix in lower case.

    Hidden files, those of hidden folders and those of file managers (`Thumbs.db`) count as `HIDDEN`. A folder that
    cannot be read counts as one file, and so does that of a run, as `RUN`. `places` gains the images among them, by folder.
    """
    counts: Counter[str] = Counter()
    try:
        for path, _ in _walk(str(folder), "", recursive=True, above=(), hidden=True):
            if path not in taken:
                counts[left_out_kind(path)] += 1
                if places is not None and suffix_of(path) in image_suffixes():
                    places[path.rpartition("/")[0]] += 1
    except OSError:
        counts["in folders that cannot be read"] += 1
    return counts


def told_left_out(counts: Counter[str], places: Counter[str] | None = None) -> list[str]:
    """Lines about files that are left out (`left_out`): pictures of other kinds, videos, other pictures, and the rest."""
    place, n_there = max((places or Counter()).items(), key=lambda each: (each[1], each[0]), default=("", 0))
    pictures = Counter({kind: n for kind, n in counts.items() if kind in _OTHER_PICTURES - image_suffixes()})
    videos = Counter({kind: n for kind, n in counts.items() if is_video(kind)})
    lines = []
    if pictures:
        lines.append(
            f"pictures left out, because their kind cannot be read here: {counted(pictures)}; save them as JPEG"
        )
    if videos:
        lines.append(f"videos left out: {counted(videos)}; `format='video'` reads them, in a run of their own")
    unnamed = Counter({kind: n for kind, n in counts.items() if kind in image_suffixes()})
    if unnamed:
        where = f", {'all' if n_there == unnamed.total() else n_there} in {shown(place)}" if place else ""
        lines.append(f"pictures left out, because the table or layout does not name them: {counted(unnamed)}{where}")
    if rest := counts - pictures - videos - unnamed:
        lines.append(f"files left out, because they are not images of the data set: {counted(rest)}")
    return lines


class LostFiles(NamedTuple):
    """Which of the paths looked for are no files, by their places in the list; and what else was there.

    `beside` counts the files in the same folders that were not looked for, by suffix; `hint` says how the first is written
    there: with / for each backslash, without blanks around it, with other capitals or an ending.
    """

    places: list[int]
    beside: Counter[str]
    hint: str = ""

    def may_be_skipped(self, n_paths: int, parameters: IngestParameters) -> bool:
        """Whether they are left out as bad images are: some of the `n_paths` have to be there."""
        return parameters.on_bad_image == "skip" and len(self.places) < n_paths

    @property
    def told(self) -> str:
        """What to add to an error: empty, or why a file that is there was not found."""
        return f"; {self.hint}" if self.hint else ""


def lost_files(root: Path, paths: Sequence[str], *, known: Collection[str] = ()) -> LostFiles:
    """Which of `paths`, relative to `root`, are no files there, ascending; `known` files are not counted as lying beside them.

    Each folder is listed once, for a call a file is slow.
    """
    places_of: dict[str, list[int]] = {}
    for place, path in enumerate(paths):
        places_of.setdefault(path.rpartition("/")[0], []).append(place)
    lost: list[int] = []
    beside: Counter[str] = Counter()
    for folder, places in places_of.items():
        there = file_names(root / folder)
        names = [paths[place].rpartition("/")[2] for place in places]
        # a file system that ignores case or Unicode's forms finds what its listing does not
        missing = [
            place
            for place, name in zip(places, names, strict=True)
            if name not in there and not _is_file(root, paths[place])
        ]
        lost += missing
        prefix = f"{folder}/" if folder else ""
        beside.update(left_out_kind(name) for name in there.difference(names) if f"{prefix}{name}" not in known)
    lost.sort()
    return LostFiles(lost, beside, _hint(root, paths[lost[0]]) if lost else "")


def in_other_form(root: Path, paths: Iterable[str]) -> dict[str, str]:
    """By those of `paths` that are not below `root`, the path of the one file there that differs in its Unicode form alone.

    Macs part accents from their letters in names of files (NFD), and other programs write both as one (NFC).
    """
    by_form: dict[str, dict[str, list[str]]] = {}
    found = {}
    for path in filterfalse(str.isascii, paths):
        there = ""
        for part in path.split("/"):
            if there not in by_form:
                names = by_form.setdefault(there, {})
                for name in _names_in(root / there):
                    names.setdefault(unicodedata.normalize("NFC", name), []).append(name)
            alike = by_form[there].get(unicodedata.normalize("NFC", part), [])
            if part not in alike and len(alike) != 1:
                break
            name = part if part in alike else alike[0]
            there = f"{there}/{name}" if there else name
        else:
            # a file system may find it as it is
            if there != path and not _is_file(root, path):
                found[path] = there
    return found


def _hint(root: Path, path: str) -> str:
    """How the file `path`, which is not below `root`, is written there; empty if it is not there at all."""
    if "\\" in path and _is_file(root, path.replace("\\", "/")):
        return "it is there with / in place of each backslash, so write / in all paths"
    if path != path.strip() and _is_file(root, path.strip()):
        return "it is there without the blanks before or after it, so take them out of all paths"
    if beginning := told_beginning(path, root):
        return beginning
    if re.match("[a-z][a-z0-9]+:/", path):
        return "it is an address: download the pictures, and write where they are"
    if re.match(r"[A-Za-z]:[\\/]", path):
        return (
            "it begins with a drive of Windows: write paths from the folder that holds the pictures on, with / in them"
        )
    slashed, found = path.replace("\\", "/"), ""
    bare = suffix_of(slashed) not in image_suffixes() and not is_video(slashed)
    for part in slashed.split("/"):
        names = _names_in(root / found)
        alike = part if part in names else next((name for name in names if name.casefold() == part.casefold()), None)
        if alike is None and bare:
            alike = next((name for name in names if Path(name).stem.casefold() == part.casefold()), None)
        if alike is None:
            return "it has no ending such as .jpg, and all paths need those of their files" if bare else ""
        found = f"{found}/{alike}" if found else alike
    differs = ["/"] * ("\\" in path) + ["endings"] * bare
    differs += ["capital and small letters"] * (not found.startswith(slashed))
    return f"it is there as {shown(found)}, so write {' and '.join(differs)} in all paths as they are there"


def _names_in(folder: Path) -> list[str]:
    """The names of what is in `folder`, sorted; none if it cannot be read."""
    try:
        return sorted(entry.name for entry in folder.iterdir())
    except OSError:
        return []


def file_names(folder: Path) -> set[str]:
    """The names of the files in `folder`; none if it cannot be read."""
    try:
        with os.scandir(folder) as entries:
            return {entry.name for entry in entries if entry.is_file()}
    except OSError:
        return set()


def _is_file(root: Path, path: str) -> bool:
    try:
        return (root / path).is_file()
    except OSError:
        return False


def no_images(folder: Path) -> UsageError:
    """The error for a folder in which `list_images` found nothing, with what it holds instead."""
    found = counted(left_out(folder, taken=())) or "no files"
    return UsageError(
        f"{shown(folder)} holds no image files (.jpg, .png, .tif or another kind that Pillow reads), found {found}; give the "
        "folder that holds the images, or save them as one of these kinds"
    )


def suffix_of(path: str) -> str:
    """The suffix of a path's name in lower case, with its dot; empty if it has none."""
    return os.path.splitext(path)[1].lower()  # noqa: PTH122


def _is_hidden(name: str) -> bool:
    return name.startswith(".") or name.casefold() in _SYSTEM_FOLDERS


def left_out_kind(path: str) -> str:
    """Kind of file that `left_out` counts it as."""
    parts = path.split("/")
    if not parts[-1]:
        return RUN
    if any(map(_is_hidden, parts)) or parts[-1].lower() in _SYSTEM_FILES:
        return HIDDEN
    return suffix_of(path).encode("utf-8", "replace").decode() or NO_SUFFIX


def _walk(
    folder: str, prefix: str, *, recursive: bool, above: tuple[tuple[int, int], ...], hidden: bool = False
) -> Iterator[tuple[str, os.DirEntry[str]]]:
    """What is no folder in `folder`; `above` are the devices and inodes of the folders that it was reached through.

    The folder of a run below it stands for all that is in it: its path ends in a slash.
    """
    here = _identity(folder)
    if here in above:
        return
    with os.scandir(folder) as entries:
        for entry in entries:
            if not hidden and _is_hidden(entry.name):
                continue
            # pathlib takes a link that leads to itself for one to nothing; os raises
            if Path(entry.path).is_dir() if entry.is_symlink() else entry.is_dir():
                below = f"{prefix}{entry.name}/"
                if recursive and _is_run(Path(entry.path)):
                    yield below, entry
                elif recursive:
                    yield from _walk(entry.path, below, recursive=True, above=(*above, here), hidden=hidden)
            else:
                yield prefix + entry.name, entry


def _is_run(folder: Path) -> bool:
    """Whether it holds the dataset of a run, whose pictures are plots, sheets and copies."""
    try:
        return bool(RunDirectory(folder).versions("dataset"))
    except OSError:
        return False


def _identity(folder: str) -> tuple[int, int]:
    status = os.stat(folder)  # noqa: PTH116
    return status.st_dev, status.st_ino


def _is_file_or_dead(entry: os.DirEntry[str]) -> bool:
    """Whether an entry that is no folder is a file or a link to nothing; pipes, sockets and devices are neither."""
    if entry.is_symlink():
        path = Path(entry.path)
        return path.is_file() or not path.exists()
    return entry.is_file()


def _is_utf8(path: str) -> bool:
    return path.isprintable() or not any(0xDC80 <= ord(letter) <= 0xDCFF for letter in path)
