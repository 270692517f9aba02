"""What folders may be instead of individuals, by their names: splits, or cameras that hold a folder for each individual."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import PurePosixPath

from stages.wording import shortened, shown, with_first

_LIKE_SPLITS = re.compile(r"(?:query|queries|gallery|test|train)(?:[-_ .]?[0-9]+|[-_ .].*)", re.I)


def told_splits(names: Sequence[str]) -> list[str]:
    """A line to warn with if some of the folders `names`, taken for individuals, are called after a split."""
    found = sorted({name for name in names if _LIKE_SPLITS.fullmatch(name)})
    if not found:
        return []
    return [
        f"folders taken for individuals of the train set, though called after splits: {len(found)} "
        f"({shortened([shown(name) for name in found])}); leave them out with `exclude`, or, if they are splits, call all "
        "folders beside them train, query or gallery and put folders of individuals in these"
    ]


def told_mixed(individual_of: Mapping[str, str]) -> list[str]:
    """A line if folders lie beside pictures in that of an individual, and so are of it: `individual_of` has each folder's."""
    own = {folder for folder, name in individual_of.items() if folder.rpartition("/")[2] == name}
    mixed = sorted(folder for folder in individual_of if not own.isdisjoint(map(str, PurePosixPath(folder).parents)))
    if not mixed:
        return []
    name = shown(individual_of[mixed[0]])
    return [
        f"folders beside pictures of an individual, whose pictures are taken for it, too: "
        f"{with_first(mixed)} for {name}; move them out of it if they are individuals of their own"
    ]


def camera_and_individual(*, in_splits: bool) -> str:
    """The parameters that take the first folder in SOURCE, or in a split, for a camera, and the next for an individual."""
    split = "[^/]+/" if in_splits else ""
    return f"`camera_pattern='^{split}([^/]+)/'` `identity_pattern='^{split}[^/]+/([^/]+)/'`"


def individuals_in(below: Sequence[str], is_place: Callable[[str], bool]) -> list[str]:
    """The second folders of the paths `below`, sorted, if all have one and none `is_place`, by its name; else none."""
    inner = {path.split("/")[1] if path.count("/") > 1 else "" for path in below}
    return [] if any(not name or is_place(name) for name in inner) else sorted(inner)


def told_cameras(below: Sequence[str], is_place: Callable[[str], bool], *, in_splits: bool) -> list[str]:
    """A line to warn with if half of the folders within those taken for individuals are called alike in several of these."""
    inner = individuals_in(below, is_place)
    holders: dict[str, set[str]] = {name: set() for name in inner if not name.isdecimal()}
    for path in below if holders else ():
        first, name = path.split("/")[:2]
        holders.get(name, set()).add(first)
    alike = [name for name, own in holders.items() if len(own) > 1]
    if not alike or 2 * len(alike) < len(inner):
        return []
    several = shortened([shown(name) for name in sorted(holders[alike[0]])])
    return [
        f"folders called alike lie in several that are taken for individuals, such as {shown(alike[0])} in {several}: if "
        f"these are cameras and those in them individuals, give {camera_and_individual(in_splits=in_splits)}"
    ]
