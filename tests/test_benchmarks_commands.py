"""The benchmark of the commands: its run is one that they take, and its pieces are functions that they call."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path

import pytest

from benchmarks import commands, merge_measures


def test_a_small_merge_is_measured_beside_its_product(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(merge_measures, "DIM", 32)
    commands.measure_merge(tmp_path, Namespace(train=300, cameras=2, repeats=1))
    cells = [line.split(" | ") for line in capsys.readouterr().out.splitlines() if line.startswith("| ")]
    rows = {row[0].removeprefix("| "): row[1:] for row in cells}
    fitted_first, fitted_again = rows["fitting the whitening"]
    assert float(fitted_first.split()[0]) > 0
    assert float(fitted_again.split()[0]) == 0
    wanted = {
        "reading",
        "keeping or reading it",
        "whitening",
        "looking for cameras",
        "merging",
        "committing",
        "all else",
    }
    assert wanted <= rows.keys()


def test_every_piece_is_there() -> None:
    for functions in commands.PIECES.values():
        for owner, name in functions:
            assert callable(getattr(owner, name)), (owner, name)
