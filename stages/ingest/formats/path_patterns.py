"""What a regular expression finds in paths, searched in a process that cannot run for ever."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Sequence

from stages.errors import UsageError
from stages.ingest.formats.names import shown

SECONDS = 5
"""Processor seconds that searching may take, plus one for every `PATHS_A_SECOND` paths."""
PATHS_A_SECOND = 10_000

# `re` cannot be stopped from within its process: the kernel ends this one, even if its parent is gone
_SEARCH = """
import json, re, resource, sys
resource.setrlimit(resource.RLIMIT_CPU, (int(sys.argv[1]), int(sys.argv[1]) + 1))
pattern, group, paths = json.load(sys.stdin)
regex = re.compile(pattern)
found = (regex.search(path) for path in paths)
json.dump([match and match[group] for match in found], sys.stdout)
"""


def camera_texts(paths: Sequence[str], *, pattern: str | None) -> list[str]:
    """The camera in each path, by `pattern_texts` of `camera_pattern` and its group `cam`."""
    return pattern_texts(paths, pattern=pattern, option="camera_pattern", group="cam")


def identity_texts(paths: Sequence[str], *, pattern: str | None) -> list[str]:
    """The identity in each path, by `pattern_texts` of `identity_pattern` and its group `id`."""
    return pattern_texts(paths, pattern=pattern, option="identity_pattern", group="id")


def pattern_texts(paths: Sequence[str], *, pattern: str | None, option: str, group: str) -> list[str]:
    """What the `group`, or else the first group, of `pattern` finds in each path; empty texts if it is None.

    Raises `UsageError`, which calls the pattern `option`, if it is no regular expression with a group, finds nothing in a
    path, or searches for longer than `SECONDS`.
    """
    if pattern is None:
        return [""] * len(paths)
    regex = _compile(pattern, option, group)
    seconds = SECONDS + len(paths) // PATHS_A_SECOND
    done = subprocess.run(  # noqa: S603
        [sys.executable, "-I", "-S", "-c", _SEARCH, str(seconds)],
        input=json.dumps([pattern, group if group in regex.groupindex else 1, paths]),
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
    )
    if done.returncode:
        raise UsageError(
            f"`{option}` {shown(pattern)} searched {len(paths)} paths for more than {seconds} seconds; "
            "write it without nested repetitions such as '(a+)+'"
        )
    found: list[str | None] = json.loads(done.stdout)
    for path, text in zip(paths, found, strict=True):
        if not text:
            raise UsageError(
                f"path {shown(path)} does not match `{option}` {shown(pattern)}; widen the pattern, or give "
                "pictures that join a run one of their own, with `add=True`"
            )
    return [text or "" for text in found]


def _compile(pattern: str, option: str, group: str) -> re.Pattern[str]:
    example = {"cam": r"c(\d+)", "id": r"(\w+)_\d+"}[group]
    try:
        regex = re.compile(pattern)
    except (re.error, OverflowError, RecursionError) as error:
        raise UsageError(
            f"`{option}` {shown(pattern)} is not a regular expression: {error}; correct it, as in '{example}'"
        ) from error
    if regex.groups == 0:
        named = {"cam": "the camera", "id": "the individual"}[group]
        raise UsageError(
            f"`{option}` {shown(pattern)} has no group; put what names {named} in brackets, as in '{example}'"
        )
    return regex
