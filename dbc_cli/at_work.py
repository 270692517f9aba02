"""What a command that makes artifacts says first: which run it works on, and whether another one is at work there."""

from __future__ import annotations

import fcntl
import os
import re
import shlex
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from dbc_cli.console import RichReporter
from stages.errors import DbcError
from stages.output_files import try_lock
from stages.processes import is_leader

if TYPE_CHECKING:
    from dbc_cli.command import Given

AT_WORK = ".at-work"
"""The file in a run that commands lock together while they work, each with a line about itself. It may stay behind."""
_MOST_BYTES = 1 << 16
_UNKNOWN = "one that cannot be named"
_PROCESS = re.compile(r"\(process (?P<number>[0-9]{1,9}) on (?P<machine>.*), since [^,]*\)$")


@contextmanager
def at_work(given: Given) -> Iterator[None]:
    """Say which run is worked on, unless --run names it, and who else is at work there; others see this command meanwhile.

    Nobody is kept from working. The system ends the lock with the process, however that ends. Where a file system knows no
    locks, or the run cannot be written, nothing is said.
    """
    if given.named_by is not None:
        RichReporter().note(f"working on {given.run}, {given.named_by}")
    # nothing is written into a folder that is no run
    if given.flag("dry_run") or not is_leader() or not (given.run / "dataset").is_dir():
        yield
        return
    lock, other = _join(given.run / AT_WORK, _about(given.arguments))
    if other is not None:
        RichReporter().warn(
            f"another command is at work on {given.run}: {other}; each takes the newest that both make, so wait for it, or "
            "give each a --run of its own"
        )
    try:
        yield
    finally:
        if lock is not None:
            os.close(lock)


def other_at_work(run: Path) -> str | None:
    """The command at work on `run`, None if there is none, or if that cannot be known."""
    with suppress(OSError):
        lock = os.open(run / AT_WORK, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        try:
            return None if try_lock(lock) else _told(lock) or _UNKNOWN
        finally:
            os.close(lock)
    return None


@contextmanager
def alone_at_work(given: Given, *, needed: str) -> Iterator[None]:
    """Keep commands that begin on the run waiting meanwhile; DbcError, which says what it is `needed` for, beside another."""
    # nothing is written into a folder that is no run
    if not (given.run / "dataset").is_dir():
        yield
        return
    try:
        lock = os.open(given.run / AT_WORK, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK, 0o666)
    except OSError:
        yield
        return
    try:
        is_alone = True
        with suppress(OSError):
            is_alone = try_lock(lock)
        if not is_alone:
            raise DbcError(
                f"{given.run}: another command is at work on it: {_told(lock) or _UNKNOWN}; {needed}, so run this again when "
                "that has ended"
            )
        with suppress(OSError):
            os.ftruncate(lock, 0)
            os.pwrite(lock, f"{_about(given.arguments)}\n".encode(errors="replace"), 0)
        yield
        with suppress(OSError):
            os.ftruncate(lock, 0)
    finally:
        os.close(lock)


def _join(file: Path, line: str) -> tuple[int | None, str | None]:
    """The shared lock of `file`, None without locks, and what another at work wrote of itself, None if nobody is."""
    try:
        lock = os.open(file, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK, 0o666)
    except OSError:
        return None, None
    try:
        is_alone = try_lock(lock)
        if not is_alone and not try_lock(lock, fcntl.LOCK_SH):
            if alone := _told(lock):
                RichReporter().note(f"waiting for {alone}")
            fcntl.flock(lock, fcntl.LOCK_SH)
        told = _told(lock)
        if is_alone:
            os.ftruncate(lock, 0)
        os.pwrite(lock, f"{line}\n".encode(errors="replace"), os.fstat(lock).st_size)
        fcntl.flock(lock, fcntl.LOCK_SH)
    except OSError:
        os.close(lock)
        return None, None
    return lock, None if is_alone else told


def _told(lock: int) -> str | None:
    """What the last one that may be at work wrote of itself; None if nobody did."""
    lines = os.pread(lock, _MOST_BYTES, 0).decode(errors="replace").splitlines()
    return next(filter(_may_work, reversed(lines)), None)


def _may_work(line: str) -> bool:
    """Whether the process of `line` is there, or on another machine."""
    found = _PROCESS.search(line)
    if found is None or found["machine"] != os.uname().nodename:
        return True
    try:
        os.kill(int(found["number"]), 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True


def _about(arguments: tuple[str, ...]) -> str:
    """This command, for people: what was typed, its process and machine, and when it began."""
    typed = shlex.join(("dbc", *arguments))
    typed = typed if len(typed) <= 120 else f"{typed[:119]}…"
    return f"{typed} (process {os.getpid()} on {os.uname().nodename}, since {datetime.now().astimezone():%d %b %H:%M})"
