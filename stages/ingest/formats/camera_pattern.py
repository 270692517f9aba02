"""The camera that a regular expression finds in a path, searched in a process that cannot run for ever."""

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
    """What the group `cam`, or else the first group, of `pattern` finds in each path; empty texts if it is None.

    Raises `UsageError` if the pattern is no regular expression with a group, finds nothing in a path, or searches for
    longer than `SECONDS`.
    """
    if pattern is None:
        return [""] * len(paths)
    regex = _compile(pattern)
    group: int | str = "cam" if "cam" in regex.groupindex else 1
    seconds = SECONDS + len(paths) // PATHS_A_SECOND
    done = subprocess.run(  # noqa: S603
        [sys.executable, "-I", "-S", "-c", _SEARCH, str(seconds)],
        input=json.dumps([pattern, group, paths]),
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
    )
    if done.returncode:
        raise UsageError(
            f"`camera_pattern` {shown(pattern)} searched {len(paths)} paths for more than {seconds} seconds; "
            "write it without nested repetitions such as '(a+)+'"
        )
    found: list[str | None] = json.loads(done.stdout)
    for path, text in zip(paths, found, strict=True):
        if not text:
            raise UsageError(f"path {shown(path)} does not match `camera_pattern` {shown(pattern)}; widen the pattern")
    return [text or "" for text in found]


def _compile(pattern: str) -> re.Pattern[str]:
    try:
        regex = re.compile(pattern)
    except (re.error, OverflowError, RecursionError) as error:
        raise UsageError(
            f"`camera_pattern` {shown(pattern)} is not a regular expression: {error}; correct it, as in 'c(\\d+)'"
        ) from error
    if regex.groups == 0:
        raise UsageError(
            f"`camera_pattern` {shown(pattern)} has no group; put what names the camera in brackets, as in 'c(\\d+)'"
        )
    return regex
