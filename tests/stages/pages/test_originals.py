"""A review shows the pictures that were ingested, or their boxes, as long as they are there and unchanged."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from PIL import Image

from schemas.parameters import IngestParameters
from stages.ingest.stage import ingest
from stages.pages.originals import Originals
from stages.reporting import SILENT
from stages.runs.context import Context
from stages.runs.run_directory import RunDirectory
from stages.runs.store import Artifact


def dataset_of_boxes(folder: Path) -> Artifact:
    """A dataset, stored at 16×16, of a box of 30×20 pixels in each of four pictures of 60×40."""
    (folder / "photos").mkdir()
    lines = ["path,left,top,width,height"]
    for place in range(4):
        Image.new("RGB", (60, 40), (60 * place, 9, 9)).save(folder / "photos" / f"{place}.png")
        lines.append(f"{place}.png,5,5,30,20")
    (folder / "photos" / "boxes.csv").write_text("\n".join(lines))
    run = RunDirectory(folder / "run")
    parameters = IngestParameters(format="csv", height=16, width=16)
    ingest(run, source=folder / "photos" / "boxes.csv", parameters=parameters, context=Context(workers=0))
    return run.require("dataset")


def size_of(picture: bytes | None) -> tuple[int, int] | None:
    return None if picture is None else Image.open(io.BytesIO(picture)).size


def test_boxes_are_cut_out_of_pictures_that_are_as_they_were(tmp_path: Path) -> None:
    dataset = dataset_of_boxes(tmp_path)
    paths = dataset.read("path").tolist()
    Image.new("RGB", (60, 40), (9, 9, 250)).save(tmp_path / "photos" / "1.png")
    (tmp_path / "photos" / "2.png").unlink()
    originals = Originals.of(dataset, range(4), reporter=SILENT)
    assert originals is not None
    shown = {path: size_of(originals.webp(image, side=512, quality=80)) for image, path in enumerate(paths)}
    assert shown == {"0.png": (30, 20), "1.png": None, "2.png": None, "3.png": (30, 20)}
    assert size_of(originals.webp(paths.index("0.png"), side=15, quality=80)) == (15, 10)


def test_pictures_that_are_gone_are_told_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    dataset = dataset_of_boxes(tmp_path)
    (tmp_path / "photos").rename(tmp_path / "elsewhere")
    notes: list[str] = []

    class Noted(type(SILENT)):  # type: ignore[misc]
        def note(self, message: str) -> None:
            notes.append(message)

    assert Originals.of(dataset, range(4), reporter=Noted()) is None
    assert len(notes) == 1
    assert notes[0].startswith("pictures are shown as they are stored, because they are no longer where")
