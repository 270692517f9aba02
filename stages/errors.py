"""The two errors a user meets: something failed (exit 1), or something was asked for wrongly (exit 2). And a warning."""

from __future__ import annotations

import errno
import os
from pathlib import Path


class DbcError(Exception):
    """A failure told in one line: the thing, the value found, the value wanted, the next step. Exit status 1."""

    exit_code = 1


class MemoryLimitError(DbcError):
    """Work that takes more memory than it may: `found` says which and how much, `advice` the next step."""

    def __init__(self, found: str, advice: str) -> None:
        # both are arguments of the exception, so that another process can send it
        super().__init__(found, advice)
        self.found, self.advice = found, advice

    def __str__(self) -> str:
        return f"{self.found}; {self.advice}"


class UsageError(DbcError):
    """A request that cannot be carried out as it was written. Exit status 2."""

    exit_code = 2


class DbcWarning(UserWarning):
    """What is probably not wanted, told by a step that Python called; commands print it themselves."""


_REMEDIES = {
    errno.EACCES: "give yourself the right to it",
    errno.EPERM: "give yourself the right to it",
    errno.EROFS: "choose a place that can be written",
    errno.ENOSPC: "free space or choose another `{elsewhere}`",
    errno.EDQUOT: "free space or choose another `{elsewhere}`",
    errno.EFBIG: "free space or choose another `{elsewhere}`",
    errno.EIO: "the disk or the file server fails: look at the system's log",
    errno.ESTALE: "the file server lost it: mount it again",
    errno.ETIMEDOUT: "the file server does not answer: mount it again",
    errno.EMFILE: "close programs or raise `ulimit -n`",
    errno.ENFILE: "close programs that hold files open",
    errno.ENAMETOOLONG: "give a shorter name",
    errno.ENOENT: "bring it back or name another",
    errno.ENOTDIR: "name a folder",
    errno.EISDIR: "name a file",
    errno.ELOOP: "mend the symbolic links, which lead in a circle",
}
"""What to do about the errors of files that people meet."""


def file_problem(error: OSError, where: Path | None = None, *, failed: str = "", elsewhere: str = "run") -> str:
    """One line about `error`: the file it names or else `where`, what `failed` and why, and what to do about it.

    `elsewhere` is the argument that leads to another disk, if this one is full.
    """
    named = [os.fsdecode(name) for name in (error.filename2, error.filename) if isinstance(name, (str, bytes))]
    place = named[0] if named else str(where or "a file")
    reason = os.strerror(error.errno) if error.errno and error.strerror is None else error.strerror or str(error)
    remedy = _REMEDIES.get(error.errno or 0, "see to it").format(elsewhere=elsewhere)
    return f"{place}{f' {failed}' if failed else ''}: {reason or type(error).__name__}; {remedy}, and run the command again"
