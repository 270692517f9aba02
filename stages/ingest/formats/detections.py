"""Boxes in pictures or frames as rows, and the one way from such rows to samples, with the checks that all of them need."""

from __future__ import annotations

import itertools
import math
import re
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence, Set
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import islice
from operator import itemgetter
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from schemas.parameters import ANY_CATEGORY, IngestParameters
from stages.errors import UsageError
from stages.ingest.decode.image_file import image_suffixes
from stages.ingest.decode.pixels import shown_size
from stages.ingest.formats.format import Findings
from stages.ingest.formats.listing import NAMED, LostFiles, in_other_form, lost_files
from stages.ingest.formats.names import doubts, has_short_year, is_missing, iso_time, numbers_of, told_zones
from stages.ingest.formats.numbers import NO_NUMBER
from stages.ingest.formats.path_patterns import texts_in
from stages.ingest.formats.splits import own_splits
from stages.samples import DISTRACTOR, JUNK, UNKNOWN, Samples
from stages.typing import Int32Array, UInt8Array
from stages.wording import counted, shown, so_many

PIXELS_MEANT = 2
"""A relative box that reaches so many times the picture's size is taken for one in pixels, and refused."""

_BEYOND = 1.05
"""A box that reaches so many times the size of its picture is of another."""

_READERS = 4
"""Threads that read the sizes of pictures."""

_NAMES_TOLD = 5
"""Encounters or views that are told by name."""

_KINDS_TOLD = 4
"""Ways of writing a time that cannot be read, of which the first time is told."""

MARKS = {"junk": JUNK, "distractor": DISTRACTOR}
"""What rows of the gallery may be marked as, and the pid that says so."""

_COUNT_OTHERS = frozenset({"yolo", "voc", "labelme", "video"})
"""Formats that count the pictures without boxes themselves."""

_UNNAMED = frozenset({"", "animal", "0"})
"""Categories that say nothing: what an export writes for all of them, and the first class of YOLO without names."""


class Detection(NamedTuple):
    """A box in a picture, or a whole picture, and what a source says of it. What it does not say has the default.

    `path` names the picture relative to the root (`relative_path`), or a video, of which `frame` is the number of the frame
    from 0; of pictures in a sequence `frame` is their number in it. `box` is left, top, width and height: in pixels of the
    picture as it is shown, or in shares of its size (0 to 1) if `is_relative`; None is the whole picture. `tracklet` names
    the boxes that one sample is made of, and is no tracklet's of another sequence. Texts that are missing words count as
    not said. `split` is `TRAIN`, `QUERY` or `GALLERY`, for all rows or for none. `mark` is one of `MARKS` or empty, and goes
    before the identity. `size` is the width and height of the picture that a box in pixels is of, as the source says them.
    `origin` begins errors about the row: `boxes.json image 3 detection 2`.
    """

    path: str
    origin: str
    box: tuple[float, float, float, float] | None = None
    is_relative: bool = False
    frame: int = -1
    score: float = math.nan
    category: str = ""
    identity: str = ""
    camera: str = ""
    tracklet: str = ""
    timestamp: str = ""
    encounter: str = ""
    view: str = ""
    split: int | None = None
    mark: str = ""
    size: tuple[float, float] | None = None

    @property
    def place(self) -> tuple[str, int, tuple[float, ...]]:
        """The picture, frame and box: the order of rows."""
        return self.path, self.frame, self.box or ()


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
    rows = list(_taken(detections, parameters, findings))
    if not rows:
        why = f": {counted(findings.boxes)}" if findings.boxes else ""
        raise UsageError(
            f"{shown(source)} has no {'box' if listed is None else 'row'} to take{why}; lower `min_confidence`, name another "
            "`category`, or give another file"
        )
    rows, listed = _as_there(rows, listed, root, findings)
    rows.sort(key=lambda row: row.place)
    _check_pixels(rows, findings)
    rows = _without_copies(rows, parameters, findings, are_alone=listed is not None)
    lost = _lost(rows, root, parameters, listed or ())
    rows = _of_size(rows, root, findings)
    rows = _without_twins(list(_named(rows, root, parameters, findings)), parameters, findings)
    samples = _table(rows, _groups(rows, by_path=listed is not None), parameters, findings)
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


def _taken(detections: Iterable[Detection], parameters: IngestParameters, findings: Findings) -> Iterator[Detection]:
    """The rows that confidence, category and box allow."""
    wanted = wanted_categories(parameters)
    for row in detections:
        left_out = why_left_out(row.score, row.category, wanted, parameters)
        if left_out is not None:
            findings.boxes[left_out] += 1
        elif row.box is None:
            yield row
        elif not all(map(math.isfinite, row.box)):
            why = f"{row.origin}: box {_written(row.box)} is not four numbers; correct it"
            findings.leave_out("without four numbers", why, parameters)
        elif min(row.box[2:]) == 0:
            findings.boxes["without area"] += 1
        elif row.is_relative and max(map(abs, row.box)) >= PIXELS_MEANT:
            raise UsageError(
                f"{row.origin}: box {_written(row.box)} should be in shares of the picture, 0 to 1, and seems to be in "
                "pixels; check which program wrote the file"
            )
        elif min(row.box[2:]) < 0:
            why = f"{row.origin}: box {_written(row.box)} has a negative width or height; correct it"
            findings.leave_out("of negative size", why, parameters)
        elif _is_outside(row):
            why = f"{row.origin}: box {_written(row.box)} lies outside its picture {shown(row.path)}; correct it"
            findings.leave_out("outside their picture", why, parameters)
        else:
            yield row


def wanted_categories(parameters: IngestParameters) -> frozenset[str] | None:
    """The categories that are taken; None for all."""
    if parameters.category == ANY_CATEGORY:
        return None
    return frozenset(word.strip() for word in parameters.category.split(","))


def why_left_out(
    score: float, category: str, wanted: frozenset[str] | None, parameters: IngestParameters
) -> str | None:
    """What the parameters have against a row, to be counted; None if it is taken.

    Rows without a score (NaN) are, as a person drew them, but not those whose score is NaN in the source (`NO_NUMBER`).
    """
    if score == NO_NUMBER and parameters.min_confidence:
        return "whose score is NaN"
    if NO_NUMBER < score < parameters.min_confidence:
        return f"below confidence {parameters.min_confidence:g}"
    if wanted is not None and category not in wanted:
        return f"of category {'unknown' if is_missing(category) else category}"
    return None


def tell_scores(scores: Sequence[float], parameters: IngestParameters, findings: Findings) -> None:
    """Warn if a `min_confidence` is compared with no `scores`, or, one of at most 1, with some beyond, as percents are."""
    n_without = sum(map(math.isnan, scores))
    if n_without and parameters.min_confidence:
        findings.warnings.append(
            "nothing has a score, so `min_confidence` leaves none out"
            if n_without == len(scores)
            else f"rows without a score, which `min_confidence` does not leave out: {n_without} of {len(scores)}"
        )
    n_large = sum(score > 1 for score in scores)
    if n_large and 0 < parameters.min_confidence <= 1:
        findings.warnings.append(
            f"scores above 1: {n_large} of {len(scores)}, the largest {max(score for score in scores if score > 1):g}; "
            f"`min_confidence={parameters.min_confidence:g}` is compared with them as they are, so give it in the same unit"
        )


def _is_outside(row: Detection) -> bool:
    """Whether it is clear, without the picture's size, that nothing of the box lies in the picture."""
    if row.box is None:
        return False
    left, top, width, height = row.box
    return left + width <= 0 or top + height <= 0 or (row.is_relative and (left >= 1 or top >= 1))


def _written(box: Sequence[float]) -> str:
    return f"[{', '.join(f'{number:g}' for number in box)}]"


def _check_pixels(rows: Sequence[Detection], findings: Findings) -> None:
    """Raise UsageError if all boxes in pixels are of one pixel at most, as shares of the picture are; warn if some are."""
    boxes = [(row, row.box) for row in rows if row.box is not None and not row.is_relative]
    small = [(row, box) for row, box in boxes if max(box[2:]) <= 1]
    if not small:
        return
    row, box = small[0]
    if len(small) == len(boxes):
        raise UsageError(
            f"{row.origin}: box {_written(box)} should be in pixels, and seems to be in shares of the picture, as all "
            f"{len(boxes)} are; check which program wrote the file"
        )
    findings.warnings.append(
        f"boxes of one pixel or less: {len(small)} of {len(boxes)}, the first {row.origin}, {_written(box)}; if they are "
        "shares of the picture, write them in pixels, as the others are"
    )


def _without_copies(
    rows: Sequence[Detection], parameters: IngestParameters, findings: Findings, *, are_alone: bool
) -> list[Detection]:
    """`rows`, in order of place, each once: those of the same box, category, tracklet and identity are one.

    UsageError for copies, unless bad images are skipped: then they are counted. If rows `are_alone` in their pictures, copies
    say the same, and another row of the picture is an error.
    """
    kept: list[Detection] = []
    for _, group in itertools.groupby(rows, key=lambda row: (row.path,) if are_alone else row.place):
        alike: dict[tuple[str, ...], Detection] = {}
        for row in group:
            before = alike.setdefault(() if are_alone else (row.category, row.tracklet, row.identity), row)
            is_copy = not are_alone or row._replace(origin=before.origin) == before
            if before is row:
                kept.append(row)
            elif is_copy and parameters.on_bad_image == "skip":
                findings.boxes["that are there before"] += 1
            else:
                is_whole = are_alone or (row.box is None and row.frame < 0)
                what = "picture" if is_whole else f"{'frame' if row.box is None else 'box'} of"
                advice = ", or give each its box if they are several in one picture" if are_alone else ""
                raise UsageError(
                    f"{row.origin} and {before.origin} are the same {what} {shown(row.path)}; keep one, or leave copies out "
                    f"with `on_bad_image='skip'`{advice}"
                )
    return kept


def _without_twins(rows: list[Detection], parameters: IngestParameters, findings: Findings) -> list[Detection]:
    """`rows`, if bad images are skipped with one box of a tracklet in a frame, the surest or largest; others are counted."""
    if parameters.on_bad_image != "skip":
        return rows
    best: dict[tuple[object, ...], Detection] = {}
    for number, row in enumerate(rows):
        key = (row.path, row.frame, row.tracklet or number)
        best[key] = max(best.get(key, row), row, key=_sureness)
    if len(best) < len(rows):
        findings.boxes["whose track has another in that frame"] += len(rows) - len(best)
    return list(best.values())


def _sureness(row: Detection) -> tuple[float, float]:
    """Key by which the box to keep is chosen: its score, or its size."""
    return (0.0 if math.isnan(row.score) else row.score, math.prod(row.box[2:]) if row.box else 0.0)


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


def _of_size(rows: list[Detection], root: Path, findings: Findings) -> list[Detection]:
    """`rows`, those whose boxes are of a larger or smaller copy of their picture in shares of it, which is told.

    It is warned of unless some box reaches beyond the picture there is, as the size that is said may be an old one.
    Pictures of another shape, or with boxes beyond the size that is said, keep their boxes, and are warned of.
    """
    first: dict[str, Detection] = {}
    for row in rows:
        if row.size is not None and row.box is not None:
            first.setdefault(row.path, row)
    with ThreadPoolExecutor(max_workers=_READERS) as pool:
        sizes = dict(zip(first, pool.map(lambda path: shown_size(root / path), first), strict=True))
    copies: set[str] = set()
    others: set[str] = set()
    for row in rows:
        is_copy = _is_of_copy(row, sizes.get(row.path))
        if is_copy is not None:
            (copies if is_copy else others).add(row.path)
    copies -= others

    def told(found: set[str]) -> str:
        row = next(row for path, row in first.items() if path in found)
        said, there = ("×".join(f"{length:g}" for length in size or ()) for size in (row.size, sizes[row.path]))
        return f"{len(found)} of {len(first)}, the first {row.origin}: it says {said} pixels, {shown(row.path)} has {there}"

    if copies:
        scaled = f"boxes are scaled to pictures of another size than theirs: {told(copies)}"
        if any(_is_beyond(row, sizes[row.path]) for row in rows if row.path in copies):
            findings.notes.append(scaled)
        else:
            findings.warnings.append(
                f"{scaled}; no box reaches beyond its picture, so they may be in pixels of these: if they are, correct the "
                "width and height that are said"
            )
    if others:
        findings.warnings.append(
            f"pictures of another shape than their boxes are of: {told(others)}; boxes are taken as they are, in pixels of "
            "the picture as it is shown: look at some, and give the pictures that were annotated if they are wrong"
        )
    return [_in_shares(row, row.size) if row.path in copies and row.size else row for row in rows]


def _is_of_copy(row: Detection, size: tuple[int, int] | None) -> bool | None:
    """Whether the box is of a copy of its picture, which has that `size`; None if it is of the picture, or not known."""
    if size is None or row.size is None or row.box is None:
        return None
    wide, high = row.size
    if max(abs(size[0] - wide), abs(size[1] - high)) <= 1:
        return None
    # as alike as rounding lets them be
    is_alike = abs(size[0] * high - size[1] * wide) <= wide + high
    return is_alike and not _is_beyond(row, row.size)


def _is_beyond(row: Detection, size: tuple[float, float] | None) -> bool:
    """Whether the box reaches beyond a picture of that `size`, in pixels of which it therefore cannot be."""
    if size is None or row.box is None:
        return False
    left, top, width, height = row.box
    return left + width > _BEYOND * size[0] or top + height > _BEYOND * size[1]


def _in_shares(row: Detection, size: tuple[float, float]) -> Detection:
    """`row` with its box, if it has one, in shares of a picture of that `size`."""
    if row.box is None:
        return row
    left, top, width, height = row.box
    return row._replace(box=(left / size[0], top / size[1], width / size[0], height / size[1]), is_relative=True)


def _named(
    rows: Sequence[Detection], root: Path, parameters: IngestParameters, findings: Findings
) -> Iterator[Detection]:
    """The rows with identity, camera and view as the parameters say, and without missing words."""
    paths = sorted({row.path for row in rows})
    cameras, identities, views = (
        dict(zip(paths, texts_in(paths, kind, root=root, parameters=parameters, findings=findings), strict=True))
        for kind in ("camera", "identity", "view")
    )
    for row in rows:
        identity = identities[row.path] or ("" if parameters.folder_identities is False else row.identity)
        yield row._replace(
            identity="" if row.mark or is_missing(identity) else identity,
            camera=cameras[row.path] or ("" if is_missing(row.camera) else row.camera),
            tracklet="" if is_missing(row.tracklet) else row.tracklet,
            encounter="" if is_missing(row.encounter) else row.encounter,
            view=views[row.path] or ("" if is_missing(row.view) else row.view),
        )


def _groups(rows: Sequence[Detection], *, by_path: bool) -> list[list[int]]:
    """The rows (indices) of each sample, frames in order; samples in order of their first row, or of their first path."""
    groups: dict[object, list[int]] = {}
    for index, row in enumerate(rows):
        groups.setdefault((row.tracklet, row.split) if row.tracklet else index, []).append(index)

    def place(index: int) -> tuple[int, str, str]:
        row = rows[index]
        return row.frame, "" if by_path else row.timestamp, row.path

    for members in groups.values():
        members.sort(key=place)
        _check_tracklet([rows[index] for index in members])
    return sorted(groups.values(), key=min if by_path else itemgetter(0))


def _check_tracklet(members: Sequence[Detection]) -> None:
    """Raise UsageError for a tracklet that is not of one thing."""
    first = members[0]
    for row in members:
        for field in ("identity", "camera", "mark"):
            if getattr(row, field) != getattr(first, field):
                raise UsageError(
                    f"{row.origin}: {field} {shown(getattr(row, field))} in tracklet {shown(row.tracklet)}, for which "
                    f"{first.origin} has {shown(getattr(first, field))}; give each tracklet a name of its own"
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
    return _with_image_columns(samples, images, parameters, findings)


def with_names(samples: Samples, findings: Findings, *, encounter: Sequence[str], view: Sequence[str]) -> Samples:
    """The samples with the texts and numbers of `encounter` and `view` (n_samples), as far as any is not empty."""
    for column, texts in (("encounter", encounter), ("view", view)):
        if any(texts):
            findings.missing[column] = sum(not text for text in texts)
            findings.warnings += doubts(texts, kind=f"names of {column}")
            names = sorted(set(filter(None, texts)))
            some = f": {', '.join(map(shown, names))}" if len(names) <= _NAMES_TOLD else ""
            findings.notes.append(f"{column}s{some or f': {len(names)}'}")
            numbers = np.asarray(numbers_of(texts, smallest=0), dtype=np.int32)
            named: dict[str, Any] = {column: numbers, f"{column}_name": tuple(texts)}
            samples = replace(samples, **named)
    return samples


def _with_image_columns(
    samples: Samples, images: Sequence[Detection], parameters: IngestParameters, findings: Findings
) -> Samples:
    """The samples with the columns of their `images` (box, frame, score, …); a column without any value stays empty."""
    if any(row.box is not None for row in images):
        whole = (math.nan,) * 4
        box = np.array([row.box or whole for row in images], dtype=np.float64)
        samples = replace(samples, box=box, is_relative=np.array([row.is_relative for row in images]))
    if any(row.frame >= 0 for row in images):
        samples = replace(samples, frame_number=np.array([row.frame for row in images], dtype=np.int64))
    scores = [math.nan if row.score == NO_NUMBER else row.score for row in images]
    tell_scores(scores, parameters, findings)
    if not all(map(math.isnan, scores)):
        samples = replace(samples, score=np.array(scores, dtype=np.float32))
    if not all(is_missing(row.timestamp) for row in images):
        samples = replace(samples, timestamp=times_of([row.timestamp for row in images], findings))
    return replace(samples, category=categories_of([row.category for row in images]))


def categories_of(texts: Sequence[str]) -> tuple[str, ...]:
    """The categories, empty where missing; () if all are default names, such as `animal`."""
    categories = tuple("" if is_missing(text) else text for text in texts)
    return categories if set(categories) - _UNNAMED else ()


def times_of(texts: Sequence[str], findings: Findings) -> tuple[str, ...]:
    """The times that `texts` write as ISO 8601, empty if missing; findings count those, and warn of what cannot be read.

    Of each way of writing that cannot be read the first is told; that dates alone are taken for midnight is noted.
    """
    times = tuple(map(iso_time, texts))
    findings.missing["timestamp"] = times.count("")
    unread = [text for text, time in zip(texts, times, strict=True) if not time and not is_missing(text)]
    if unread:
        first: dict[str, str] = {}
        for text in unread:
            first.setdefault(re.sub("[0-9]+", "0", re.sub("[A-Za-z]+", "a", text)), text)
        kinds = ", ".join(map(shown, islice(first.values(), _KINDS_TOLD)))
        findings.warnings.append(
            f"times not written as 2024-05-31 07:15:00, taken for missing: {len(unread)}, such as {kinds}"
        )
    findings.warnings += told_zones(times)
    n_short = sum(map(has_short_year, texts))
    if n_short:
        findings.notes.append(f"years of two digits, taken for those from 1969 to 2068: {n_short} of {len(times)}")
    n_days = sum(":" not in text for text, time in zip(texts, times, strict=True) if time and time[10:] == "T00:00:00")
    if n_days:
        findings.notes.append(f"dates without a time, taken for midnight: {n_days} of {len(times)}")
    return times


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
