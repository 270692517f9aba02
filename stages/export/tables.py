"""Tables as CSV or Parquet."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import chain
from pathlib import Path
from types import ModuleType
from typing import Any

from stages.errors import UsageError
from stages.output_files import rows_as_csv, write_text, write_whole


def csv_text(columns: Mapping[str, Sequence[Any]], *, delimiter: str = ",") -> str:
    """`columns` of equal length as CSV with a header; None is an empty cell."""
    return rows_as_csv(chain([columns], zip(*columns.values(), strict=True)), delimiter=delimiter)


def write_csv(
    columns: Mapping[str, Sequence[Any]], file: Path, *, argument: str = "out", overwrite: bool = False
) -> None:
    """Write `columns` to `file` as CSV; the errors are those of `write_whole`."""
    write_text(csv_text(columns), file, argument=argument, overwrite=overwrite)


def write_parquet(columns: Mapping[str, Any], file: Path, *, overwrite: bool = False) -> None:
    """Write `columns`, also arrays (n, d), to `file` as Parquet. UsageError without pyarrow, else as `write_whole`."""
    pyarrow, parquet = _pyarrow()
    table = pyarrow.table({name: _parquet_column(pyarrow, column) for name, column in columns.items()})
    write_whole(file, lambda part: parquet.write_table(table, part), overwrite=overwrite)


def _pyarrow() -> tuple[ModuleType, ModuleType]:
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError as error:
        raise UsageError(
            '`out` as .parquet needs pyarrow, which is not installed: pip install ".[parquet]", or give another ending'
        ) from error
    return pyarrow, parquet


def _parquet_column(pyarrow: Any, column: Any) -> Any:
    if getattr(column, "ndim", 1) < 2:
        return pyarrow.array(column)
    return pyarrow.FixedSizeListArray.from_arrays(pyarrow.array(column.ravel()), column.shape[1])
