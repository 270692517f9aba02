"""Which file of a folder is the table of its pictures: lists that dbc wrote there are none."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from stages.errors import DbcError
from stages.ingest.formats.csv_file import NotUtf8Error, OfProgramError, read_header
from stages.ingest.formats.format import Findings
from stages.ingest.formats.layout import only_one
from stages.wording import first_names

OWN_LISTS = (
    frozenset({"path", "individual", "cluster", "cluster_size", "stage"}),
    frozenset({"path", "individual", "probability", "nearest", "similarity", "margin"}),
)
"""Columns by which a list of `dbc export clusters`, and one of `dbc assign`, is known."""


class Tables(NamedTuple):
    """The `.csv` files of a folder, sorted: those with a column `path`, `others`, and lists that dbc wrote (`own`).

    Some of `others` are `not_utf8`, whose columns are not known, and some `of_programs`, which are read as a source.
    """

    with_path: list[Path]
    others: list[Path]
    own: list[Path]
    not_utf8: list[Path]
    of_programs: list[Path]

    @property
    def likely(self) -> list[Path]:
        """`samples.csv` or, if it is not there, the tables with a column `path` or, if there are none, the others."""
        samples = [file for file in (*self.with_path, *self.others) if file.name == "samples.csv"]
        return samples or self.with_path or self.others

    @property
    def passed_over(self) -> str:
        """What to say of the lists that dbc wrote; empty if there are none."""
        return f"passed over, because dbc wrote it: {first_names(self.own)}" if self.own else ""


def tables_in(folder: Path) -> Tables:
    """The `.csv` files of `folder` that are not hidden, by what their headers say. Nothing is raised for a bad header."""
    tables = Tables([], [], [], [], [])
    for file in sorted(folder.iterdir()):
        if file.suffix.lower() != ".csv" or file.name.startswith(".") or not file.is_file():
            continue
        try:
            names = set(read_header(file))
        except DbcError as error:
            tables.others.append(file)
            if isinstance(error, NotUtf8Error):
                tables.not_utf8.append(file)
            elif isinstance(error, OfProgramError):
                tables.of_programs.append(file)
        else:
            is_own = any(columns <= names for columns in OWN_LISTS)
            (tables.own if is_own else tables.with_path).append(file)
    return tables


def find_table(source: Path, findings: Findings | None = None) -> Path:
    """`source` itself if it is a file, else its `samples.csv`, its only table with a column `path`, or its only `.csv` file.

    Lists that dbc wrote are passed over, which is noted. UsageError if no file or several are left.
    """
    if source.is_file():
        return source
    tables = tables_in(source)
    if findings is not None and tables.own:
        findings.notes.append(tables.passed_over)
    wanted = "samples.csv or exactly one .csv file with a column path"
    told = f"; {tables.passed_over}" if tables.own else ""
    return only_one(tables.likely, source, wanted=wanted, advice=f"{told}; give the table itself as the source")
