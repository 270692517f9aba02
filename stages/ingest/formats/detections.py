"""The one way from rows of boxes in pictures or frames to samples, with the checks that all formats need."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence, Set
from operator import itemgetter
from pathlib import Path

import numpy as np

from schemas.parameters import IngestParameters
from stages.errors import UsageError
from stages.ingest.decode.image_file import image_suffixes
from stages.ingest.formats.box_checks import check_pixels, taken_boxes, without_copies, without_twins
from stages.ingest.formats.camera_folders import in_camera_folders
from stages.ingest.formats.copy_sizes import of_size
from stages.ingest.formats.detection import MARKS, Detection
from stages.ingest.formats.format import Findings
from stages.ingest.formats.listing import NAMED, LostFiles, in_other_form, lost_files
from stages.ingest.formats.names import doubts, is_missing, numbers_of, without_several
from stages.ingest.formats.path_patterns import texts_in
from stages.ingest.formats.sample_columns import with_image_columns, with_names
from stages.ingest.formats.splits import own_splits
from stages.samples import UNKNOWN, Samples
from stages.typing import Int32Array, UInt8Array
from stages.wording import counted, shown, so_many

_COUNT_OTHERS = frozenset({"yolo", "voc", "labelme", "video"})
"""Formats that count the pictures without boxes themselves."""


def samples_of(
    detections: Iterable[Detection],
    *,
    source: Path,
    root: Path,
    parameters: IngestParameters,
    findings: Findings,
    listed: Set[str] | None = None,
) -> Samples:
    """The samples of rows of the table `source`, whose pictures lie under `root`, in order of picture, frame and box.

    Rows below `min_confidence` or of other categories, and boxes without area, are left out and counted. Every other row is
    a sample, or those of one tracklet and split are, in order of frame, time and path. Splits are drawn by identity if no row
    has one. Boxes of a larger or smaller copy of the picture, as the `size` says, become shares of it, and are told.
    Other files do not count as left out: a table of boxes lists what is meant, and pictures beside them are told. But rows
    of whole pictures, all of which are `listed`, are alone in theirs and their tracklets in order of frame and path,
    and files beside them do count.
    Raises `UsageError`, which names the row, for a box outside its picture or of negative size (left out and counted if bad
    images are skipped), a row that is there twice, a picture that is not there, a tracklet of two identities, cameras or
    marks, or with two boxes in one frame; and if no row is left.
    """
    rows = list(taken_boxes(detections, parameters, findings))
    if not rows:
        why = f": {counted(findings.boxes)}" if findings.boxes else ""
        raise UsageError(
            f"{shown(source)} has no {'box' if listed is None else 'row'} to take{why}; lower `min_confidence`, name another "
            "`category`, or give another file"
        )
    rows, listed = _as_there(rows, listed, root, findings)
    rows, listed = in_camera_folders(rows, listed, root, parameters, findings)
    rows.sort(key=lambda row: row.place)
    check_pixels(rows, findings)
    rows = without_copies(rows, parameters, findings, are_alone=listed is not None)
    lost = _lost(rows, root, parameters, listed or ())
    rows = of_size(rows, root, findings)
    rows = list(_named(rows, root, parameters, findings))
    identities, told = without_several([row.identity for row in rows], known=findings.individuals)
    findings.warnings += told
    said = {row.origin: row.identity for row in rows} if told else {}
    rows = [row._replace(identity=identity) for row, identity in zip(rows, identities, strict=True)] if told else rows
    rows = without_twins(rows, parameters, findings)
    samples = _table(rows, _groups(rows, said, by_path=listed is not None), parameters, findings)
    n_pictures = len({(row.path, row.frame) for row in rows})
    without = f", of which {len(lost.places)} do not exist and are left out" if lost.places else ""
    without += f"; left out: {counted(findings.boxes)}" if findings.boxes else ""
    taken = so_many(len(rows), "box" if len(samples.box) else "image")
    pictures = "1 picture or frame" if n_pictures == 1 else f"{n_pictures} pictures or frames"
    tracks = f" in {so_many(len(samples), 'sample')}" if len(samples) < len(rows) else ""
    if listed is None or without:
        findings.notes.append(f"{taken} of {pictures}{tracks}{without}")
    n_whole = sum(row.box is None for row in rows)
    if 0 < n_whole < len(rows):
        findings.notes.append(f"rows without a box, taken for whole pictures: {n_whole}")
    findings.left_out = Counter() if listed is None else lost.beside
    others = Counter({kind: n for kind, n in lost.beside.items() if kind in image_suffixes()})
    if others and listed is None and parameters.format not in _COUNT_OTHERS:
        is_list = parameters.format == "wildlife-datasets" and n_whole == len(rows)
        told = findings.warnings if is_list else findings.notes
        told.append(f"pictures in the same folders of which nothing is taken: {counted(others)}")
    return samples


def _as_there(
    rows: list[Detection], listed: Set[str] | None, root: Path, findings: Findings
) -> tuple[list[Detection], Set[str] | None]:
    """`rows` and `listed` with paths as files under `root` have them, where they differ in Unicode's forms, which is told."""
    there = in_other_form(root, dict.fromkeys(row.path for row in rows))
    if not there:
        return rows, listed
    first, found = min(there.items())
    findings.notes.append(
        f"paths that are written in another Unicode form than the names of their files, which are taken: {len(there)}, the "
        f"first {first!a} for {found!a}"
    )
    rows = [row._replace(path=there.get(row.path, row.path)) for row in rows]
    return rows, None if listed is None else {there.get(path, path) for path in listed}


def _lost(rows: Sequence[Detection], root: Path, parameters: IngestParameters, known: Collection[str]) -> LostFiles:
    """Which pictures are missing; UsageError if any is and bad images are not to be skipped, or if all are."""
    row_of: dict[str, Detection] = {}
    for row in rows:
        row_of.setdefault(row.path, row)
    paths = list(row_of)
    lost = lost_files(root, paths, known=known)
    if not lost.places or lost.may_be_skipped(len(paths), parameters):
        return lost
    first = row_of[paths[lost.places[0]]]
    names = ", ".join(shown(paths[place]) for place in lost.places[1:NAMED])
    others = f", nor do {len(lost.places) - 1} other of the {len(paths)} pictures, the next {names}" if names else ""
    advice = "give the folder that their paths start from as `root`"
    if len(lost.places) < len(paths):
        advice = "restore it, or leave such pictures out with `on_bad_image='skip'`"
    raise UsageError(
        f"{first.origin}: {shown(first.path)} does not exist in {shown(root)}{others}{lost.told}; {advice}"
    )


def _named(
    rows: Sequence[Detection], root: Path, parameters: IngestParameters, findings: Findings
) -> Iterator[Detection]:
    """The rows with identity, camera and view as the parameters say, and without missing words."""
    paths = sorted({row.path for row in rows})
    cameras, identities, views = (
        dict(zip(paths, texts_in(paths, kind, root=root, parameters=parameters, findings=findings), strict=True))
        for kind in ("camera", "identity", "view")
    )
    for kind, texts in (("camera", cameras), ("identity", identities)):
        said = (getattr(row, kind) for row in rows if texts[row.path] not in ("", getattr(row, kind)))
        if n := sum(not is_missing(text) for text in said):
            findings.notes.append(f"{kind} by `{kind}_pattern`, in place of another that the source says: {n}")
    for row in rows:
        identity = identities[row.path] or ("" if parameters.folder_identities is False else row.identity)
        yield row._replace(
            identity="" if row.mark or is_missing(identity) else identity,
            camera=cameras[row.path] or ("" if is_missing(row.camera) else row.camera),
            tracklet="" if is_missing(row.tracklet) else row.tracklet,
            encounter="" if is_missing(row.encounter) else row.encounter,
            view=views[row.path] or ("" if is_missing(row.view) else row.view),
        )


def _groups(rows: Sequence[Detection], said: Mapping[str, str], *, by_path: bool) -> list[list[int]]:
    """The rows (indices) of each sample, frames in order; samples in order of their first row, or of their first path.

    Of identities that are not as the source has them, errors have what it `said` there (by `origin`).
    """
    groups: dict[object, list[int]] = {}
    for index, row in enumerate(rows):
        groups.setdefault((row.tracklet, row.split) if row.tracklet else index, []).append(index)

    def place(index: int) -> tuple[int, str, str]:
        row = rows[index]
        return row.frame, "" if by_path else row.timestamp, row.path

    for members in groups.values():
        members.sort(key=place)
        _check_tracklet([rows[index] for index in members], said)
    return sorted(groups.values(), key=min if by_path else itemgetter(0))


def _check_tracklet(members: Sequence[Detection], said: Mapping[str, str]) -> None:
    """Raise UsageError for a tracklet that is not of one thing."""
    first = members[0]
    for row in members:
        for field in ("identity", "camera", "mark"):
            texts = [getattr(each, field) for each in (row, first)]
            if texts[0] != texts[1]:
                if field == "identity":
                    texts = [said.get(each.origin, each.identity) for each in (row, first)]
                raise UsageError(
                    f"{row.origin}: {field} {shown(texts[0])} in tracklet {shown(row.tracklet)}, for which "
                    f"{first.origin} has {shown(texts[1])}; give each tracklet a name of its own"
                )
    # those without a number are the first
    if first.frame < 0 <= members[-1].frame:
        raise UsageError(
            f"{first.origin}: no frame in tracklet {shown(first.tracklet)}, whose others have one; say which it is"
        )
    for before, row in itertools.pairwise(members):
        if (before.path, before.frame) == (row.path, row.frame):
            raise UsageError(
                f"{row.origin}: tracklet {shown(row.tracklet)} has the same frame in {before.origin}; keep one, or leave all "
                "but the surest or largest out with `on_bad_image='skip'`"
            )
        if before.frame == row.frame >= 0:
            raise UsageError(
                f"{row.origin}: frame {row.frame} is in tracklet {shown(row.tracklet)} already, by {before.origin}; give each "
                "tracklet a name of its own"
            )


def _table(
    rows: Sequence[Detection], groups: Sequence[Sequence[int]], parameters: IngestParameters, findings: Findings
) -> Samples:
    """The samples whose images are the `rows` that `groups` lists for each of them."""
    first = [rows[members[0]] for members in groups]
    images = [rows[index] for members in groups for index in members]
    lengths = list(map(len, groups))
    numbers = {}
    for name, column, smallest in (("identity", "pid", 1), ("camera", "camid", 0), ("tracklet", "tracklet", 0)):
        texts = [getattr(row, name) for row in first]
        numbers[column] = np.asarray(numbers_of(texts, smallest=smallest), dtype=np.int32)
        if column == "pid":
            marked = [MARKS.get(row.mark, UNKNOWN) for row in first]
            numbers[column] = np.maximum(numbers[column], np.array(marked, dtype=np.int32))
        is_missing_in = numbers[column] == UNKNOWN
        if not is_missing_in.all():
            findings.missing[column] = int(is_missing_in.repeat(lengths).sum())
        findings.warnings += doubts(texts, kind=f"names of {column}")
    samples = Samples(
        path=tuple(row.path for row in images),
        frame_start=np.cumsum([0, *lengths], dtype=np.int64),
        pid=numbers["pid"],
        camid=numbers["camid"],
        tracklet=numbers["tracklet"],
        split=_splits(first, numbers["pid"], numbers["camid"], parameters, findings),
        origin=tuple(row.origin for row in images),
    )
    # a track of no sequence is told as /7 from one of a sequence
    tracklet = [row.tracklet.removeprefix("/") for row in first]
    samples = samples.named(
        identity=[row.identity for row in first], camera=[row.camera for row in first], tracklet=tracklet
    )
    samples = with_names(
        samples, findings, encounter=[row.encounter for row in first], view=[row.view for row in first]
    )
    return with_image_columns(samples, images, parameters, findings)


def told_tracks(samples: Samples, of_one: str, advice: str) -> list[str]:
    """A line to warn with, and to give `advice`, if boxes `of_one` track are one of the `samples`; else none."""
    if len(samples) == len(samples.path):
        return []
    return [
        f"{len(samples.path)} boxes are {so_many(len(samples), 'sample')}: those of one {of_one} are taken for frames of one "
        f"animal, which no merge parts again; {advice}"
    ]


def _splits(
    first: Sequence[Detection], pid: Int32Array, camid: Int32Array, parameters: IngestParameters, findings: Findings
) -> UInt8Array:
    """(n_samples, uint8) the split of each sample, as given for all or drawn if given for none."""
    without = [row for row in first if row.split is None]
    if len(without) == len(first):
        return own_splits(pid, camid, parameters, findings)
    if without:
        raise UsageError(f"{without[0].origin} has no split, and others have; give every row one, or none")
    return np.array([row.split for row in first], dtype=np.uint8)
