"""Files that end: to open a pipe, or to read a device, may take for ever."""

from __future__ import annotations

import errno
import os
import stat

_KINDS = (
    (stat.S_ISFIFO, "a named pipe"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
)


def endless_kind(mode: int) -> str | None:
    """What a place of this `st_mode` is if reading it may never end: `a named pipe`; None for files and folders."""
    return next((name for is_kind, name in _KINDS if is_kind(mode)), None)


def plain_file(path: str, flags: int) -> int:
    """A descriptor of the file at `path`: an opener for `open`. OSError at once if reading it may never end."""
    descriptor = os.open(path, flags | os.O_CLOEXEC | os.O_NONBLOCK)
    kind = endless_kind(os.fstat(descriptor).st_mode)
    if kind is not None:
        os.close(descriptor)
        raise OSError(errno.EINVAL, f"it is {kind} and no file", path)
    return descriptor
