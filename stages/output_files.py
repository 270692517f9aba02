"""Files for the user: whole or not at all, and never in the place of another unless asked."""

from __future__ import annotations

import csv
import errno
import fcntl
import io
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from contextvars import ContextVar
from pathlib import Path

from stages.errors import DbcError, UsageError, file_problem


def require_new(files: Iterable[Path | None], *, argument: str = "out", overwrite: bool = False) -> None:
    """Raise UsageError if one of `files`, of which `argument` tells, is there and must not be replaced; None is no file.

    A folder or a device is never replaced. `new/../file` is `file`, also while `new` is not there.
    """
    for file in filter(None, files):
        target = Path(os.path.realpath(file))
        if target.exists() and not target.is_file():
            raise UsageError(f"`{argument}` must be a file, got {file}, which is not one; give another")
        if target.exists() and not overwrite:
            raise UsageError(
                f"`{argument}` must be a new file, got {file}, which is there; give another, or `overwrite=True`"
            )


def require_within(folder: Path, files: Iterable[Path], *, argument: str = "out") -> None:
    """Raise UsageError if one of `files` would not lie in `folder`, by its own name or by a link on the way."""
    top = Path(os.path.realpath(folder))
    for file in files:
        target = Path(os.path.realpath(file))
        if not target.is_relative_to(top):
            raise UsageError(f"`{argument}` must hold all files, got {file}, which is {target}; give another folder")


def rows_as_csv(rows: Iterable[Iterable[object]], *, delimiter: str = ",") -> str:
    """`rows` of cells as CSV; None is an empty cell."""
    text = _Lines()
    csv.writer(text, delimiter=delimiter).writerows(rows)
    return text.getvalue()


class _Lines(io.StringIO):
    """Takes lines that end in a carriage return and a newline, without the former.

    Python 3.11 quotes a carriage return inside a cell only if lines end in one.
    """

    def write(self, line: str) -> int:
        return super().write(line.removesuffix("\r\n") + "\n")


def write_text(text: str, file: Path, *, argument: str = "out", overwrite: bool = False) -> None:
    """Write `text` to `file` in UTF-8, file names byte for byte; the errors are those of `write_whole`."""
    content = text.encode("utf-8", "surrogateescape")
    write_whole(file, lambda part: part.write_bytes(content), argument=argument, overwrite=overwrite)


@contextmanager
def alone_in_writing(file: Path) -> Iterator[None]:
    """Wait until no other program that asks in this way changes `file`, and let none do so while the block runs.

    The lock is on its folder, because the file is replaced; a file system without locks lets everybody go on.
    """
    folder = Path(os.path.realpath(file)).parent
    try:
        folder.mkdir(parents=True, exist_ok=True)
        held = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    except OSError as error:
        raise DbcError(file_problem(OSError(error.errno, error.strerror), file, failed="cannot be written")) from error
    try:
        with suppress(OSError):
            fcntl.flock(held, fcntl.LOCK_EX)
        yield
    finally:
        os.close(held)


def require_writable(file: Path) -> None:
    """Raise DbcError if `file` could not be written: another is made beside it, and removed."""
    with alone_in_writing(file):
        target = Path(os.path.realpath(file))
        part = target.with_name(f".{target.name[:100]}.writing-{os.urandom(8).hex()}")
        try:
            part.write_bytes(b"\n")
            part.unlink()
        except OSError as error:
            told = OSError(error.errno, error.strerror)
            raise DbcError(file_problem(told, file, failed="cannot be written")) from error


_UNDO: ContextVar[ExitStack | None] = ContextVar("_UNDO", default=None)
"""What takes away the files that were made in the innermost `all_or_nothing`."""


@contextmanager
def all_or_nothing() -> Iterator[None]:
    """If the block fails, take away what it made here: a part of it would pass for the whole, or bar the next attempt.

    What was replaced stays replaced.
    """
    with ExitStack() as undo:
        token = _UNDO.set(undo)
        try:
            yield
        finally:
            _UNDO.reset(token)
        on_failure(undo.pop_all().close)


def on_failure(undo: Callable[[], object]) -> None:
    """Have `undo` called if the `all_or_nothing` around fails, if there is one; OSError is no matter there."""

    def leniently() -> None:
        with suppress(OSError):
            undo()

    if (around := _UNDO.get()) is not None:
        around.callback(leniently)


def write_whole(file: Path, write: Callable[[Path], object], *, argument: str = "out", overwrite: bool = False) -> None:
    """Have `write` fill a file beside `file`, then rename it to that; a link is followed.

    UsageError if `file` is there and must not be replaced, DbcError if it cannot be written.
    """
    require_new([file], argument=argument, overwrite=overwrite)
    try:
        replace_whole(file, write)
    except OSError as error:
        # the name of the file beside it would tell nobody anything
        told = OSError(error.errno, error.strerror) if error.errno else error
        raise DbcError(file_problem(told, file, failed="cannot be written", elsewhere=argument)) from error


def replace_whole(file: Path, write: Callable[[Path], object]) -> None:
    """Have `write` fill a file beside `file`, then rename it to that; a link is followed. OSError if that fails."""
    target = Path(os.path.realpath(file))
    prefix = f".{target.name[:100]}.writing-"
    part = target.with_name(f"{prefix}{os.urandom(8).hex()}")
    is_new = not target.exists()
    for folder in [each for each in target.parents if not each.exists()][::-1]:
        on_failure(folder.rmdir)
    try:
        part.parent.mkdir(parents=True, exist_ok=True)
        _remove_leftovers(target.parent, prefix)
        with part.open("xb") as held:
            with suppress(OSError):
                try_lock(held.fileno())
            write(part)
            part.replace(target)
            if is_new:
                on_failure(target.unlink)
    finally:
        with suppress(OSError):
            part.unlink()


def _remove_leftovers(folder: Path, prefix: str) -> None:
    """Remove the files in `folder` whose writers were killed: those that nobody holds a lock on."""
    for path in folder.iterdir():
        if path.name.startswith(prefix):
            with suppress(OSError), path.open("rb") as held:
                if try_lock(held.fileno()):
                    path.unlink()


def try_lock(descriptor: int, kind: int = fcntl.LOCK_EX) -> bool:
    """Whether the lock, by default of one alone, is ours now; OSError where the file system knows no locks."""
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in (errno.EWOULDBLOCK, errno.EAGAIN, errno.EACCES):
            return False
        raise
    return True
