"""`.dbc-run`: the run that commands in a folder use if none is named."""

from __future__ import annotations

import os
import secrets
import time
from contextlib import suppress
from pathlib import Path

from stages.errors import DbcError, file_problem
from stages.plain_files import plain_file

POINTER = Path(".dbc-run")
FIRST_RUN = Path("runs/default")
_PREFIX = f"{POINTER.name}.writing-"
_STALE_SECONDS = 60


def remembered_run() -> Path:
    """The run remembered in this folder, else `FIRST_RUN`; DbcError if the file names none."""
    return _named() or FIRST_RUN


def remember_run(run: Path) -> Path | None:
    """Remember `run` in this folder; returns the run remembered before if that was another.

    The file is written under another name and renamed, so that no process reads half of it. OSError if it cannot be written.
    """
    try:
        before = _named()
    except DbcError:
        before = None
    if before == run:
        return None
    aside = Path(f"{_PREFIX}{os.getpid()}-{secrets.token_hex(4)}")
    try:
        aside.write_bytes(os.fsencode(run) + b"\n")
        aside.rename(POINTER)
    except OSError:
        with suppress(OSError):
            aside.unlink(missing_ok=True)
        raise
    _remove_stale()
    return before


def _named() -> Path | None:
    try:
        with open(POINTER, "rb", opener=plain_file) as file:
            content = file.read()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise DbcError(f"{file_problem(error, POINTER)}, or give `run`") from error
    name = os.fsdecode(content.removesuffix(b"\n"))
    if not name.strip() or "\0" in name:
        raise DbcError(f"{POINTER} names no run; remove this file, or give `run`")
    return Path(name)


def _remove_stale() -> None:
    """Remove temporary files of killed processes."""
    for path in Path().glob(f"{_PREFIX}*"):
        try:
            if time.time() - path.stat().st_mtime > _STALE_SECONDS:
                path.unlink()
        except OSError:
            continue
