"""Tracks with the same id wherever the same individual is seen, as MOTChallenge writes results: one file a sequence."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence

from stages.errors import UsageError
from stages.export.folders import safe_name
from stages.export.formats.format import ExportFormat, IngestedSource, Layout, counts, decimal
from stages.export.members import Member
from stages.ingest.decode.pixels import is_video


def layout(rows: Sequence[Member], source: IngestedSource) -> Layout:
    """One file NAME.txt a camera or video: frame, id, left, top, width, height, confidence, −1, −1, −1; all from 1.

    The id is the individual's number in every sequence. An individual cannot be in a frame twice: the track nearest to the
    centre of the cluster keeps the number, others get numbers that none had before, as does each track that is in no cluster,
    and it is said. Pictures without a frame number that are in no cluster are left out and counted, such as those of a query;
    UsageError if one is in a cluster.
    """
    without = next((row for row in rows if row.frame is None and row.cluster is not None), None)
    if without is not None:
        raise UsageError(
            f"picture {without.path!r} has no frame number, which `format='mot'` needs; ingest a sequence or a video, or "
            "give another `format`"
        )
    left_out = [row for row in rows if row.frame is None]
    rows = [row for row in rows if row.frame is not None]
    spare = source.largest_number
    taken: set[tuple[str, int | None, int]] = set()
    lines: dict[str, list[tuple[int, int, str]]] = defaultdict(list)
    n_apart = n_without = 0
    for name, number, track in _tracks(rows):
        if number is not None and not any((name, row.frame, number) in taken for row in track):
            own = number
        else:
            own = spare = spare + 1
            n_without += number is None
            n_apart += number is not None
        taken.update((name, row.frame, own) for row in track)
        lines[name] += [_line(row, own, source) for row in track]
    # `../in2/camA`, of a folder beside the first, is in2_camA if that is of no other
    for above in ("../", ""):
        name_of = {name: safe_name(name.replace(above, "").replace("/", "_")) for name in sorted(lines)}
        if len(set(name_of.values())) == len(name_of):
            break
    else:
        raise UsageError(
            f"sequences {', '.join(name_of)} would share a file; give them names that file systems tell apart"
        )
    texts = {f"{name_of[name]}.txt": "".join(text for *_, text in sorted(own)) for name, own in sorted(lines.items())}
    of_pictures = [row.frame or 0 for row in rows if not is_video(row.path)]
    least = min(of_pictures, default=0) if source.parameters.format == "csv" else 0
    notes = counts(
        (n_apart, "tracks of an individual that is elsewhere in the same frame, under numbers of their own"),
        (n_without, "boxes or tracks that are in no cluster, under numbers of their own"),
        (len(left_out), "pictures that are in no cluster and have no frame number, left out"),
        (
            least,
            "frames are one more than in the table (take 1 off there if it counts from 1), whose least of a picture is",
        ),
    )
    return Layout(texts, notes)


def _tracks(rows: Sequence[Member]) -> list[tuple[str, int | None, list[Member]]]:
    """Sequence, individual and rows of each tracklet, or each row without one, in the order of their first rows."""
    tracks: dict[tuple[str, int | None, int, int], list[Member]] = {}
    name_of = _names(rows)
    for place, row in enumerate(rows):
        track = (-1, place) if row.track is None else (row.track, -1)
        tracks.setdefault((name_of[row.camera, _frames_of(row)], row.individual, *track), []).append(row)
    return [(name, number, track) for (name, number, *_), track in tracks.items()]


def _names(rows: Sequence[Member]) -> dict[tuple[str | None, str], str]:
    """The name of each sequence, by camera and what holds its frames: that of the camera if it took no other sequence."""
    found = {(row.camera, _frames_of(row)) for row in rows}
    n_of = Counter(camera for camera, _ in found)
    return {(camera, frames): camera if camera and n_of[camera] == 1 else frames for camera, frames in found}


def _frames_of(row: Member) -> str:
    """What holds the frames of a sequence: the video, without its suffix, or the folder."""
    return row.path.rpartition(".")[0] if is_video(row.path) else row.path.rpartition("/")[0] or "frames"


def _line(row: Member, number: int, source: IngestedSource) -> tuple[int, int, str]:
    left, top, width, height = source.box(row)
    frame = (row.frame or 0) + 1
    fields = [frame, number, left + 1, top + 1, width, height, 1 if row.score is None else row.score, -1, -1, -1]
    return frame, number, ",".join(map(decimal, fields)) + "\n"


FORMAT = ExportFormat(name="mot", suffix="", layout=layout)
