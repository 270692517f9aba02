"""Tables as CSV or Parquet, whole or not at all."""

from __future__ import annotations

import csv
import io
import os
import secrets
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

from stages.errors import DbcError, UsageError, file_problem


def csv_text(columns: Mapping[str, Sequence[Any]], *, delimiter: str = ",") -> str:
    """`columns` of equal length as CSV with a header; None is an empty cell."""
    text = io.StringIO()
    writer = csv.writer(text, delimiter=delimiter, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(zip(*columns.values(), strict=True))
    return text.getvalue()


def write_csv(columns: Mapping[str, Sequence[Any]], file: Path) -> None:
    """Write `columns` to `file` as CSV; DbcError if it cannot be written."""
    write_text(csv_text(columns), file)


def write_parquet(columns: Mapping[str, Any], file: Path) -> None:
    """Write `columns`, also arrays (n, d), to `file` as Parquet. UsageError without pyarrow."""
    pyarrow, parquet = _pyarrow()
    table = pyarrow.table({name: _parquet_column(pyarrow, column) for name, column in columns.items()})
    write_whole(file, lambda part: parquet.write_table(table, part))


def _pyarrow() -> tuple[ModuleType, ModuleType]:
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError as error:
        raise UsageError(
            "`out` as .parquet needs pyarrow, which is not installed: pip install pyarrow, or give another ending"
        ) from error
    return pyarrow, parquet


def _parquet_column(pyarrow: Any, column: Any) -> Any:
    if getattr(column, "ndim", 1) < 2:
        return pyarrow.array(column)
    return pyarrow.FixedSizeListArray.from_arrays(pyarrow.array(column.ravel()), column.shape[1])


def write_text(text: str, file: Path) -> None:
    """Write `text` to `file` in UTF-8, file names byte for byte; DbcError if it cannot be written."""
    content = text.encode("utf-8", "surrogateescape")
    write_whole(file, lambda part: part.write_bytes(content))


def write_whole(file: Path, write: Callable[[Path], object]) -> None:
    """Have `write` fill a file beside `file`, then rename it to that; DbcError if it cannot be written."""
    part = file.with_name(f".{file.name}.writing-{os.getpid()}-{secrets.token_hex(4)}")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        write(part)
        part.replace(file)
    except OSError as error:
        raise DbcError(file_problem(error, file, failed="cannot be written")) from error
    finally:
        part.unlink(missing_ok=True)
