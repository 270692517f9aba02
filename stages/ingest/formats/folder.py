"""Images sorted into one folder an identity, or lying flat without identities."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from schemas.parameters import IngestParameters
from stages.errors import UsageError
from stages.ingest.formats.listing import list_images, no_images
from stages.ingest.formats.names import shown, whole_numbers_or_ranks
from stages.ingest.formats.splits import assign_splits
from stages.samples import UNKNOWN, Samples


def read_folder(source: Path, parameters: IngestParameters) -> Samples:
    """The images under `source`, sorted by path, with splits by identity (`splits.assign_splits`).

    The first folder of a path is its identity, however deep the file lies; identities are numbered 1..n in sorted
    order. Images that lie directly in `source` have no identity (pid `UNKNOWN`), and then all are train. Raises
    `UsageError` where there are no images, where both kinds are mixed, or for `parameters.camera_pattern`.
    """
    paths = list_images(source, recursive=True)
    if not paths:
        raise no_images(source)
    pid = identities(paths, source=source)
    camid = cameras(paths, pattern=parameters.camera_pattern)
    split = assign_splits(
        np.asarray(pid), np.asarray(camid), test_fraction=parameters.test_fraction, seed=parameters.seed
    )
    return Samples.of_images(paths, pid, camid, split.tolist())


def identities(paths: list[str], *, source: Path) -> list[int]:
    """The pid of each path: the rank, from 1, of its first folder among all first folders; else `UNKNOWN`."""
    flat = [path for path in paths if "/" not in path]
    if len(flat) == len(paths):
        return [UNKNOWN] * len(paths)
    if flat:
        raise UsageError(
            f"image {flat[0]!r} lies beside the identity folders of '{source}' ({len(flat)} such images); "
            "move it into the folder of its identity or remove it"
        )
    names = [path.split("/", 1)[0] for path in paths]
    rank = {name: number for number, name in enumerate(sorted(set(names)), start=1)}
    return [rank[name] for name in names]


def cameras(paths: list[str], *, pattern: str | None) -> list[int]:
    """The camid of each path: what the group `cam`, or else the first group, of `pattern` finds in it.

    Whole numbers are taken as they are; other names are numbered 1..n in sorted order. All `UNKNOWN` where
    `pattern` is None.
    """
    if pattern is None:
        return [UNKNOWN] * len(paths)
    regex = _compile(pattern)
    group: int | str = "cam" if "cam" in regex.groupindex else 1
    found = []
    for path in paths:
        match = regex.search(path)
        if match is None or not match[group]:
            raise UsageError(f"path {path!r} does not match --camera-pattern {shown(pattern)}; widen the pattern")
        found.append(match[group])
    return whole_numbers_or_ranks(found)


def _compile(pattern: str) -> re.Pattern[str]:
    try:
        regex = re.compile(pattern)
    except re.error as error:
        raise UsageError(
            f"--camera-pattern {shown(pattern)} is not a regular expression: {error.msg}; correct it, as in 'c(\\d+)'"
        ) from error
    if regex.groups == 0:
        raise UsageError(
            f"--camera-pattern {shown(pattern)} has no group; put what names the camera in brackets, as in 'c(\\d+)'"
        )
    return regex
