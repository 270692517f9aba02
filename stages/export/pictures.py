"""Whether the pictures that were ingested are as they were, and when they were taken."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace

from stages.errors import DbcError, UsageError
from stages.export.members import Member, Members
from stages.ingest.decode.crops import BadImageError
from stages.ingest.decode.pixels import is_video
from stages.ingest.decode.video_file import frame_seconds
from stages.ingest.formats.times import finer, is_day, told_zones
from stages.ingest.headers import taken_at
from stages.ingest.source_digest import digest_each
from stages.ingest.whereabouts import PictureFiles, find_pictures
from stages.reporting import Reporter
from stages.runs.kept_source import file_digests, read_source
from stages.runs.store import Artifact
from stages.wording import shown, so_many, with_first

_N_TRIED = 20
"""Pictures that show whether cameras wrote times into them."""
_MOST_READ = 8 << 30
"""Bytes of videos that are read for the seconds of their frames: a minute of a slow disk."""


def warn_of_changed(dataset: Artifact, pictures: PictureFiles, paths: Iterable[str], reporter: Reporter) -> None:
    """Warn if files at `paths` have another content than `dataset` was made from, as far as that is known."""
    kept = read_source(dataset)
    # what was found by its content has it
    looked_at = sorted(set(paths).difference(pictures.lost, pictures.elsewhere))
    if kept is None or not looked_at:
        return
    before = file_digests(dataset.read("path").tolist(), kept.digests)
    with reporter.task("comparing pictures with those ingested", total=len(looked_at), unit="files") as advance:
        digests = digest_each(pictures.root, looked_at, progress=lambda n: advance(n, ""))
    now = zip(looked_at, digests, strict=True)
    changed = [path for path, digest in now if before.get(path) and before[path] != digest]
    if changed:
        reporter.warn(
            f"pictures that changed since they were ingested, so that boxes may be wrong there: "
            f"{with_first(changed)}; restore them, or give the folder that was ingested as `root`"
        )


def paths_without_time(rows: Sequence[Member]) -> list[str]:
    """The paths of pictures of which no time is known, or only the day, in order."""
    return sorted({row.path for row in rows if (not row.timestamp or is_day(row.timestamp)) and not is_video(row.path)})


def with_times(rows: Sequence[Member], taken: Mapping[str, str]) -> tuple[list[Member], tuple[str, ...]]:
    """The rows, those of pictures without a time with when they were `taken`, and a note of how many pictures got one.

    So do those of which only the day is known, if they were taken on that day.
    """
    timed = [replace(row, timestamp=finer(row.timestamp or "", taken.get(row.path, "")) or None) for row in rows]
    n_found = len({new.path for row, new in zip(rows, timed, strict=True) if new.timestamp != row.timestamp})
    told = f"times of {so_many(n_found, 'picture')} are those that cameras wrote into them (EXIF)"
    return timed, (told, *told_zones(row.timestamp or "" for row in timed)) if n_found else ()


def with_own_times(members: Members, reporter: Reporter) -> Members:
    """`members` with the times that cameras wrote into pictures where the source says none, if the pictures are there.

    Of many a few are looked at first: if none of them has a time, no other is looked for.
    """
    without = paths_without_time(members.rows)
    few = without[:: max(len(without) // _N_TRIED, 1)]
    try:
        pictures = find_pictures(members.dataset, few, by_content=False)
        if not any(taken_at(pictures.file(path)) for path in few):
            return members
        pictures = find_pictures(members.dataset, without, by_content=False)
    except UsageError:
        return members
    there = [path for path in without if path not in pictures.lost]
    taken = {}
    with reporter.task("reading times of pictures", total=len(there), unit="files") as advance:
        for path in there:
            taken[path] = taken_at(pictures.file(path))
            advance(1, "")
    rows, notes = with_times(members.rows, taken)
    for note in notes:
        reporter.note(note)
    return replace(members, rows=tuple(rows))


def with_seconds(members: Members, reporter: Reporter) -> Members:
    """`members` with the second at which each frame of a video is shown, if the videos are there and can be read.

    Their packets are read for that, so it is said and not done if they are larger than `_MOST_READ` together.
    """
    paths = sorted({row.path for row in members.rows if row.frame is not None and is_video(row.path)})
    try:
        found = find_pictures(members.dataset, paths, by_content=False) if paths else None
    except UsageError:
        found = None
    if found is None:
        return members
    files = {path: found.file(path) for path in paths if path not in found.lost}
    n_bytes = sum(file.stat().st_size for file in files.values())
    if n_bytes > _MOST_READ:
        reporter.note(f"seconds of frames are left out: {n_bytes >> 30} GiB of videos would be read for them")
        return members
    seconds: dict[str, list[float]] = {}
    for path, file in files.items():
        with suppress(UsageError, BadImageError):
            seconds[path] = frame_seconds(file)

    def timed(row: Member) -> Member:
        known = seconds.get(row.path, [])
        return row if row.frame is None or row.frame >= len(known) else replace(row, second=round(known[row.frame], 3))

    return replace(members, rows=tuple(map(timed, members.rows)))


def require_box_within(row: Member, box: tuple[float, float, float, float], size: tuple[int, int]) -> None:
    """Raise DbcError if `box` reaches beyond the picture of `row`, which has that `size` now: no box did at ingest."""
    left, top, width, height = box
    if left + width > size[0] or top + height > size[1]:
        raise DbcError(
            f"picture {shown(row.path)} is {size[0]}×{size[1]} pixels, and its box {list(box)} reaches beyond: it changed "
            "since it was ingested; restore it, or give the folder that was ingested as `root`"
        )
