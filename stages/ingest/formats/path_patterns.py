"""What a regular expression finds in paths, searched in a process that cannot run for ever."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Sequence
from itertools import compress, zip_longest
from pathlib import Path

from schemas.parameters import IngestParameters
from stages.errors import UsageError
from stages.ingest.formats.excluded import is_excluded
from stages.ingest.formats.format import Findings
from stages.wording import shown

SIDES = frozenset({"left", "right", "front", "back", "side", "l", "r"})
"""Names of folders, in lower case, that are more often views of an individual than individuals or places."""
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


_KINDS = {
    "camera": ("cam", "the camera", r"c(\d+)"),
    "identity": ("id", "the individual", r"(\w+)_\d+"),
    "view": ("view", "the view", "(?i)/(left|right)/"),
}
"""The group, the words and an example of a pattern of each kind."""


def said_by_patterns(parameters: IngestParameters) -> frozenset[str]:
    """The columns of tables that are not read because `parameters` have a pattern for each path in their place."""
    columns = {"camera_pattern": ("camid", "camera"), "identity_pattern": ("pid", "identity")}
    return frozenset(name for option, names in columns.items() if getattr(parameters, option) for name in names)


def texts_in(
    paths: Sequence[str], kind: str, *, root: Path, parameters: IngestParameters, findings: Findings
) -> list[str]:
    """The camera, identity or view (`kind`) in each path, by the group `cam`, `id` or `view` of the pattern, else its first.

    Texts are empty if `parameters` have no such pattern. If it finds nothing in any path, it is searched in all of them with
    the name of their `root` in front, as of a single card (`ST01/IMG_0001.JPG`), which is noted. Raises `UsageError` if it is
    no regular expression with a group, finds nothing in a path that is not excluded, or searches for longer than `SECONDS`.
    But views are in lower case, and pictures whose path says nothing of it are of no known view; that none does is noted.
    """
    option, (group, named, example) = f"{kind}_pattern", _KINDS[kind]
    pattern: str | None = getattr(parameters, option)
    if pattern is None:
        return [""] * len(paths)
    try:
        regex = re.compile(pattern)
    except (re.error, OverflowError, RecursionError) as error:
        raise UsageError(
            f"`{option}` {shown(pattern)} is not a regular expression: {error}; correct it, as in '{example}'"
        ) from error
    if regex.groups == 0:
        raise UsageError(
            f"`{option}` {shown(pattern)} has no group; put what names {named} in brackets, as in '{example}'"
        )
    taken = group if group in regex.groupindex else 1
    found = _found(paths, pattern, taken, option)
    spared = set(compress(paths, is_excluded(paths, parameters.exclude))) if not all(found) else ()
    folder = Path(os.path.abspath(root)).name  # noqa: PTH100 — a link keeps its name
    if paths and not any(found):
        below = [f"{folder}/{path}" for path in paths]
        found = _found(below, pattern, taken, option)
        told = (
            f"`{option}` {shown(pattern)} fits no path in {shown(folder)}, and all with that name in front, as in "
            f"{shown(below[0])}: {shown(found[0] or '')}"
        )
        if all(text or path in spared for path, text in zip(paths, found, strict=True)):
            findings.notes.append(told)
    if kind == "view":
        # pictures that join a run may be sorted otherwise
        if not any(found):
            findings.notes.append(f"`{option}` {shown(pattern)} fits no path, so no view of these pictures is known")
        return [(text or "").lower() for text in found]
    lost = next((path for path, text in zip(paths, found, strict=True) if not text and path not in spared), None)
    if lost is not None:
        raise UsageError(
            f"path {shown(lost)} does not match `{option}` {shown(pattern)}; widen the pattern, or give "
            "pictures that join a run one of their own, with `add=True`"
        )
    return [text or "" for text in found]


def told_sides(paths: Sequence[str], identities: Sequence[str] = ()) -> list[str]:
    """A line if folders of `paths`, other than of their `identities`, are called as two sides of an individual are."""
    sides = {
        path: [part for part in path.split("/")[:-1] if part.lower() in SIDES and part != identity]
        for path, identity in zip_longest(paths, identities)
    }
    names = sorted({part for own in sides.values() for part in own})
    different = sorted({name.lower() for name in names})
    if len(different) < 2:
        return []
    return [
        f"folders called {', '.join(map(shown, names))} may be views, and are not read: {sum(map(bool, sides.values()))} of "
        f"{len(sides)} pictures are in them; `view_pattern='(?i)(?:^|/)({'|'.join(different)})/'` takes them, and "
        "`view='apart'` compares pictures of one view alone in merges"
    ]


def _found(paths: Sequence[str], pattern: str, group: str | int, option: str) -> list[str | None]:
    """What the `group` of `pattern` is in each path, None where it does not match."""
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
            f"`{option}` {shown(pattern)} searched {len(paths)} paths for more than {seconds} seconds; "
            "write it without nested repetitions such as '(a+)+'"
        )
    found: list[str | None] = json.loads(done.stdout)
    return found
