"""`.dbc-run`: the run that commands in a folder use if none is named."""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple

from stages.errors import DbcError, file_problem
from stages.output_files import alone_in_writing, replace_whole
from stages.plain_files import plain_file

POINTER = Path(".dbc-run")
FIRST_RUN = Path("runs/default")
MOST_JOBS = 1000
"""Scripts whose run the file knows; those that ended are left out before."""


class _Remembered(NamedTuple):
    """A run, and the script whose command had it remembered: see `_job`."""

    run: Path
    job: tuple[str, ...]


def remembered_run() -> Path:
    """The run remembered in this folder, else `FIRST_RUN`.

    DbcError if the file names none, or if this script had another run remembered, and what is no part of it changed that.
    """
    every = _read()
    if not every:
        return FIRST_RUN
    job = _job()
    own = max(every, key=lambda each: len({*each.job} & {*job}))
    if own.run != every[0].run:
        raise DbcError(
            f"{POINTER} names {every[0].run}, but this script worked on {own.run}, and another command has changed that "
            f"since; give `run`, or let each script that runs beside others export DBC_RUN"
        )
    return every[0].run


def remember_run(run: Path) -> Path | None:
    """Remember `run` in this folder; the run remembered before if that was another.

    OSError or DbcError if it cannot be written.
    """
    now = _Remembered(run, _job())
    with alone_in_writing(POINTER):
        try:
            every = _read()
        except DbcError:
            every = []
        before = every[0].run if every else None
        if before == run and (not now.job or now in every):
            return None
        others = [each for each in every if each.job != now.job and _may_come_back(each.job)]
        records = [
            os.fsencode(each.run) + b"\n" + ",".join(each.job).encode() for each in (now, *others[: MOST_JOBS - 1])
        ]
        replace_whole(POINTER, lambda part: part.write_bytes(b"\0".join(records)))
    return None if before == run else before


def _read() -> list[_Remembered]:
    """The run remembered, then those that scripts at work had remembered before; none without a file."""
    try:
        with open(POINTER, "rb", opener=plain_file) as file:
            content = file.read()
    except FileNotFoundError:
        return []
    except OSError as error:
        raise DbcError(f"{file_problem(error, POINTER)}, or give `run`") from error
    every = []
    for record in content.split(b"\0"):
        name, _, job = record.rpartition(b"\n") if b"\n" in record else (record, b"", b"")
        every.append(
            _Remembered(Path(os.fsdecode(name)), tuple(job.decode(errors="replace").split(",")) if job else ())
        )
        if not name.strip():
            raise DbcError(f"{POINTER} names no run; remove this file, or give `run`")
    return every


def _job() -> tuple[str, ...]:
    """The script that this command is part of: the processes above it in its session, the outermost first.

    The shell of a terminal, which gives each command a group of processes, is none. A job of Slurm counts as a whole, because
    its steps have sessions of their own. Empty without a script, or where there is no /proc.
    """
    if os.environ.get("SLURM_JOB_ID"):
        return (f"slurm {os.environ['SLURM_JOB_ID']}",)
    above: list[str] = []
    session, number = str(os.getsid(0)), str(os.getppid())
    while (found := _process(number)) and found.session == session:
        if number == session and found.has_terminal and str(os.getpgrp()) != number:
            break
        above.insert(0, found.name)
        number = found.parent
    return tuple(above)


def _may_come_back(job: tuple[str, ...]) -> bool:
    """Whether a process of `job` is there still, or on another machine."""
    here = f" {os.uname().nodename}"
    return any(
        not name.endswith(here) or ((found := _process(name.partition(".")[0])) and found.name == name) for name in job
    )


class _Process(NamedTuple):
    name: str
    parent: str
    session: str
    has_terminal: bool


def _process(number: str) -> _Process | None:
    """The process of that number on this machine, whose name no later one has; None if it cannot be read."""
    try:
        # after the name of the program, which may hold anything
        fields = Path(f"/proc/{number}/stat").read_bytes().rpartition(b")")[2].decode().split()
        return _Process(f"{number}.{fields[19]} {os.uname().nodename}", fields[1], fields[3], fields[4] != "0")
    except (OSError, ValueError, IndexError):
        return None
