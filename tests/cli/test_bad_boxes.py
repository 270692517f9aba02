"""Sources of boxes that are wrong end in one line with file and row, and nothing is written; or bad rows are counted."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from stages.runs.run_directory import RunDirectory, dataset_manifest
from tests.cli.conftest import Dbc

GOOD = {"category": "animal", "confidence": 0.9, "bbox": [1, 2, 20, 20]}
BEYOND = GOOD | {"bbox": [50, 2, 60, 20]}


def card(folder: Path, *detections: dict[str, Any]) -> Path:
    """Results with one good picture and the `detections` of another, both of 40 × 30 pixels."""
    for name in ("a.jpg", "b.jpg"):
        Image.new("RGB", (40, 30), (90, 120, 60)).save(folder / name)
    images = [{"file": "a.jpg", "detections": [GOOD]}, {"file": "b.jpg", "detections": list(detections)}]
    (folder / "md.json").write_text(json.dumps(images))
    return folder / "md.json"


def table(folder: Path, *rows: str) -> Path:
    card(folder).unlink()
    (folder / "boxes.csv").write_text("\n".join(["path,x,y,w,h", "a.jpg,1,2,20,20", *rows, ""]))
    return folder / "boxes.csv"


BAD = {
    "broken": (lambda at: card(at).rename(at / "x.json") and _cut(at / "x.json"), "x.json' line 1 column"),
    "outside by its numbers": (
        lambda at: card(at, GOOD | {"bbox": [-9, 2, -1, 20]}),
        "md.json image 2 detection 1: box [-9, 2, 8, 18] lies outside its picture 'b.jpg'",
    ),
    "outside by the picture": (lambda at: card(at, GOOD, BEYOND), "md.json image 2 detection 2: b.jpg is of 40×30 pixels"),
    "twice": (lambda at: card(at, GOOD, GOOD), "md.json image 2 detection 2 and md.json image 2 detection 1 are the same"),
    "mixed dialects": (lambda at: card(at, {"category": "1", "conf": 0.9, "bbox": [0, 0, 1, 1]}), "detection 1 has conf"),
    "lost picture": (lambda at: _without(card(at, GOOD), "b.jpg"), "md.json image 2 detection 1: 'b.jpg' does not exist"),
    "table, outside": (lambda at: table(at, "b.jpg,50,2,9,9"), "boxes.csv' line 3: b.jpg is of 40×30 pixels"),
    "table, no number": (lambda at: table(at, "b.jpg,1,two,9,9"), "boxes.csv' line 3: y 'two' is not a number"),
}  # fmt: skip


def _cut(file: Path) -> Path:
    file.write_text(file.read_text()[:-9])
    return file


def _without(file: Path, name: str) -> Path:
    (file.parent / name).unlink()
    return file


@pytest.mark.parametrize("name", BAD)
def test_what_is_wrong_is_one_line_with_file_and_row_and_nothing_is_written(
    dbc: Dbc, tmp_path: Path, name: str
) -> None:
    build, told = BAD[name]
    source = build(tmp_path)
    layout = "csv" if source.suffix == ".csv" else "megadetector"
    ran = dbc("ingest", source, "--format", layout, "--run", tmp_path / "run", "--height", "32", "--width", "32")
    last = ran.err.splitlines()[-1]
    assert ran.status in (1, 2)
    assert told in last
    assert not any(line.startswith("Traceback") for line in ran.err.splitlines())
    assert not list((tmp_path / "run").rglob("*.zarr"))


@pytest.mark.parametrize("kind", ["results", "table"])
def test_bad_rows_are_counted_if_they_are_skipped(dbc: Dbc, tmp_path: Path, kind: str) -> None:
    source = card(tmp_path, GOOD, BEYOND) if kind == "results" else table(tmp_path, "b.jpg,1,2,19,18", "b.jpg,50,2,9,9")
    size = ["--height", "32", "--width", "32"]
    ran = dbc("ingest", source, "--run", tmp_path / "run", "--on-bad-image", "skip", *size)
    assert ran.status == 0, ran.err
    summary = dataset_manifest(RunDirectory(tmp_path / "run").require("dataset")).summary
    assert (summary.n_images, summary.boxes) == (2, {"in pictures that cannot be read, or outside them": 1})
    assert [image.path for image in summary.skipped] == ["b.jpg"]
