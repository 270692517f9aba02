"""Sorted listings of image files, blind to what file managers and archives leave behind."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from stages.data.decode import IMAGE_SUFFIXES
from stages.errors import DbcError, UsageError


def list_images(folder: Path, *, recursive: bool) -> list[str]:
    """Sorted POSIX paths relative to `folder` of its image files, by suffix (`IMAGE_SUFFIXES`, any case).

    Symbolic links, hidden files and folders, and files of other kinds (`Thumbs.db`) are left out. Raises
    `UsageError` where `folder` is no folder or a name is not UTF-8, `DbcError` where it cannot be read.
    """
    if not folder.is_dir():
        raise UsageError(f"'{folder}' is not a folder; give the folder that holds the images")
    try:
        paths = sorted(_walk(str(folder), "", recursive=recursive))
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
        f"'{folder}' holds no image files ({suffixes}; symbolic links and hidden files are not followed); "
        "give the folder that holds the images"
    )


def _walk(folder: str, prefix: str, *, recursive: bool) -> Iterator[str]:
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.startswith(".") or entry.is_symlink():
                continue
            if entry.is_dir():
                if recursive:
                    yield from _walk(entry.path, f"{prefix}{entry.name}/", recursive=True)
            elif entry.is_file() and os.path.splitext(entry.name)[1].lower() in IMAGE_SUFFIXES:  # noqa: PTH122
                yield prefix + entry.name
