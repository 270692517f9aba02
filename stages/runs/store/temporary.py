"""The directories that writers work in: made, locked, and cleared away when their writer is done or dead."""

from __future__ import annotations

import errno
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from stages.errors import DbcError, file_problem
from stages.output_files import try_lock

TEMPORARY_PREFIX = ".writing-"
ATTEMPTS = 1000
"""How often a writer makes its directory again when others, clearing up, take it away."""


@contextmanager
def writing(directory: Path) -> Iterator[None]:
    """Turn OSError inside the block, which writes to `directory`, into a DbcError that says so."""
    try:
        yield
    except OSError as error:
        # names below it are gone, with the temporary folder, when somebody reads them
        told = OSError(error.errno, error.strerror or str(error), str(directory))
        raise DbcError(file_problem(told, failed="cannot be written")) from error


@contextmanager
def temporary_directory(directory: Path) -> Iterator[Path]:
    """A new locked sibling inside `directory`, gone at the end unless it was renamed away.

    DbcError where it cannot be made. What was made of `directory` and its parents goes too, where nothing is in it.
    """
    missing = [parent for parent in (directory, *directory.parents) if not parent.exists()]
    with writing(directory):
        path, lock = _locked_directory(directory)
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)
        os.close(lock)
        for parent in missing:
            remove_if_empty(parent)


def rename_new(path: Path, target: Path) -> bool:
    """Whether `path` is now `target`; False where another writer has taken that name."""
    try:
        path.rename(target)
    except OSError as error:
        if error.errno in (errno.ENOTEMPTY, errno.EEXIST):
            return False
        raise
    return True


def remove_stale(directory: Path) -> int:
    """Remove the temporary directories in `directory` whose writers are gone; the number removed."""
    removed = 0
    for path, is_stale in _temporary(directory):
        if is_stale:
            shutil.rmtree(path, ignore_errors=True)
            removed += 1
    return removed


def is_written_in(directory: Path) -> bool:
    """Whether a temporary directory in `directory` has a writer."""
    return any(not is_stale for _, is_stale in _temporary(directory))


def _temporary(directory: Path) -> Iterator[tuple[Path, bool]]:
    """The temporary directories in `directory` and whether their writers are gone, which keeps its lock meanwhile.

    Those of file systems without locks are left out.
    """
    for path in entries(directory):
        if not path.name.startswith(TEMPORARY_PREFIX):
            continue
        try:
            lock = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
        except FileNotFoundError:
            continue
        try:
            with suppress(OSError):
                yield path, try_lock(lock)
        finally:
            os.close(lock)


def remove_if_empty(directory: Path) -> None:
    """Remove `directory` where nothing is in it; else leave it."""
    with suppress(OSError):
        directory.rmdir()


def entries(directory: Path) -> list[Path]:
    """What is in `directory`, sorted; nothing where there is no such directory, or no longer."""
    try:
        return sorted(directory.iterdir())
    except (FileNotFoundError, NotADirectoryError):
        return []


def sync(path: Path) -> None:
    """Have the system write `path`, a file or a directory's list of names, to the disk now."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _locked_directory(directory: Path) -> tuple[Path, int]:
    for _ in range(ATTEMPTS):
        path = directory / f"{TEMPORARY_PREFIX}{secrets.token_hex(8)}"
        try:
            _make_directories(directory)
            path.mkdir()
            lock = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
        except FileNotFoundError:
            continue
        # a file system without locks grants it to whoever writes
        is_ours = True
        with suppress(OSError):
            is_ours = try_lock(lock)
        if is_ours and path.exists():
            return path, lock
        os.close(lock)
    raise FileNotFoundError(errno.ENOENT, f"the directory was gone {ATTEMPTS} times before anything was written to it")


def _make_directories(directory: Path) -> None:
    """Make `directory` and the parents it lacks, each on the disk before the next: what is committed in it must last."""
    if directory.is_dir():
        return
    if directory.parent != directory:
        _make_directories(directory.parent)
    directory.mkdir(exist_ok=True)
    sync(directory.parent)
