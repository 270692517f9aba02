"""YOLO's labels with the individual as the track: one text file a picture."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from stages.errors import UsageError
from stages.export.formats.format import (
    ANIMAL,
    ExportFormat,
    IngestedSource,
    Layout,
    category_of,
    counts,
    decimal,
    refuse_videos,
)
from stages.export.members import Member
from stages.ingest.formats.yolo import label_place

_CLASSES = "classes.txt"


def layout(rows: Sequence[Member], source: IngestedSource) -> Layout:
    """A file for each picture, in labels/ if that lies in images/: class, centre, width, height, track, in shares.

    If pictures lie outside of the root, folders begin at the one that holds all (`IngestedSource.place`).
    `classes.txt` names the classes, if the source names any: without names they are numbers, and 0 is that of all others.
    A track is in a picture once: the box nearest to the centre of its cluster keeps the individual's number, others get
    numbers that no individual had before, and it is said. Boxes that are in no cluster have no track. UsageError for videos,
    and for pictures that would share a file.
    """
    refuse_videos(rows, "yolo")
    place_of = _places([row.path for row in rows], source)
    spare = source.largest_number
    taken: set[tuple[str, int]] = set()
    lines: dict[str, list[str]] = defaultdict(list)
    n_apart = 0
    class_of, names = _classes(rows)
    for row in rows:
        number = row.individual
        if number is not None and (row.path, number) in taken:
            spare += 1
            number, n_apart = spare, n_apart + 1
        if number is not None:
            taken.add((row.path, number))
        left, top, width, height = source.shares(row)
        fields = (left + width / 2, top + height / 2, width, height)
        words = [class_of[category_of(row)], *(decimal(round(field, 6)) for field in fields)]
        lines[place_of[row.path]].append(" ".join([*words, *([] if number is None else [str(number)])]) + "\n")
    notes = counts(
        (n_apart, "boxes of an individual that is elsewhere in the same picture, under numbers of their own"),
        (sum(row.individual is None for row in rows), "boxes that are in no cluster, without a track"),
    )
    texts = {place: "".join(sorted(own)) for place, own in sorted(lines.items())}
    if names and _CLASSES in texts:
        raise UsageError(f"a picture would have its boxes in {_CLASSES!r}, which names the classes; rename it")
    if names:
        texts[_CLASSES] = "".join(f"{name}\n" for name in names)
    return Layout(texts, notes)


def _places(paths: Sequence[str], source: IngestedSource) -> dict[str, str]:
    """The file of labels of each picture; UsageError if two pictures would share one."""
    found = {path: label_place(source.place(path)) for path in sorted(set(paths))}
    first: dict[str, str] = {}
    for path, place in found.items():
        other = first.setdefault(place, path)
        if other != path:
            raise UsageError(
                f"pictures {other!r} and {path!r} would have their boxes in one file, {place!r}, as YOLO has it; rename one, "
                "or give another `format`"
            )
    return found


def _classes(rows: Sequence[Member]) -> tuple[dict[str, str], list[str]]:
    """The class of each category, and the names of the classes in order: none if categories are numbers, or all `ANIMAL`."""
    found = sorted(set(map(category_of, rows)))
    if found == [ANIMAL]:
        return {ANIMAL: "0"}, []
    if all(name.isdecimal() for name in found):
        return {name: name for name in found}, []
    return {name: str(place) for place, name in enumerate(found)}, found


FORMAT = ExportFormat(name="yolo", suffix="", layout=layout)
