"""Pictures that the user leaves out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from fnmatch import fnmatchcase

import numpy as np

from stages.errors import UsageError
from stages.ingest.formats.format import Findings
from stages.samples import Samples
from stages.typing import BoolArray
from stages.wording import shown


def without(samples: Samples, exclude: str, findings: Findings, *, before: str = "") -> Samples:
    """`samples` without the pictures that `exclude` names, and without samples that have none left; it is told how many.

    `exclude` are paths, folders and patterns (`*`, `?`, `[…]`; `*` stands for slashes too) with commas between them, as paths
    of samples are; what is a path or a folder is no pattern. Numbers and splits of the others stay as they are with all.
    UsageError if one of them matches no picture, unless it was excluded `before` from the data set that is added to, or if no
    picture is left.
    """
    kept = set(split(before))
    named = _named_by_each(samples.path, exclude)
    for pattern, is_named in named.items():
        if not is_named.any() and pattern not in kept:
            raise UsageError(
                f"`exclude` names {shown(pattern)}, which no picture of SOURCE matches; the first is "
                f"{shown(samples.path[0]) if samples.path else 'none'}: give a path, a folder or a pattern like that"
            )
    excluded = _any_of(named, samples.path)
    if not excluded.any():
        return samples
    if excluded.all():
        raise UsageError(f"`exclude` {shown(exclude)} leaves out all {len(excluded)} pictures; exclude fewer")
    findings.notes.append(f"left out by `exclude`: {excluded.sum()} of {len(excluded)} images")
    return samples.with_images(~excluded)


def is_excluded(paths: Sequence[str], exclude: str) -> BoolArray:
    """Whether `exclude` names each of `paths` (n_images,), as in `without`."""
    return _any_of(_named_by_each(paths, exclude), paths)


def split(exclude: str) -> list[str]:
    """The paths, folders and patterns of `exclude`."""
    return [pattern for part in exclude.split(",") if (pattern := part.strip())]


def _any_of(named: Mapping[str, BoolArray], paths: Sequence[str]) -> BoolArray:
    found: BoolArray = np.any([np.zeros(len(paths), dtype=np.bool_), *named.values()], axis=0)
    return found


def _named_by_each(paths: Sequence[str], exclude: str) -> dict[str, BoolArray]:
    """Which of `paths` (n_images,) each path, folder or pattern of `exclude` names."""
    known = set(paths)
    return {each: _named(paths, known, each) for each in ([exclude] if exclude in known else split(exclude))}


def _named(ordered: Sequence[str], paths: Set[str], pattern: str) -> BoolArray:
    """Whether each of `ordered` (n_images,), which are `paths`, is `pattern`, lies in that folder, or matches it."""
    if pattern in paths:
        return np.array([path == pattern for path in ordered])
    folder = pattern.rstrip("/") + "/"
    in_folder = np.array([path.startswith(folder) for path in ordered], dtype=np.bool_)
    if in_folder.any():
        return in_folder
    return np.array([fnmatchcase(path, pattern) for path in ordered], dtype=np.bool_)
