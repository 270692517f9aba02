"""Files that end, for to open a pipe, or to read a device, may take for ever; and what a file is that is no UTF-8 text."""

from __future__ import annotations

import errno
import os
import re
import stat
from itertools import count
from pathlib import Path

LOOKED_AT = 1 << 16
"""Bytes of a file that are looked at to know what it is."""
_KINDS = (
    (stat.S_ISFIFO, "a named pipe"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
)

_BEGINNINGS = (
    (b"\xff\xfe\0\0", "it is text in UTF-32"),
    (b"\xff\xfe", "it is text in UTF-16, as Excel saves Unicode text"),
    (b"\xfe\xff", "it is text in UTF-16, as Excel saves Unicode text"),
    (b"PK\x03\x04", "it is an Excel workbook, or an archive to unpack"),
    (b"\x1f\x8b", "it is compressed, and to unpack"),
    (b"PAR1", "it is a Parquet table"),
    (b"\x89HDF", "it is an HDF5 file"),
    (b"\xd0\xcf\x11\xe0", "it is an Excel workbook of before 2007"),
)

_GONE_ASTRAY = (
    (rb"version https://git-lfs", "a pointer of Git LFS to one (run git lfs pull where it was cloned)"),
    (rb"[./]*(\.git)?/annex/objects/", "a pointer of git-annex to one (run git annex get where it was cloned)"),
    (rb"\s*<(!doctype html|html|head|body)", "a web page, as a failed download leaves it (download it again)"),
    (rb"\s*(<\?xml|\{)", "a message, as a failed download leaves it (look into it, and download it again)"),
    (rb"\0+$", "zeros, as an interrupted copy leaves them (copy it again)"),
)
"""How the content of a file begins that was copied or downloaded wrongly, and what it is."""


def kind_of(content: bytes, kinds: tuple[tuple[bytes, str], ...] = ()) -> str | None:
    """What `content` is by how it begins, one of `kinds` or of a file that did not arrive, and what to do; None if unknown."""
    both = (*kinds, *_GONE_ASTRAY)
    return next((what for sign, what in both if re.match(sign, content, re.DOTALL | re.IGNORECASE)), None)


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


def beginning(file: Path, n_bytes: int = LOOKED_AT) -> bytes:
    """The first bytes of `file`; none if it cannot be read."""
    try:
        with open(file, "rb", opener=plain_file) as content:
            return content.read(n_bytes)
    except OSError:
        return b""


def why_not_utf8(file: Path) -> str:
    """Why `file`, which exists, is no UTF-8 text: what it is instead, or its first line with a wrong byte."""
    with open(file, "rb", opener=plain_file) as content:
        head = content.read(1024)
        content.seek(0)
        told = next((what for beginning, what in _BEGINNINGS if head.startswith(beginning)), None)
        if told is not None:
            return told
        if head.count(b"\0") * 4 > len(head):
            return "it is text in UTF-16 or no text"
        for number, line in zip(count(1), content, strict=False):
            try:
                line.decode()
            except UnicodeDecodeError as error:
                byte = line[error.start : error.start + 1]
                letter = byte.decode("cp1252", "replace")
                also = f", which is {letter!r} in Windows-1252" if letter.isprintable() and letter != "\ufffd" else ""
                return f"line {number} has a byte 0x{byte[0]:02x}{also}"
    return "it holds bytes that are none"
