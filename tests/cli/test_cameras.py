"""`--camera auto`: what it finds is told, recorded, and the same in a run and in single commands."""

from __future__ import annotations

from contextlib import AbstractContextManager
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from safetensors.torch import save_file

from schemas.parameters import InitParameters
from stages.nn.camera_norm import CameraNorm, CameraStatistics, by_camera
from stages.nn.model.network import ReidModel, build_model
from stages.runs.run_directory import RunDirectory, clusters_manifest, features_manifest, metrics_manifest
from tests.cli.conftest import Dbc, copied, made

NETWORK = ["--backbone", "tiny", "--weights", "none", "--embedding-dim", "8"]
STAGES = ["--merge-percent", "0.3", "--stages", "1", "--epochs", "0", *NETWORK]


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of drawn people before two cameras that look different, 24 train images of each. Not to be changed."""
    people = ["--identities", "12", "--cameras", "2", "--images-per-camera", "4", "--difficulty", "1"]
    size = ["--height", "32", "--width", "16"]
    folder = tmp_path_factory.mktemp("drawn")
    return made(folder, ["ingest", "--format", "synthetic", *people, *size], ["extract", *NETWORK])


@pytest.fixture
def seen_by_two(drawn: Path, tmp_path: Path) -> Path:
    """A copy of it to work in."""
    return copied(drawn.parent, tmp_path) / "run"


def test_what_auto_finds_is_told_once_recorded_and_what_single_commands_find(dbc: Dbc, seen_by_two: Path) -> None:
    ran = dbc("run", *STAGES, "--run", seen_by_two)
    assert ran.status == 0, ran.err
    run = RunDirectory(seen_by_two)
    merged = clusters_manifest(run.require("clusters", 1)).summary.camera
    assert merged is not None
    assert merged.same_camera_neighbours is not None
    assert ran.err.count(merged.told) == 1
    measured = metrics_manifest(run.require("metrics", -1)).summary.camera
    assert measured is not None
    assert measured.same_camera_neighbours == merged.same_camera_neighbours
    for command in (["merge", "--merge-percent", "0.3"], ["eval"]):
        assert dbc(*command, "--stage", "1", "--json").json["status"] == "up to date"


def test_ignored_cameras_are_ignored_in_merges_and_measures(dbc: Dbc, seen_by_two: Path) -> None:
    ran = dbc("run", *STAGES, "--camera", "ignored", "--run", seen_by_two)
    assert ran.status == 0, ran.err
    run = RunDirectory(seen_by_two)
    assert clusters_manifest(run.require("clusters", 1)).summary.camera is None
    assert metrics_manifest(run.require("metrics", 1)).summary.camera is None
    assert dbc("eval", "--stage", "1", "--camera", "ignored", "--json").json["status"] == "up to date"
    assert dbc("eval", "--stage", "1", "--json").json["status"] == "created"


@pytest.mark.parametrize("recipe", ["paper", "auto"])
def test_other_recipes_do_not_look_at_cameras(dbc: Dbc, seen_by_two: Path, recipe: str) -> None:
    ran = dbc("run", *STAGES, "--recipe", recipe, "--run", seen_by_two)
    assert ran.status == 0, ran.err
    run = RunDirectory(seen_by_two)
    assert clusters_manifest(run.require("clusters", 1)).summary.camera is None
    assert metrics_manifest(run.require("metrics", 1)).summary.camera is None


@pytest.fixture
def dark_and_bright(dbc: Dbc, tmp_path: Path) -> Path:
    """A run of 20 individuals before a bright and a dark camera, 32 train images of each, the others to search."""
    lines = ["path,pid,camid,split"]
    for number in range(80):
        pid, camid = number // 4, number % 2
        split = "train" if pid < 16 else "query" if number % 4 < 2 else "gallery"
        pixels = np.random.default_rng(number).integers(0, 255, (32, 16, 3)) // (1 + 3 * camid)
        Image.fromarray(pixels.astype(np.uint8)).save(tmp_path / f"{number}.png")
        lines.append(f"{number}.png,{pid + 1},{camid},{split}")
    (tmp_path / "samples.csv").write_text("\n".join(lines))
    run, size = tmp_path / "run", ["--height", "32", "--width", "16"]
    assert dbc("ingest", tmp_path / "samples.csv", "--format", "csv", *size, "--run", run).status == 0
    return run


def test_the_first_batch_norm_has_statistics_for_each_camera(
    dbc: Dbc, dark_and_bright: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trained_with: list[CameraStatistics | None] = []

    def watched(model: ReidModel, statistics: CameraStatistics | None) -> AbstractContextManager[CameraNorm | None]:
        trained_with.append(statistics)
        return by_camera(model, statistics)

    monkeypatch.setattr("stages.train.compute.by_camera", watched)
    backbone = build_model(InitParameters(backbone="tiny", weights="none")).backbone
    save_file(backbone.state_dict(), tmp_path / "weights.safetensors")
    network = ["--backbone", "tiny", "--weights", tmp_path / "weights.safetensors", "--embedding-dim", "8"]
    asked = ["--merge-percent", "0.3", "--stages", "1", "--epochs", "1", "--stage0-epochs", "0", *network]
    ran = dbc("run", *asked, "--run", dark_and_bright)
    assert ran.status == 0, ran.err
    run = RunDirectory(dark_and_bright)
    first, last = (features_manifest(run.require("features", stage)) for stage in (-1, 1))
    assert first.parameters.flip
    assert first.summary.camera_norm is not None
    assert ran.err.count(first.summary.camera_norm) == 1
    assert 0 < first.summary.norm_strength <= 1
    assert 0 < last.summary.norm_strength <= 1
    for command in ("extract", "train"):
        told = ["--epochs", "1"] if command == "train" else []
        assert dbc(command, "--stage", "1", *told, "--json").json["status"] == "up to date"
    merged = dbc("merge", "--stage", "1", "--recipe", "paper", "--merge-percent", "0.3", "--run", dark_and_bright)
    assert "dbc extract --stage 0 --recipe paper" in merged.err
    # a picture finds itself, if the run knows the camera; 0.png is of camera 0
    asked_of = ("query", tmp_path / "0.png", "--stage", "1", "--top", "1", "--json", "--run", dark_and_bright)
    own = dbc(*asked_of, "--taken-by", "0").json["pictures"][0]["itself"]
    assert (own["path"], own["similarity"]) == ("0.png", 1.0)
    without = dbc(*asked_of).json["pictures"][0]["itself"]
    assert without is None or without["similarity"] < 1
    assert "a camera of the run (0, 1), got 'north'" in dbc(*asked_of, "--taken-by", "north").err
    exported = dbc(
        "export", "model", "--stage", "init", "--out", tmp_path / "model.safetensors", "--run", dark_and_bright
    )
    assert exported.status == 0, exported.err
    assert "which the file does not do" in (tmp_path / "model.md").read_text()
    told = "features of dbc extract are the means of those of a picture and of its mirror image, and were made with"
    assert told in exported.err
    [used] = trained_with
    assert used is not None
    assert 0 < used.strength <= 1
    plain = dbc("extract", "--stage", "0", "--recipe", "paper", "--json", "--run", dark_and_bright).json
    assert plain["status"] == "created"
    merged = dbc("merge", "--stage", "1", "--recipe", "paper", "--merge-percent", "0.3", "--run", dark_and_bright)
    assert "another recipe" not in merged.err


@pytest.mark.parametrize(("columns", "n_left_out"), [("", 0), (",encounter", 1)])
def test_a_match_of_the_own_encounter_is_no_match(dbc: Dbc, tmp_path: Path, columns: str, n_left_out: int) -> None:
    rows = [
        ("a", "train", "visit 1"),
        ("b", "train", "visit 1"),
        ("a", "query", "visit 2"),
        ("a", "gallery", "visit 2"),
        ("b", "query", "visit 3"),
        ("b", "gallery", "visit 3"),
        ("b", "gallery", ""),
    ]
    lines = [f"path,pid,split{columns}"]
    for number, (pid, split, encounter) in enumerate(rows):
        pixels = np.random.default_rng(number).integers(0, 255, (16, 16, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(tmp_path / f"{number}.png")
        lines.append(f"{number}.png,{pid},{split}" + (f",{encounter}" if columns else ""))
    (tmp_path / "samples.csv").write_text("\n".join(lines))
    run = tmp_path / "run"
    size = ["--height", "16", "--width", "16"]
    ingested = dbc("ingest", tmp_path / "samples.csv", *size, "--run", run)
    assert ingested.status == 0, ingested.err
    assert dbc("extract", *NETWORK, "--run", run).status == 0
    measured = dbc("eval", "--run", run, "--json").json
    assert (measured["n_queries"], measured["n_queries_left_out"]) == (2 - n_left_out, n_left_out)
    told = "1 of 2 queries have no match in another encounter, so CMC, mAP and mINP are of the other 1"
    assert (told in dbc("eval", "--run", run).err) == bool(n_left_out)
