"""Pictures that the user leaves out."""

from __future__ import annotations

from collections.abc import Sequence
from fnmatch import fnmatchcase

import numpy as np

from stages.errors import UsageError
from stages.ingest.formats.format import Findings
from stages.ingest.formats.names import shown
from stages.samples import Samples
from stages.typing import BoolArray


def without(samples: Samples, exclude: str, findings: Findings) -> Samples:
    """`samples` without the pictures that `exclude` names, and without samples that have none left; it is told how many.

    `exclude` are paths, folders and patterns (`*`, `?`, `[…]`; `*` stands for slashes too) with commas between them, as paths
    of samples are. UsageError if one of them matches no picture, or if no picture is left.
    """
    patterns = [pattern for part in exclude.split(",") if (pattern := part.strip())]
    if not patterns:
        return samples
    excluded = np.zeros(len(samples.path), dtype=np.bool_)
    for pattern in patterns:
        is_named = _named(samples.path, pattern)
        if not is_named.any():
            raise UsageError(
                f"`exclude` names {shown(pattern)}, which no picture of SOURCE matches; the first is "
                f"{shown(samples.path[0]) if samples.path else 'none'}: give a path, a folder or a pattern like that"
            )
        excluded |= is_named
    if excluded.all():
        raise UsageError(f"`exclude` {shown(exclude)} leaves out all {len(excluded)} pictures; exclude fewer")
    findings.notes.append(f"left out by `exclude`: {excluded.sum()} of {len(excluded)} images")
    return samples.with_images(~excluded)


def _named(paths: Sequence[str], pattern: str) -> BoolArray:
    """Whether each of `paths` (n_images,) is `pattern`, lies in that folder, or matches it."""
    folder = pattern.rstrip("/") + "/"
    return np.array([fnmatchcase(path, pattern) or path.startswith(folder) for path in paths])
