"""The cells of a table of images, read column by column: commas, semicolons or tabs between them."""

from __future__ import annotations

import csv
import re
from array import array
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from itertools import chain, islice
from pathlib import Path, PurePosixPath
from typing import Any, TextIO

from stages.errors import DbcError, UsageError
from stages.ingest.decode.image_file import image_suffixes
from stages.ingest.formats.names import is_missing
from stages.ingest.formats.programs import Program, joined_path, program_of
from stages.ingest.formats.relative_paths import relative_path, told_beginning
from stages.plain_files import beginning, plain_file, why_not_utf8
from stages.wording import counted, plain, shortened, shown

BOM = "\ufeff"
DELIMITERS = {",": "commas", ";": "semicolons", "\t": "tabs"}
_BROKEN = frozenset({"#REF!", "#VALUE!", "#NAME?", "#DIV/0!", "#NUM!", "#NULL!", "#SPILL!", "#CALC!", "#FIELD!"})
"""What Excel writes where a formula has no value."""
_BESIDE = re.compile(r"(\.\./)+(?!(.*/)?\.\.(/|$))")
_LOOKED_AT = 10
"""Lines among which a header is looked for below a title, to tell where it is."""
_MOST, _LONGEST = 20, 40
"""Columns that a message names, and letters of each."""
_PATHS = frozenset(
    {
        *("filename", "file", "filepath", "fullpath", "relativepath", "image", "imagepath", "imagename", "imagefile"),
        *("img", "imgpath", "photo", "photopath", "picture", "picturepath", "paths"),
    }
)
"""Names, without what is no letter, that people give to the column `path`."""


@dataclass(frozen=True)
class CsvFile:
    """A table: `cells` holds the columns asked for that it has (n_rows each, stripped), `line` the rows' line numbers.

    The column `path` is POSIX, relative to the `root`. `ignored` names the other columns, and `read_as` says of columns which
    synonym they have in the file. A `program` that is known wrote it. `short` is a line to warn with of rows that end before
    their last column. `empty` are paths of rows without an animal, which are left out.
    """

    file: Path
    delimiter: str
    line: array[int]
    cells: dict[str, list[str]]
    ignored: tuple[str, ...]
    read_as: Mapping[str, str]
    program: Program | None = None
    short: tuple[str, ...] = ()
    empty: frozenset[str] = frozenset()

    def __len__(self) -> int:
        return len(self.line)

    def column(self, name: str) -> list[str]:
        """The cells of a column, empty texts if the table does not have it."""
        return self.cells.get(name) or [""] * len(self)

    def at(self, row: int) -> str:
        """The table and line of a row, to begin an error with."""
        return f"{shown(self.file)} line {self.line[row]}"

    def told_names(self, unread: Collection[str]) -> list[str]:
        """A line for each column that has another name in the file, but for those `unread`."""
        return [
            f"{shown(self.file)}: the column {shown(other)} is read as {name}"
            for name, other in self.read_as.items()
            if name not in unread
        ]

    def written(self) -> list[list[str]]:
        """The cells of all columns as they are in the file, the header first, without rows that have none."""
        with self.file.open(encoding="utf-8-sig", newline="") as text:
            reader = csv.reader(text, delimiter=self.delimiter)
            return [_first(reader, list(self.cells)), *(row for row in reader if any(map(str.strip, row)))]

    def take(self, order: list[int]) -> CsvFile:
        """The rows `order`, in that order."""
        cells = {name: [column[row] for row in order] for name, column in self.cells.items()}
        return replace(self, line=array("q", map(self.line.__getitem__, order)), cells=cells)


def read_csv_file(
    file: Path,
    *,
    columns: tuple[str, ...],
    synonyms: Mapping[str, Sequence[str]] = {},
    may_be_empty: bool = False,
    root: Path | None = None,
    are_ingested: bool = False,
    is_whole: bool = False,
    programs: bool = False,
) -> CsvFile:
    """The table in `file`: UTF-8 with or without BOM, any line ends, cells quoted or not; the first of `columns` is needed.

    The first of its `synonyms` that is there stands for a column that is not.
    `root` is the folder that paths start from, by default the table's. Paths that `are_ingested` are those of a data set, and
    start from another folder: they stay as they are, without needless parts.
    `may_be_empty` takes a header without rows, too; if it `is_whole`, as a program writes it, it does not end within a row.
    With `programs`, a table of one of `PROGRAMS` is taken, too, with the columns that are read of it, and its path.
    Raises `UsageError` if it is no such table, `DbcError` if it cannot be read.
    """
    with _opened(file) as text:
        needed = (columns[0], *synonyms.get(columns[0], ()))
        delimiter, reader, names = _header(file, text, needed=needed, programs=programs)
        doubled = sorted({name for name in names if name and names.count(name) > 1})
        if doubled:
            raise UsageError(f"{shown(file)} has the column {shown(doubled[0])} more than once; keep one")
        _refuse_mixed(file, delimiter, names, (*columns, *chain(*synonyms.values())))
        program = program_of(names) if programs else None
        columns += program.reads if program else ()
        read_as = _read_as(names, chain(program.columns.items() if program else (), synonyms.items()))
        own_names = ((name, read_as.get(name, name)) for name in dict.fromkeys(columns))
        found = [(name, names.index(own)) for name, own in own_names if own in names]
        parts = [names.index(name) for name in program.path] if program else []
        found += [("path", part) for part in parts[-1:]]
        cells: dict[str, list[str]] = {name: [] for name, _ in found}
        line = array("q")
        n_cells = array("q")
        # most texts of a column come often, and are kept once
        kept: dict[str, str] = {}
        folder = PurePosixPath((root or file.parent).absolute().as_posix())
        top = "the table's folder" if root in (None, file.parent) else "`root`"
        no_rows: Counter[str] = Counter()
        path = dict(found)["path"] if "path" in cells and not are_ingested and program is None else -1
        rows = filter(lambda row: any(map(str.strip, row)), _rows(reader, file, n_cells=len(names) if is_whole else 0))
        for row in rows if path < 0 else _listed(rows, names, path, folder, no_rows):
            if len(row) > len(names):
                raise UsageError(
                    f"{shown(file)} line {reader.line_num} has {len(row)} cells under {len(names)} columns; "
                    f"quote cells that hold a {DELIMITERS[delimiter].removesuffix('s')}"
                )
            line.append(reader.line_num)
            n_cells.append(len(row))
            for name, place in found:
                cell = row[place] if place < len(row) else ""
                if name == "path":
                    cell = joined_path(row, parts) or cell
                    to = None if are_ingested else top
                    cells[name].append(_relative(file, reader.line_num, cell, folder, to))
                else:
                    cell = cell.strip()
                    if cell not in kept:
                        kept[cell] = _checked(file, reader.line_num, names[place], cell)
                    cells[name].append(kept[cell])
    if not line and not may_be_empty:
        raise UsageError(f"{shown(file)} has no rows below its header; list one image a row")
    ignored = tuple(name for name in names if name and name not in {*columns, *read_as.values()})
    told = [f"{shown(file)}: lines taken for no rows: {counted(no_rows)}"] if no_rows else []
    return CsvFile(
        file, delimiter, line, cells, ignored, read_as, program, (*told, *_short(file, line, n_cells, names))
    )


def _read_as(names: list[str], synonyms: Iterable[tuple[str, Sequence[str]]]) -> dict[str, str]:
    """The first of its `synonyms` among `names` for each column that is not there itself."""
    found: dict[str, str] = {}
    for column, others in synonyms:
        there = [other for other in others if other in names]
        if there and column not in names:
            found.setdefault(column, there[0])
    return found


def _listed(
    rows: Iterable[list[str]], names: list[str], path: int, folder: PurePosixPath, no_rows: Counter[str]
) -> Iterator[list[str]]:
    """The `rows`, with a picture in the cell `path`, but comments and the header once more, which are counted in `no_rows`."""
    for row in rows:
        row[0] = row[0].removeprefix(BOM)
        cell = row[path] if path < len(row) else ""
        is_full = 1 < len(names) <= sum(map(bool, row))
        if row[0].startswith("#") and not (is_full or (cell and Path(folder, cell).is_file())):
            no_rows["that begin with #"] += 1
        elif cell.strip().lower() == names[path] and [name.strip().lower() for name in row] == names:
            no_rows["that repeat the header"] += 1
        else:
            yield row


def _checked(file: Path, line: int, name: str, cell: str) -> str:
    if "\0" in cell:
        raise _unfinished(file, line)
    if cell in _BROKEN:
        raise UsageError(
            f"{shown(file)} line {line}: {name} {cell} is an error of a formula; mend it, or write NA if it is not known"
        )
    return cell


def _unfinished(file: Path, line: int) -> UsageError:
    return UsageError(
        f"{shown(file)} line {line} holds bytes 0, as a file does that was not written to its end; write it anew"
    )


def _short(file: Path, line: array[int], n_cells: array[int], names: list[str]) -> Iterator[str]:
    """A line to warn with if rows have fewer cells than the columns to the last that has a name."""
    n_named = max(place for place, name in enumerate(names, start=1) if name)
    short = [row for row, n in enumerate(n_cells) if n < n_named]
    if short:
        yield (
            f"{shown(file)}: rows with fewer cells than the header, taken for empty at their end: {len(short)}, the first "
            f"line {line[short[0]]} ({n_cells[short[0]]} of {n_named}); if a cell is missing before that, or the file was cut "
            "off, values are wrong: mend it"
        )


def read_header(file: Path) -> list[str]:
    """The names of the columns of the table in `file`, one of which is `path`; raises as `read_csv_file` does."""
    with _opened(file) as text:
        return _header(file, text, needed=("path",))[2]


@contextmanager
def _opened(file: Path) -> Iterator[TextIO]:
    try:
        with open(file, encoding="utf-8-sig", newline="", opener=plain_file) as text:
            yield text
    except UnicodeDecodeError as error:
        raise _no_utf8(file) from error
    except csv.Error as error:
        is_json = beginning(file, 1) in (b"{", b"[")
        why = "it seems to be JSON" if is_json else plain(str(error))
        raise UsageError(f"{shown(file)} is not a UTF-8 CSV table: {why}; save it as one") from error
    except OSError as error:
        advice = "make it readable" if file.exists() else "give the table"
        raise DbcError(f"cannot read {shown(file)}: {error.strerror}; {advice}") from error


class NotUtf8Error(UsageError):
    """A table that is no text in UTF-8."""


class OfProgramError(UsageError):
    """A table that a known program wrote, where another is wanted."""


def _no_utf8(file: Path) -> NotUtf8Error:
    return NotUtf8Error(f"{shown(file)} is not a UTF-8 CSV table: {why_not_utf8(file)}; save it as CSV UTF-8")


def _rows(reader: Any, file: Path, *, n_cells: int) -> Iterator[list[str]]:
    """The rows of `file`; UsageError if it ends within one: without a line end, after fewer than `n_cells` and those of all
    rows before, which may lack empty cells at their end.
    """
    row: list[str] = []
    fewest = n_before = n_cells
    try:
        for row in reader:
            fewest, n_before = min(fewest, n_before), len(row) or n_cells
            yield row
    except csv.Error as error:
        raise UsageError(
            f"{shown(file)} line {reader.line_num} is not CSV: {plain(str(error))}; see to its quotes, or save the table again"
        ) from error
    if len(row) < fewest and any(map(str.strip, row)) and not file.read_bytes().endswith((b"\n", b"\r")):
        raise UsageError(
            f"{shown(file)} line {reader.line_num} breaks off after {len(row)} of {n_cells} cells; write the file anew"
        )


def _header(file: Path, text: TextIO, *, needed: tuple[str, ...], programs: bool = False) -> tuple[str, Any, list[str]]:
    """The delimiter that gives the header one of the columns `needed`, or, with `programs`, those of one, a reader that stands
    below the header, and its names.
    """
    found: list[str] = []
    problem = None
    for delimiter in DELIMITERS:
        text.seek(0)
        reader = csv.reader(text, strict=True, delimiter=delimiter)
        try:
            names = [name.strip().lower() for name in _first(reader, needed)]
        except csv.Error as error:
            problem = problem or error
            continue
        if not set(needed).isdisjoint(names) or (programs and program_of(names)):
            return delimiter, reader, names
        # the true delimiter finds most names, or parts a title from empty cells
        found = max(found, names, key=lambda cells: (len(list(filter(None, cells))), len(cells)))
    if problem is not None:
        raise problem
    found = list(filter(None, found))
    if any("\0" in name for name in found):
        raise _no_utf8(file)
    advice = "give it that column, in a header with commas, semicolons or tabs"
    if needed[0] == "path":
        alike = [name for name in found if re.sub("[^a-z]", "", name) in _PATHS]
        advice = "name the column of image paths so, in a header with commas, semicolons or tabs"
        if any(PurePosixPath(name).suffix in image_suffixes() for name in found):
            advice = "write the names of the columns above its first line, such as path,pid"
        advice = f"rename {shown(alike[0])} to path, if it holds the paths of images" if alike else advice
        if program := program_of(found):
            raise OfProgramError(
                f"{shown(file)} has no column 'path', and is of {program.name}: `dbc ingest` reads it if it is the source, "
                "`format='csv'`"
            )
    if line := _later_header(text, needed, programs=programs):
        advice = f"line {line} seems to be the header: take the lines above it off"
    names = [plain(name if len(name) <= _LONGEST else f"{name[:_LONGEST]}…") for name in found]
    columns = shortened(names, most=_MOST) or "none"
    raise UsageError(f"{shown(file)} has no column '{needed[0]}' (columns found: {columns}); {advice}")


def _later_header(text: TextIO, needed: tuple[str, ...], *, programs: bool) -> int:
    """The line of the first row below the first that has one of the columns `needed`, among a few; 0 for none."""
    for delimiter in DELIMITERS:
        text.seek(0)
        reader = csv.reader(text, delimiter=delimiter)
        with suppress(csv.Error):
            for row in islice(reader, _LOOKED_AT):
                names = [name.strip().lower() for name in row]
                if len(names) > 1 and (not set(needed).isdisjoint(names) or (programs and program_of(names))):
                    return int(reader.line_num)
    return 0


def _first(reader: Any, needed: Sequence[str]) -> list[str]:
    """The row of names: the first that is neither empty, nor a comment, nor Excel's line of what separates columns.

    A second BOM, as two programs leave it, and a # before names, as NumPy writes it, are taken off.
    """
    for row in reader:
        if row and row[0].startswith((BOM, "#")):
            is_comment = row[0].lstrip(BOM).startswith("#")
            row[0] = row[0].lstrip(f"{BOM}# ").strip('"')
            if is_comment and set(needed).isdisjoint(name.strip().lower() for name in row):
                continue
        if any(map(str.strip, row)) and not _names_delimiter(row):
            return row  # type: ignore[no-any-return]
    return []


def _names_delimiter(row: list[str]) -> bool:
    """Whether a row is the line `sep=;` with which Excel is told what separates columns."""
    return bool(row) and len(row) <= 2 and row[0].strip().lower() in ("sep=", *(f"sep={each}" for each in DELIMITERS))


def _refuse_mixed(file: Path, delimiter: str, names: list[str], columns: tuple[str, ...]) -> None:
    """Raise UsageError if another delimiter would find one of `columns` within a name of the header."""
    # people write "date, time" themselves
    telling = {*columns} - {"date", "time"}
    for other in set(DELIMITERS) - {delimiter}:
        for name in names:
            if other in name and any(part.strip() in telling for part in name.split(other)):
                raise UsageError(
                    f"{shown(file)} has {DELIMITERS[delimiter]} between its columns, and {DELIMITERS[other]} in the column "
                    f"{shown(name)}; use one of them throughout"
                )


def _relative(file: Path, line: int, path: str, folder: PurePosixPath, top: str | None) -> str:
    """`path` relative to `folder`, as `relative_path`. It is taken as written: a name may begin or end with a blank.

    UsageError if it leaves the folder, which `top` describes, unless a picture is there, as after more were added from a
    folder beside it; without `top` it stays as it is, but for needless parts.
    """
    if "\0" in path:
        raise _unfinished(file, line)
    if is_missing(path):
        raise UsageError(f"{shown(file)} line {line} has path {shown(path)}; give the path of an image")
    found = None if top is None and path.startswith("/") else relative_path(path, folder)
    if found is None and (top is None or (_BESIDE.match(path) and Path(folder, path).is_file())):
        return PurePosixPath(path).as_posix()
    if found is None:
        advice = told_beginning(path, folder) or "give paths relative to it, below it"
        raise UsageError(f"{shown(file)} line {line}: path {shown(path)} leaves {top}; {advice}")
    return found
