"""Tables of pictures that known programs write, whose names of columns are fixed: Timelapse and Wildlife Insights."""

from __future__ import annotations

from collections.abc import Collection, Container, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING

from schemas.parameters import IngestParameters
from stages.errors import UsageError
from stages.ingest.formats.camera_folders import by_name_and_folder, of_shared_files
from stages.ingest.formats.format import Findings
from stages.ingest.formats.listing import list_images
from stages.ingest.formats.names import is_missing
from stages.ingest.formats.numbers import number_of
from stages.ingest.formats.path_patterns import said_by_patterns
from stages.wording import shortened, shown

if TYPE_CHECKING:
    from stages.ingest.formats.csv_file import CsvFile

_MOST = 8
"""Columns not read that a message names."""
_BLANK = frozenset({"blank", "empty"})
_YES = frozenset({"1", "true", "yes"})


@dataclass(frozen=True)
class Program:
    """A program: the columns, in lower case, that join to a path, and those that stand for a column of a table of images.

    A picture is empty if one of the columns `blank` says yes, its category is a word for it, or `counts` says 0 of none.
    """

    name: str
    path: tuple[str, ...]
    columns: Mapping[str, tuple[str, ...]]
    blank: tuple[str, ...]
    counts: str
    location: str = ""

    @property
    def reads(self) -> tuple[str, ...]:
        """The columns that are read to know the path, and what is empty."""
        return (*self.path, *self.blank, self.counts, self.location)


_INDIVIDUAL = ("individual_id", "individualid", "individual id", "individual")
PROGRAMS = (
    Program(
        "Timelapse",
        path=("relativepath", "file"),
        columns={"timestamp": ("datetime",), "category": ("species",), "pid": _INDIVIDUAL},
        blank=("empty", "blank"),
        counts="count",
    ),
    Program(
        "Wildlife Insights",
        path=("deployment_id", "filename"),
        columns={
            **{"camid": ("deployment_id",), "timestamp": ("timestamp",), "category": ("common_name",)},
            **{"pid": _INDIVIDUAL[:1], "encounter": ("sequence_id",)},
        },
        blank=("is_blank",),
        counts="number_of_objects",
        location="location",
    ),
)


def program_of(names: Collection[str]) -> Program | None:
    """The program whose table has columns of these `names`, if it has no column `path`."""
    return next((each for each in PROGRAMS if "path" not in names and set(each.path) <= set(names)), None)


def joined_path(row: Sequence[str], parts: Sequence[int]) -> str:
    """The path that the cells `parts` of a row make, with / for each backslash; empty without the name of a file."""
    cells = [row[part].strip() for part in parts if part < len(row)]
    return "/".join(filter(None, cells)).replace("\\", "/") if len(cells) == len(parts) > 0 and cells[-1] else ""


def with_program(table: CsvFile, root: Path, parameters: IngestParameters, findings: Findings) -> CsvFile:
    """The table of a known program without blanks; how it is read, and the synonyms of any table, are told."""
    program = table.program
    if program is None:
        findings.notes += table.told_names(said_by_patterns(parameters))
        return table
    cells = dict(table.cells)
    told = [
        f"{' and '.join(program.path)} are the path",
        *(f"{other} is {name}" for name, other in table.read_as.items() if name not in said_by_patterns(parameters)),
    ]
    category = cells.get("category", [""] * len(table))
    none = [
        category[row].casefold() in _BLANK
        or any(table.column(name)[row].casefold() in _YES for name in program.blank)
        or (is_missing(category[row]) and table.column(program.counts)[row] == "0")
        for row in range(len(table))
    ]
    kept = [row for row, is_blank in enumerate(none) if not is_blank]
    if program.location:
        cells["path"] = _found(table, program, root, {*kept}, findings.warnings)
    if not kept:
        raise UsageError(
            f"{shown(table.file)} is of {program.name}, and all its pictures are empty ({len(none)}); give another"
        )
    left_out = f"; empty pictures, left out: {len(none) - len(kept)}" if len(kept) < len(none) else ""
    known = {name: column for name, column in cells.items() if name not in program.reads}
    # a row for each animal of a picture
    once = {tuple(column[row] for column in known.values()): row for row in reversed(kept)}
    copies = (
        f"; rows that say the same of a picture, taken once: {len(kept) - len(once)}" if len(once) < len(kept) else ""
    )
    kept = sorted(once.values())
    rest = f"; not read: {shortened(table.ignored, most=_MOST)}" if table.ignored else ""
    findings.notes.append(f"{shown(table.file)} is of {program.name}: {', '.join(told)}{left_out}{copies}{rest}")
    n_unknown = sum(is_missing(category[row]) for row in kept)
    if 0 < n_unknown < len(kept):
        findings.warnings.append(
            f"{shown(table.file)}: pictures without {program.columns['category'][0]}, which may be empty or not yet looked "
            f"at: {n_unknown}; `category` takes those of a species alone"
        )
    findings.warnings += told_herds(table, [table.column(program.counts)[row] for row in kept])
    if parameters.camera_pattern is None and "camid" not in cells and any("/" in path for path in cells["path"]):
        findings.warnings.append(
            f"{shown(table.file)} names no cameras; if a folder of each path is one, say which, as by "
            "`camera_pattern='^([^/]+)/'`"
        )
    empty = frozenset(path for path, is_blank in zip(cells["path"], none, strict=True) if is_blank)
    return replace(table, cells=known, ignored=(), empty=empty).take(kept)


def told_herds(table: CsvFile, counts: Sequence[str]) -> list[str]:
    """A line to warn with if some of the `counts` of animals in whole pictures are above 1; or none."""
    n_herds = sum((number_of(each) or 0) > 1 for each in counts)
    return [
        f"{shown(table.file)}: pictures of several animals (a count above 1), each taken for one: {n_herds}; give the "
        "boxes of a detector, such as the file of MegaDetector, to have a sample of each animal"
    ][: bool(n_herds)]


def _found(table: CsvFile, program: Program, root: Path, kept: Container[int], warnings: list[str]) -> list[str]:
    """The paths of the pictures, looked for below `root` by name, where it lies elsewhere than in the deployment's folder.

    That is the end of its location, or else in a folder of the deployment's name, or the only one of that name, if it is no
    other's. UsageError if several pictures that are `kept` come to one file; `warnings` gains a line if one and blanks do.
    """
    there: dict[str, list[str]] = {}
    files = dict.fromkeys(list_images(root, recursive=True))
    for path in files:
        there.setdefault(path.rpartition("/")[2], []).append(path)
    in_folder = by_name_and_folder(files, {*table.column(program.path[0])})
    columns = (table.cells["path"], *(table.column(name) for name in (*program.path, program.location)))
    rows = [*zip(*columns, strict=True)]
    pictures = dict.fromkeys(rows)
    found: dict[tuple[str, ...], str] = {}
    for picture in pictures:
        path, deployment, name, location = picture
        ends = accumulate(reversed(location.split("/")), lambda end, folder: f"{folder}/{end}")
        likely = (
            [path] if path in files else [],
            [end for end in ends if end in files and end.endswith(f"/{name}")],
            in_folder.get((name, deployment), []),
        )
        first = next(filter(None, likely), [])
        if first:
            found[picture] = first[0] if len(first) == 1 else path
    taken = {*found.values()}
    for picture in pictures.keys() - found.keys():
        alike = there.get(picture[2], [])
        found[picture] = alike[0] if len(alike) == 1 and alike[0] not in taken else picture[0]
    rows_of_files = ((found[picture], picture[0], row) for row, picture in enumerate(rows))
    twins, alone = of_shared_files(rows_of_files, kept, files.__contains__)
    advice = f"put the pictures of each deployment into a folder called as its {program.path[0]} below `root`"
    if twins:
        one, row = twins[0][:2]
        raise UsageError(
            f"{table.at(row)}: pictures {shown(rows[one][0])} and {shown(rows[row][0])} come to one file, "
            f"{shown(found[rows[row]])}; {advice}"
        )
    if alone:
        warnings.append(
            f"{shown(table.file)}: pictures whose file is that of an empty one, too: {len(alone)}, the first "
            f"{shown(found[rows[alone[0]]])}; if they are not the same, {advice}"
        )
    return [found[each] for each in rows]
