"""YOLO's labels with the individual as the track: one text file a picture."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from stages.errors import UsageError
from stages.export.formats.format import ExportFormat, Layout, Source, decimal
from stages.export.members import Member
from stages.ingest.decode.pixels import is_video
from stages.ingest.formats.yolo import label_place


def layout(rows: Sequence[Member], source: Source) -> Layout:
    """A file for each picture, in labels/ if that lies in images/: class 0, centre, width, height, track, in shares.

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
    for row in clustered:
        number = row.individual or 0
        if (row.path, number) in taken:
            spare += 1
            number, n_apart = spare, n_apart + 1
        taken.add((row.path, number))
        left, top, width, height = source.shares(row)
        fields = (left + width / 2, top + height / 2, width, height)
        lines[label_place(row.path)].append(f"0 {' '.join(decimal(round(field, 6)) for field in fields)} {number}\n")
    told = f"boxes of an individual that is elsewhere in the same picture, under numbers of their own: {n_apart}"
    texts = {place: "".join(sorted(own)) for place, own in sorted(lines.items())}
    return Layout(texts, (told,) if n_apart else ())


FORMAT = ExportFormat(name="yolo", suffix="", layout=layout)
