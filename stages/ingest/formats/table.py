"""A CSV table that names the images and says what is known of each."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Sequence, Set
from dataclasses import replace
from pathlib import Path

import numpy as np

from schemas.parameters import ANY_CATEGORY, IngestParameters
from stages.errors import UsageError
from stages.ingest.decode.pixels import is_video
from stages.ingest.formats.csv_file import DELIMITERS, CsvFile, read_csv_file, with_synonyms
from stages.ingest.formats.detections import (
    categories_of,
    samples_of,
    tell_scores,
    times_of,
    wanted_categories,
    why_left_out,
    with_names,
)
from stages.ingest.formats.find_table import find_table
from stages.ingest.formats.format import BOXES, NAMING, Findings, Format
from stages.ingest.formats.listing import NAMED, lost_files
from stages.ingest.formats.names import counted, doubts, is_missing, numbers_of, shown, twins_note
from stages.ingest.formats.numbers import NO_NUMBER, frame_of, score_of
from stages.ingest.formats.path_patterns import camera_texts, identity_texts, view_texts
from stages.ingest.formats.programs import with_program
from stages.ingest.formats.splits import own_splits
from stages.ingest.formats.table_cells import (
    CORNERS,
    DETAILS,
    NAMES,
    SIDES,
    SIZE,
    TRACKS,
    rows_of_boxes,
    splits_of,
    with_points,
    with_tracks,
)
from stages.samples import DISTRACTOR, GALLERY, JUNK, TRAIN, UNKNOWN, Samples
from stages.typing import BoolArray, Int32Array, Int64Array, UInt8Array

MARKS = {"junk": JUNK, "distractor": DISTRACTOR}
COLUMNS = ("path", *NAMES, "split", "frame", *MARKS, *DETAILS)
_MOST_OF_BOX = 3
"""Columns with names of a box that are there for no other reason; two may be a position, or the size of the picture."""
SEVERAL = 4
"""Tracklets of one camera that hardly begin at the same moment by chance."""
SYNONYMS = {
    "pid": ("identity",),
    "camid": ("camera", "station"),
    "timestamp": ("datetime",),
    "view": ("flank", "viewpoint", "orientation"),
}
"""Other names of columns; the first of them counts if the column itself is not there."""

_SPECIES = frozenset({"species", "scientificname", "commonname"})
_YES, _NO = frozenset({"1", "1.0", "true", "yes"}), frozenset({"0", "0.0", "false", "no"})


def read_table(source: Path, root: Path, parameters: IngestParameters, findings: Findings) -> Samples:
    """The samples of a table with a column `path` and, if known, the others of `COLUMNS` and a box (`SIDES`, `CORNERS`).

    `source` is the table, or the folder that holds it. Paths are relative to `root`. pid, camid and tracklet are texts,
    numbered as `numbers_of` says: 0 and −1 are names like any other. Rows with 1 in a column `junk` or `distractor` are
    those, whatever their pid. One of `SYNONYMS` stands for a missing column, which is told. Rows of one split with the same
    tracklet are the frames of one sample, in order of `frame` or else of path. Without splits they are drawn by identity
    (`assign_splits`). Other columns are ignored and reported. Samples are sorted by their first path, so the order of the
    rows does not matter. Rows of boxes, and of videos, are read as `samples_of` says.
    """
    names = (*COLUMNS, *itertools.chain(*SYNONYMS.values(), *SIDES, *CORNERS), *TRACKS)
    table = read_csv_file(find_table(source, findings.notes), columns=names, root=root, programs=True)
    findings.warnings += table.short
    has_cameras, notes, warnings = parameters.camera_pattern is not None, findings.notes, findings.warnings
    table = with_program(table, root, has_cameras=has_cameras, notes=notes, warnings=warnings)
    table = with_points(with_synonyms(table, SYNONYMS, findings.notes), findings)
    box = next((box for box in (*SIDES, *CORNERS) if all(name in table.cells for name in box)), None)
    used = {*(box or ()), *(SIZE if box in CORNERS else ())}
    rest = [name for name in itertools.chain(*SIDES, *CORNERS) if name in table.cells and name not in used]
    if box is None and len(rest) >= _MOST_OF_BOX:
        raise UsageError(
            f"{shown(table.file)} has the columns {', '.join(rest)}, which are no whole box; name those of a box "
            f"{', '.join(SIDES[0])} or {', '.join(CORNERS[0])}, or call these otherwise"
        )
    if parameters.category != ANY_CATEGORY and "category" not in table.cells:
        raise UsageError(
            f"{shown(table.file)} has no column category, which `category` chooses by; leave it out, or name the column "
            f"of categories so{_as_category(table)}"
        )
    has_boxes = box is not None or any(map(is_video, table.cells["path"]))
    if has_boxes and not table.cells.keys().isdisjoint(TRACKS):
        table = with_tracks(_named(table, root, parameters, findings), findings)
    rest += [name for name in TRACKS if name in table.cells]
    table = replace(table, ignored=(*table.ignored, *rest))
    if has_boxes:
        _report_columns(table, findings)
        marked = [mark for mark in MARKS if any(cell.casefold() in _YES for cell in table.column(mark))]
        if marked:
            raise UsageError(
                f"{shown(table.file)} marks {marked[0]} beside boxes, which is not known; remove that column"
            )
        rows = rows_of_boxes(table, box, findings)
        return samples_of(rows, source=table.file, root=root, parameters=parameters, findings=findings)
    listed = {*table.cells["path"], *table.empty}
    table = _named(_taken(table, parameters, findings), root, parameters, findings)
    paths = table.cells["path"]
    table = table.take(sorted(range(len(table)), key=paths.__getitem__))
    table = _without_copies(table, findings) if parameters.on_bad_image == "skip" else table
    _check_paths(table, root, parameters, findings, listed=listed)
    split = splits_of(table)
    numbers = _numbers(table, split)
    _report(table, numbers, findings)
    frames_of = _frames(table, split, numbers)
    first = np.asarray([frames[0] for frames in frames_of])
    paths = table.cells["path"]
    pid, camid, tracklet = (numbers[column][first] for column in NAMES)
    samples = Samples(
        path=tuple(paths[frame] for frames in frames_of for frame in frames),
        frame_start=np.cumsum([0, *map(len, frames_of)], dtype=np.int64),
        pid=pid,
        camid=camid,
        tracklet=tracklet,
        split=split[first] if split is not None else own_splits(pid, camid, parameters, findings),
    )
    identity, camera, track = ([table.column(column)[row] for row in first] for column in NAMES)
    samples = samples.named(identity=identity, camera=camera, tracklet=track)
    tell_scores(_scores(table), parameters, findings)
    return _detailed(samples, table, frames_of, findings)


def _taken(table: CsvFile, parameters: IngestParameters, findings: Findings) -> CsvFile:
    """The rows that score and category allow; UsageError if there are none."""
    wanted = wanted_categories(parameters)
    if wanted is None and "score" not in table.cells:
        return table
    kept = []
    for row, (score, category) in enumerate(zip(_scores(table), table.column("category"), strict=True)):
        left_out = why_left_out(score, category, wanted, parameters)
        if left_out is None:
            kept.append(row)
        else:
            findings.boxes[left_out] += 1
    if not kept:
        raise UsageError(f"{shown(table.file)} has no row to take: {counted(findings.boxes)}; take more of them")
    if findings.boxes:
        findings.notes.append(f"rows left out: {counted(findings.boxes)}")
    return table if len(kept) == len(table) else table.take(kept)


def _without_copies(table: CsvFile, findings: Findings) -> CsvFile:
    """The table, in order of path, without rows that say the same as the one before, which are counted."""
    rows = list(zip(*table.cells.values(), strict=True))
    kept = [row for row in range(len(rows)) if row == 0 or rows[row] != rows[row - 1]]
    if len(kept) < len(rows):
        findings.notes.append(f"rows that are there before, left out: {len(rows) - len(kept)}")
    return table.take(kept)


def _scores(table: CsvFile) -> list[float]:
    return [score_of(score, table.at(row)) for row, score in enumerate(table.column("score"))]


def _named(table: CsvFile, root: Path, parameters: IngestParameters, findings: Findings) -> CsvFile:
    """The table with identities, cameras and views as the parameters say."""
    cells = dict(table.cells)
    if parameters.folder_identities is False:
        cells.pop("pid", None)
    for column, find, pattern in (
        ("pid", identity_texts, parameters.identity_pattern),
        ("camid", camera_texts, parameters.camera_pattern),
        ("view", view_texts, parameters.view_pattern),
    ):
        if pattern is not None:
            notes, out = findings.notes, parameters.exclude
            cells[column] = find(cells["path"], pattern=pattern, root=root, notes=notes, exclude=out)
    return replace(table, cells=cells)


def _detailed(samples: Samples, table: CsvFile, frames_of: Sequence[Sequence[int]], findings: Findings) -> Samples:
    """The samples with frame numbers, if they are times, and with what the columns of `DETAILS` say."""
    said = [name for name in DETAILS if name in table.cells and not all(map(is_missing, table.cells[name]))]
    images = [row for frames in frames_of for row in frames]
    frames = table.column("frame")
    if not all(map(is_missing, frames)):
        numbers = np.array([frame_of(frames[row], table.at(row)) for row in images], dtype=np.int64)
        begin = _first_of_all(samples, numbers)
        if begin is None:
            samples = replace(samples, frame_number=numbers)
        else:
            findings.warnings.append(
                f"{shown(table.file)}: every tracklet begins with frame {begin}, so frames are taken to count within each, "
                "and do not say which tracklets were seen at one time"
            )
    if "score" in said:
        scores = np.array(_scores(table), dtype=np.float32)[images]
        samples = replace(samples, score=np.where(scores == NO_NUMBER, np.float32(np.nan), scores))
    if "timestamp" in said:
        samples = replace(samples, timestamp=times_of([table.cells["timestamp"][row] for row in images], findings))
    if "category" in said:
        samples = replace(samples, category=categories_of([table.cells["category"][row] for row in images]))
    first = [frames[0] for frames in frames_of]
    encounter, view = (
        ["" if is_missing(cells[row]) else cells[row] for row in first]
        for cells in (table.column("encounter"), table.column("view"))
    )
    return with_names(samples, findings, encounter=encounter, view=view)


def _first_of_all(samples: Samples, numbers: Int64Array) -> int | None:
    """The number of the first frame of every tracklet, if it is the same for all, and one camera's folder has `SEVERAL`."""
    starts = samples.frame_start[:-1]
    numbered = np.flatnonzero((np.diff(samples.frame_start) > 1) & (numbers[starts] >= 0)).tolist()
    begins = {int(numbers[starts[sample]]) for sample in numbered}
    places = Counter((samples.camid[each], samples.path[starts[each]].rpartition("/")[0]) for each in numbered)
    return begins.pop() if len(begins) == 1 and max(places.values()) >= SEVERAL else None


def _check_paths(
    table: CsvFile, root: Path, parameters: IngestParameters, findings: Findings, *, listed: Set[str]
) -> None:
    """Raise UsageError unless every path, sorted, is there once. If bad images are skipped, one has to be there.

    Files `listed` in rows that were left out do not count as lying beside them.

    Each folder is listed once, for a call a file is slow.
    """
    paths = table.cells["path"]
    for row, (before, path) in enumerate(itertools.pairwise(paths)):
        if before == path:
            lines = sorted((table.line[row], table.line[row + 1]))
            raise UsageError(
                f"{shown(table.file)} lists {shown(path)} in lines {lines[0]} and {lines[1]}; keep one of them (copies "
                "are left out with `on_bad_image='skip'`), or give each its box if they are several in one picture"
            )
    lost = lost_files(root, paths, known=listed | ({table.file.name} if root == table.file.parent else set()))
    findings.left_out = lost.beside
    if not lost.places:
        return
    count = f"{len(lost.places)} of {len(paths)} files that do not exist"
    if lost.may_be_skipped(len(paths), parameters):
        findings.notes.append(f"{shown(table.file)} lists {count}; they are left out")
        return
    named = [
        f"{ascii(paths[row]) if lost.look_alike else shown(paths[row])} (line {table.line[row]})"
        for row in lost.places[:NAMED]
    ]
    top = "the table's folder" if root == table.file.parent else "`root`"
    advice = "" if len(lost.places) == len(paths) else "; restore them, or leave them out with `on_bad_image='skip'`"
    raise UsageError(
        f"{shown(table.file)} lists {count}, the first {', '.join(named)}{lost.told}; paths are relative to {top}{advice}"
    )


def _numbers(table: CsvFile, split: UInt8Array | None) -> dict[str, Int32Array]:
    """(n_rows) the numbers of each column of names; pid says what is junk and what is a distractor."""
    marks = {mark: _marked(table, mark) for mark in MARKS if mark in table.cells}
    numbers = {}
    for column, smallest in NAMES.items():
        cells: Sequence[str] = table.column(column)
        if column == "pid" and marks:
            marked = np.logical_or.reduce(list(marks.values()))
            cells = ["" if is_marked else cell for cell, is_marked in zip(cells, marked.tolist(), strict=True)]
        numbers[column] = np.asarray(numbers_of(cells, smallest=smallest), dtype=np.int32)
    for mark, is_marked in marks.items():
        wrong = (numbers["pid"] == JUNK) & is_marked
        if split is not None:
            wrong |= is_marked & (split != GALLERY)
        if wrong.any():
            raise UsageError(
                f"{table.at(int(wrong.argmax()))}: {mark} belongs in the gallery and is one thing alone; mend it"
            )
        numbers["pid"][is_marked] = MARKS[mark]
    return numbers


def _marked(table: CsvFile, mark: str) -> BoolArray:
    """(n_rows) whether each row says yes in the column `mark`."""
    cells = [cell.casefold() for cell in table.cells[mark]]
    for row, cell in enumerate(cells):
        if cell not in _YES and cell not in _NO and not is_missing(table.cells[mark][row]):
            raise UsageError(f"{table.at(row)}: {mark} {shown(table.cells[mark][row])} is not 1 or 0; correct it")
    return np.fromiter((cell in _YES for cell in cells), dtype=bool, count=len(cells))


def _report(table: CsvFile, numbers: dict[str, Int32Array], findings: Findings) -> None:
    """Add missing values to `findings`, and names that may be meant otherwise than they are read."""
    _report_columns(table, findings)
    for column in NAMES:
        if column in table.cells:
            findings.missing[column] = int((numbers[column] == UNKNOWN).sum())
    for column in ("path", *NAMES):
        different = set(table.cells.get(column, ()))
        kind = f"names of {column}"
        twins = twins_note(different, kind=kind)
        findings.warnings += ([twins] if twins else []) if column == "path" else doubts(different, kind=kind)
        if column == "pid" and "-1" in different and "junk" not in table.cells:
            findings.warnings.append(
                f"{shown(table.file)}: pid -1 is an identity like any other; if it is junk, say so by 1 in a column junk "
                "(and by 1 in a column distractor for images of nobody)"
            )


def _report_columns(table: CsvFile, findings: Findings) -> None:
    """Add to `findings` what separates the columns, and which are ignored."""
    if table.delimiter != ",":
        findings.notes.append(f"{shown(table.file)} is separated by {DELIMITERS[table.delimiter]}")
    if table.ignored:
        ignored = ", ".join(shown(name) for name in table.ignored)
        known = ", ".join(name for name in (*COLUMNS, *SIDES[0]) if name not in table.ignored)
        track = next((name for name in TRACKS if name in table.ignored and "tracklet" not in table.cells), None)
        advice = (
            f"; rename {track} to tracklet, as camA/7, if images of one name are frames of one animal" if track else ""
        )
        advice += _as_category(table)
        findings.warnings.append(f"{shown(table.file)}: ignoring the columns {ignored}; known are {known}{advice}")


def _as_category(table: CsvFile) -> str:
    """Advice on an ignored column of species, as the end of a sentence; empty if there is none."""
    name = next((name for name in table.ignored if name.casefold().replace("_", "") in _SPECIES), None)
    return "" if name is None or "category" in table.cells else f"; rename {shown(name)} to category to choose by it"


def _frames(table: CsvFile, split: UInt8Array | None, numbers: dict[str, Int32Array]) -> list[list[int]]:
    """The rows (indices) of each sample, frames in order; samples in order of their first path."""
    tracklets = numbers["tracklet"]
    if (tracklets == UNKNOWN).all():
        return [[row] for row in range(len(table))]
    groups: dict[tuple[int, int], list[int]] = {}
    for row, tracklet in enumerate(tracklets.tolist()):
        # no split is negative: the key of an image without tracklet is like no other
        key = (-1, row) if tracklet == UNKNOWN else (TRAIN if split is None else int(split[row]), tracklet)
        groups.setdefault(key, []).append(row)
    frames = table.column("frame")
    has_frames = not all(map(is_missing, frames))
    for (kind, _), members in groups.items():
        if kind != -1:
            _check_agreement(table, members, numbers)
            if has_frames:
                _order(table, members)
    return list(groups.values())


def _order(table: CsvFile, members: list[int]) -> None:
    """Sort the rows of a tracklet by frame; UsageError if some have none, or two the same."""
    frames, name = table.column("frame"), shown(table.column("tracklet")[members[0]])
    number = {row: frame_of(frames[row], table.at(row)) for row in members}
    members.sort(key=lambda row: (number[row], row))
    if number[members[0]] < 0 <= number[members[-1]]:
        raise UsageError(f"{table.at(members[0])}: no frame in tracklet {name}, whose others have one; say which it is")
    for before, row in itertools.pairwise(members):
        if number[before] == number[row] >= 0:
            raise UsageError(
                f"{table.at(row)}: frame {number[row]} is in tracklet {name} already, in line {table.line[before]}; give each "
                "tracklet a name of its own"
            )


def _check_agreement(table: CsvFile, members: list[int], numbers: dict[str, Int32Array]) -> None:
    first = members[0]
    for column in ("pid", "camid"):
        for row in members:
            if numbers[column][row] != numbers[column][first]:
                cells = table.column(column)
                raise UsageError(
                    f"{table.at(row)}: {column} {shown(cells[row])} in tracklet {shown(table.column('tracklet')[row])}, "
                    f"whose line {table.line[first]} has {shown(cells[first])}; give each tracklet a name of its own"
                )


FORMAT = Format(
    name="csv",
    description="A table with the column path and, if known, pid, camid, tracklet, frame, split, boxes and more.",
    read_table=read_table,
    options=NAMING | BOXES,
)
