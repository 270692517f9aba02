"""Paths in tables, below the folder that they start from."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path, PurePosixPath

from stages.errors import UsageError
from stages.wording import shown


def relative_path(path: str, root: PurePosixPath) -> str | None:
    """`path` (POSIX) relative to `root` (absolute), without needless parts; None if it names nothing below `root`."""
    if path.isprintable() and path[:1] not in ("", ".", "/") and not any(part in path for part in ("/.", "//")):
        return path.rstrip("/") or None
    pure = PurePosixPath(path)
    if pure.is_absolute() and pure.is_relative_to(root):
        pure = pure.relative_to(root)
    if not path or "\0" in path or pure.is_absolute() or ".." in pure.parts:
        return None
    return pure.as_posix()


def told_beginning(path: str, root: Path | PurePosixPath) -> str:
    """What to do if `path`, of another place or computer, is that of a file in `root` without its first folders; or empty."""
    parts = path.replace("\\", "/").split("/")
    with suppress(OSError, ValueError):
        for n in range(1, len(parts)):
            if Path(root, *parts[n:]).is_file():
                cut = shown("/".join(parts[:n]) + "/")
                return f"a file of that name is there without {cut}: if it is the picture, take that off all paths"
    return ""


def path_below(path: str, root: PurePosixPath, origin: str) -> str:
    """`path` as `relative_path`; UsageError that begins with `origin` if it names nothing below `root`."""
    found = relative_path(path, root)
    if found is None:
        advice = told_beginning(path, root) or "give the folder that holds the pictures as `root`"
        raise UsageError(f"{origin}: {shown(path)} is not below {shown(str(root))}; {advice}")
    return found
