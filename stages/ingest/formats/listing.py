"""Sorted listings of image files, blind to what file managers and archives leave behind."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from stages.errors import DbcError, UsageError
from stages.ingest.decode.image_file import IMAGE_SUFFIXES


def list_images(folder: Path, *, recursive: bool) -> list[str]:
    """Sorted POSIX paths relative to `folder` of its image files, by suffix (`IMAGE_SUFFIXES`, any case).

    Symbolic links are followed, to files and folders, but not to a folder that holds the link, which would have no end.
    A link to nothing is listed by its name, so that decoding tells of it. Hidden files and folders, and files of other
    kinds (`Thumbs.db`), are left out. Raises `UsageError` where `folder` is no folder or a name is not UTF-8, `DbcError`
    where it cannot be read.
    """
    if not folder.is_dir():
        raise UsageError(f"'{folder}' is not a folder; give the folder that holds the images")
    try:
        paths = sorted(_walk(str(folder), "", recursive=recursive, above=()))
    except OSError as error:
        raise DbcError(f"cannot list '{error.filename}': {error.strerror}; make it readable") from error
    for path in paths:
        if not path.isprintable() and any(0xDC80 <= ord(letter) <= 0xDCFF for letter in path):
            raise UsageError(f"file name {path!r} in '{folder}' is not UTF-8; rename the file")
    return paths


def no_images(folder: Path) -> UsageError:
    """The error for a folder in which `list_images` found nothing."""
    suffixes = ", ".join(sorted(IMAGE_SUFFIXES))
    return UsageError(
        f"'{folder}' holds no image files ({suffixes}; hidden files are left out); give the folder that holds the images"
    )


def _walk(folder: str, prefix: str, *, recursive: bool, above: tuple[tuple[int, int], ...]) -> Iterator[str]:
    """The image files of `folder`; `above` are the devices and inodes of the folders that it was reached through."""
    here = _identity(folder)
    if here in above:
        return
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.startswith("."):
                continue
            # pathlib takes a link that leads to itself for one to nothing; os raises
            if Path(entry.path).is_dir() if entry.is_symlink() else entry.is_dir():
                if recursive:
                    yield from _walk(entry.path, f"{prefix}{entry.name}/", recursive=True, above=(*above, here))
            elif _is_image(entry):
                yield prefix + entry.name


def _identity(folder: str) -> tuple[int, int]:
    status = os.stat(folder)  # noqa: PTH116
    return status.st_dev, status.st_ino


def _is_image(entry: os.DirEntry[str]) -> bool:
    """Whether an entry that is no folder is called an image, and is a file or a link to nothing."""
    if os.path.splitext(entry.name)[1].lower() not in IMAGE_SUFFIXES:  # noqa: PTH122
        return False
    if entry.is_symlink():
        path = Path(entry.path)
        return path.is_file() or not path.exists()
    return entry.is_file()
