"""A folder for each cluster, with links to its pictures or copies of them."""

from __future__ import annotations

import os
import re
import secrets
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

from stages.errors import DbcError, UsageError, file_problem
from stages.export.members import Member
from stages.ingest.formats import image_root
from stages.ingest.kept_source import read_source
from stages.runs.store import Artifact

_UNSAFE = re.compile(r"[^\w.()+=@ -]+")
_MOST_LETTERS = 150


def root_of(dataset: Artifact, paths: Sequence[str], root: Path | None = None) -> Path:
    """The folder that `paths` of a dataset are relative to; UsageError if pictures are not there."""
    kept = read_source(dataset)
    return source_root(dataset.manifest.command, paths, root, kept=None if kept is None else kept.root)


def source_root(
    command: Sequence[str], paths: Sequence[str], root: Path | None = None, *, kept: Path | None = None
) -> Path:
    """The folder that `paths` are relative to: `root`, else the SOURCE in `command`, which ingested them, seen from here.

    The place that was `kept` then is tried first. UsageError if pictures are not there.
    """
    places = [image_root(Path(word)) for word in command[1:] if _is_there(word)]
    candidates = [root] if root is not None else [*([] if kept is None else [kept]), *places]
    missing = paths[0] if paths else ""
    for candidate in candidates:
        lost = next((path for path in paths if not (candidate / path).is_file()), None)
        if lost is None:
            return candidate.absolute()
        missing = lost
    where = "in the source of this run" if root is None else f"in {root}"
    raise UsageError(f"picture {missing!r} is not {where}; give the folder that was ingested as `root`")


def _is_there(word: str) -> bool:
    try:
        return Path(word).exists()
    except (OSError, ValueError):
        return False


def write_folders(rows: Sequence[Member], folder: Path, *, root: Path, copy: bool) -> int:
    """Make `folder` with one folder a cluster, which holds links to the pictures under `root`, or copies; their number.

    A picture keeps its name, made safe, after its place in the cluster: the nearest to the centre comes first. DbcError if
    `folder` is there and not empty, or cannot be written: nothing is left of it then.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise DbcError(f"{folder} is there and not empty; give another folder as `folders`, or remove it")
    part = folder.with_name(f".{folder.name}.writing-{os.getpid()}-{secrets.token_hex(4)}")
    number = 0
    try:
        for path, place in _places(rows):
            target = part / place
            target.parent.mkdir(parents=True, exist_ok=True)
            if copy:
                shutil.copy2(root / path, target)
            else:
                target.symlink_to(root / path)
            number += 1
        part.mkdir(parents=True, exist_ok=True)
        part.replace(folder)
    except OSError as error:
        shutil.rmtree(part, ignore_errors=True)
        advice = "" if copy else "; if links are not possible there, use `copy=True`"
        raise DbcError(f"{file_problem(error, folder, failed='cannot be written')}{advice}") from error
    return number


def _places(rows: Sequence[Member]) -> Iterator[tuple[str, str]]:
    """The path of every clustered picture, and the path that it gets."""
    clustered = [row for row in rows if row.cluster is not None]
    digits = len(str(max((row.individual or 0 for row in clustered), default=0)))
    count: dict[int, int] = {}
    for row in clustered:
        individual = row.individual or 0
        count[individual] = count.get(individual, 0) + 1
        width = len(str(row.cluster_size))
        yield row.path, f"individual-{individual:0{digits}}/{count[individual]:0{width}}_{safe_name(row.path)}"


def safe_name(path: str) -> str:
    """The name of the file `path` without what some file system refuses; its ending stays."""
    name = _UNSAFE.sub("_", path.rpartition("/")[2]).strip(" .") or "picture"
    stem, dot, suffix = name.rpartition(".")
    if not dot or len(suffix) > 8:
        return name[:_MOST_LETTERS]
    return f"{stem[:_MOST_LETTERS]}.{suffix}"
