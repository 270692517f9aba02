"""An anonymous dataset holds no word of its source: no file name, folder, text of a table, time or EXIF."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from schemas.parameters import IngestParameters
from stages.ingest.stage import ingest
from stages.runs.context import Context
from stages.runs.run_directory import RunDirectory

SECRET = "SECRET"
TIME = "2021-03-04T05:06:07"


def pictures(folder: Path) -> list[str]:
    names = [f"{SECRET}{i % 2}/{SECRET}_c{i % 3}_{i}.jpg" for i in range(6)]
    for i, name in enumerate(names):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        exif = Image.Exif()
        exif[0x010F] = f"{SECRET} maker"
        pixels = np.random.default_rng(i).integers(0, 255, (16, 8, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / name, exif=exif)
    (folder / f"{SECRET}0" / f"{SECRET}_broken.jpg").write_bytes(b"x")
    return names


def folder_of_identities(folder: Path) -> tuple[Path, dict[str, object]]:
    pictures(folder)
    return folder, {"format": "folder", "folder_identities": True}


def table(folder: Path) -> tuple[Path, dict[str, object]]:
    rows = [
        f"{name},{SECRET}{i},{SECRET}{i},{SECRET}{i},{SECRET}{i},{SECRET}{i},{TIME}"
        for i, name in enumerate([*pictures(folder), f"{SECRET}0/{SECRET}_broken.jpg"])
    ]
    (folder / f"{SECRET}.csv").write_text("path,pid,camid,tracklet,encounter,view,timestamp\n" + "\n".join(rows))
    return folder / f"{SECRET}.csv", {"format": "csv"}


def boxes(folder: Path) -> tuple[Path, dict[str, object]]:
    names = pictures(folder)
    content = {
        "images": [{"id": i, "file_name": name, "datetime": TIME} for i, name in enumerate(names)],
        "annotations": [
            {"id": i, "image_id": i, "category_id": 1, "bbox": [0, 0, 8, 8], "individual_id": f"{SECRET}{i}"}
            for i in range(len(names))
        ],
        "categories": [{"id": 1, "name": f"{SECRET} animal"}],
    }
    (folder / f"{SECRET}.json").write_text(json.dumps(content))
    return folder / f"{SECRET}.json", {"format": "coco"}


@pytest.mark.parametrize("made", [folder_of_identities, table, boxes])
def test_no_word_of_the_source_is_in_the_run(
    tmp_path: Path, made: Callable[[Path], tuple[Path, dict[str, object]]]
) -> None:
    source, fields = made(tmp_path / f"{SECRET}-place")
    parameters = IngestParameters.model_validate(
        {"height": 16, "width": 8, "on_bad_image": "skip", **fields, "anonymize": True}
    )
    run = RunDirectory(tmp_path / "run")
    command = ("dbc", "ingest", str(source), "--anonymize")
    ingest(run, source=source, parameters=parameters, context=Context(workers=0, command=command))
    found = [
        path.relative_to(tmp_path)
        for path in run.root.rglob("*")
        if path.is_file()
        for word in (SECRET, TIME[:10])
        if word.encode() in path.read_bytes() or SECRET in os.fspath(path.relative_to(tmp_path))
    ]
    assert found == []
    assert set(run.require("dataset").names()) >= {"images", "path"}
    texts = [str(run.require("dataset").read(name)) for name in run.require("dataset").names() if name != "images"]
    assert not any(SECRET in text or TIME[:10] in text for text in texts)
