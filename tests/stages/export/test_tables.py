"""What a table is written as reads back the same."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from stages.errors import UsageError
from stages.export.tables import write_csv, write_parquet

HARD = ["plain.jpg", 'a "b", c.jpg', "new\nline.png", "=1+1.jpg", " blank ends ", "höhle\u0301.jpg", "semi;colon\ttab"]


def test_csv_reads_back_whatever_names_are_like(tmp_path: Path) -> None:
    file = tmp_path / "new" / "table.csv"
    write_csv({"path": HARD, "cluster": [0, None, 2, 3, None, 5, 6]}, file)
    with file.open(encoding="utf-8", newline="") as opened:
        rows = list(csv.DictReader(opened))
    assert [row["path"] for row in rows] == HARD
    assert [row["cluster"] for row in rows] == ["0", "", "2", "3", "", "5", "6"]


def test_names_that_are_no_utf8_keep_their_bytes(tmp_path: Path) -> None:
    write_csv({"path": [b"caf\xe9.jpg".decode("utf-8", "surrogateescape")]}, tmp_path / "t.csv")
    assert (tmp_path / "t.csv").read_bytes() == b"path\ncaf\xe9.jpg\n"


def test_parquet_reads_back_or_names_what_is_missing(tmp_path: Path) -> None:
    file = tmp_path / "t.parquet"
    try:
        from pyarrow import parquet
    except ImportError:
        with pytest.raises(UsageError, match="needs pyarrow"):
            write_parquet({"path": HARD}, file)
        return
    write_parquet({"path": HARD, "cluster": [None, *range(6)]}, file)
    assert parquet.read_table(file).to_pydict() == {"path": HARD, "cluster": [None, *range(6)]}
