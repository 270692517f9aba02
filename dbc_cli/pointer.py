"""`.dbc-run`: the run that commands in a folder use if none is named."""

from __future__ import annotations

import os
from pathlib import Path

from stages.errors import DbcError, file_problem
from stages.output_files import replace_whole
from stages.plain_files import plain_file

POINTER = Path(".dbc-run")
FIRST_RUN = Path("runs/default")


def remembered_run() -> Path:
    """The run remembered in this folder, else `FIRST_RUN`; DbcError if the file names none."""
    return _named() or FIRST_RUN


def remember_run(run: Path) -> Path | None:
    """Remember `run` in this folder; the run remembered before if that was another. OSError if it cannot be written."""
    try:
        before = _named()
    except DbcError:
        before = None
    if before == run:
        return None
    replace_whole(POINTER, lambda part: part.write_bytes(os.fsencode(run) + b"\n"))
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
