"""YOLO's labels with the individual as the track: one text file a picture."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from stages.errors import UsageError
from stages.export.formats.format import ANIMAL, ExportFormat, Layout, Source, category_of, decimal
from stages.export.members import Member
from stages.ingest.decode.pixels import is_video
from stages.ingest.formats.yolo import label_place


def layout(rows: Sequence[Member], source: Source) -> Layout:
    """A file for each picture, in labels/ if that lies in images/: class, centre, width, height, track, in shares.

    `classes.txt` names the classes, if the source names any: without names they are numbers, and 0 is that of all others.
    A track is in a picture once: the box nearest to the centre of its cluster keeps the individual's number, others get
    numbers that no individual had before, and it is said. Boxes that are in no cluster are left out. UsageError for videos.
    """
    video = next((row.path for row in rows if is_video(row.path)), None)
    if video is not None:
        raise UsageError(f"{video!r} is a video, and `format='yolo'` has no frames; give another `format`")
    clustered = [row for row in rows if row.individual is not None]
    spare = source.largest_number
    taken: set[tuple[str, int]] = set()
    lines: dict[str, list[str]] = defaultdict(list)
    n_apart = 0
    class_of, names = _classes(rows)
    for row in clustered:
        number = row.individual or 0
        if (row.path, number) in taken:
            spare += 1
            number, n_apart = spare, n_apart + 1
        taken.add((row.path, number))
        left, top, width, height = source.shares(row)
        fields = (left + width / 2, top + height / 2, width, height)
        lines[label_place(row.path)].append(
            f"{class_of[category_of(row)]} {' '.join(decimal(round(field, 6)) for field in fields)} {number}\n"
        )
    told = f"boxes of an individual that is elsewhere in the same picture, under numbers of their own: {n_apart}"
    texts = {place: "".join(sorted(own)) for place, own in sorted(lines.items())}
    if names:
        texts["classes.txt"] = "".join(f"{name}\n" for name in names)
    return Layout(texts, (told,) if n_apart else ())


def _classes(rows: Sequence[Member]) -> tuple[dict[str, str], list[str]]:
    """The class of each category, and the names of the classes in order: none if categories are numbers, or all `ANIMAL`."""
    found = sorted(set(map(category_of, rows)))
    if found == [ANIMAL]:
        return {ANIMAL: "0"}, []
    if all(name.isdecimal() for name in found):
        return {name: name for name in found}, []
    return {name: str(place) for place, name in enumerate(found)}, found


FORMAT = ExportFormat(name="yolo", suffix="", layout=layout)
