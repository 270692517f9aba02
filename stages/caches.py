"""Folders in which libraries keep what they compile or find out; code is run from them."""

from __future__ import annotations

import contextlib
import os
import tempfile
from pathlib import Path


def is_own(folder: Path) -> bool:
    """Whether `folder`, made now, is this user's, is closed to writes by everybody, and takes files."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        status = folder.stat()
        with tempfile.TemporaryFile(dir=folder):
            return status.st_uid == os.getuid() and not status.st_mode & 0o002
    except OSError:
        return False


def temporary_place() -> Path:
    """The folder of this user among those for temporary files, which may belong to another one."""
    return Path(tempfile.gettempdir()) / f"dbc-{os.getuid()}"


def keep_cache(variable: str, place: str) -> None:
    """Move the cache of a library from `place` below the user's home, by its `variable`, if that cannot be written.

    For before the import of the library: CuPy fails without its folder, and matplotlib finds all fonts again.
    """
    if variable in os.environ:
        return
    # a user of a container may have no home at all
    with contextlib.suppress(RuntimeError):
        if is_own(Path.home() / place):
            return
    own = temporary_place()
    if is_own(own) and is_own(own / Path(place).name):
        os.environ[variable] = str(own / Path(place).name)
