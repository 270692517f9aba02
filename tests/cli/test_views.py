"""Where the views of pictures are known, mirror images have no part in features or training."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from schemas.parameters import TrainParameters
from stages.runs.run_directory import RunDirectory, features_manifest, model_manifest
from tests.cli.conftest import Dbc

NETWORK = ["--backbone", "tiny", "--weights", "none", "--embedding-dim", "8"]
TOLD = "mirror images show another one"


@pytest.mark.parametrize(("column", "is_averaged"), [("flank", False), ("note", True)])
def test_mirror_images_are_averaged_unless_views_are_known_or_it_is_asked_for(
    dbc: Dbc, tmp_path: Path, column: str, is_averaged: bool
) -> None:
    lines = [f"path,pid,camid,split,{column}"]
    for number in range(8):
        pixels = np.random.default_rng(number).integers(0, 255, (32, 16, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(tmp_path / f"{number}.png")
        split = "train" if number < 4 else "query" if number % 2 else "gallery"
        lines.append(f"{number}.png,{number // 2},{number % 2},{split},{('left', 'right')[number % 2]}")
    (tmp_path / "samples.csv").write_text("\n".join(lines))
    run, size = tmp_path / "run", ["--height", "32", "--width", "16"]
    assert dbc("ingest", tmp_path / "samples.csv", "--format", "csv", *size, "--run", run).status == 0
    first = dbc("extract", *NETWORK, "--run", run)
    assert first.status == 0, first.err
    assert (TOLD in first.err) is not is_averaged
    directory = RunDirectory(run)
    assert features_manifest(directory.require("features", -1)).parameters.flip is is_averaged
    assert dbc("extract", *NETWORK, "--json").json["status"] == "up to date"
    assert dbc("train", "--stage", "0", "--epochs", "1").status == 0
    trained = model_manifest(directory.require("model", 0)).parameters
    assert isinstance(trained, TrainParameters)
    assert trained.mirror is is_averaged
    # the same features, whoever said so; and others
    said = "--flip" if is_averaged else "--no-flip"
    assert dbc("extract", "--stage", "init", said, *NETWORK, "--json").json["status"] == "up to date"
    other = "--no-flip" if is_averaged else "--flip"
    assert dbc("extract", "--stage", "init", other, *NETWORK, "--json").json["status"] == "created"
