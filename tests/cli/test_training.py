"""Training as the commands offer it: options, caches, checkpoints and video."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import torch

from stages.runs.run_directory import RunDirectory, model_manifest
from tests.cli.conftest import NETWORK, Dbc

SHORT = ["--stage", "0", "--epochs", "1", "--batch-size", "4", "--json"]
OPTIONS = [
    *("--optimizer", "adam", "--lr-schedule", "cosine", "--warmup-epochs", "0.5", "--clip-norm", "1"),
    *("--random-erasing", "0.5", "--color-jitter", "0.2", "--freeze-through", "0"),
]


def checkpoints(run: Path) -> list[str]:
    return sorted(path.name for path in (run / "stage-00" / "model").glob(".checkpoint-*"))


@pytest.mark.parametrize(
    ("flags", "told"),
    [
        (["--checkpoint-every", "0"], "--checkpoint-every must be at least 1, got 0"),
        (["--freeze-through", "layer9"], "--freeze-through must be 'none', 'half', 'finest' or a part of the backbone"),
        (["--frames", "16"], "--frames 16 needs a dataset of tracklets"),
        (["--random-erasing", "2"], "--random-erasing must be at most 1, got 2.0"),
        (["--color-jitter", "-1"], "--color-jitter must be at least 0, got -1.0"),
        (["--clip-norm", "0"], "--clip-norm must be above 0, got 0.0"),
        (["--warmup-epochs", "-1"], "--warmup-epochs must be at least 0, got -1.0"),
        (
            ["--lr-schedule", "cosine", "--decay-after", "1"],
            "--lr-schedule cosine needs no --decay-after, got --decay-after 1",
        ),
    ],
)
def test_a_value_that_does_not_fit_is_one_line(dbc: Dbc, run: Path, flags: list[str], told: str) -> None:
    result = dbc("train", "--run", run, *SHORT, *flags)
    assert result.status == 2
    assert result.line.startswith(f"dbc train: {told}")
    assert not (run / "stage-00").exists()


def test_a_part_that_the_network_lacks_is_told_before_any_stage_is_made(dbc: Dbc, run: Path) -> None:
    part = ["--freeze-through", "layer9", "--run", run]
    for command in (["train", "--stage", "0", "--dry-run"], ["run", "--dry-run"], ["run"]):
        result = dbc(*command, *part)
        assert result.status == 2
        assert (
            f"dbc {command[0]}: --freeze-through must be 'none', 'half', 'finest' or a part of the backbone ("
            in result.line
        )
    shutil.rmtree(run / "stage-init")
    for command in (["run"], ["sweep", "--seed", "0,1"]):
        assert "got 'layer9'" in dbc(*command, "--dry-run", *NETWORK, *part).line
    several = ["sweep", "--freeze-through", "0,layer9", "--run", run]
    assert "got 'layer9'" in dbc(*several, "--dry-run", *NETWORK).line
    assert dbc("run", "--epochs", "0", "--dry-run", *NETWORK, *part).status == 0
    assert sorted(path.name for path in run.glob("stage-*")) == []


def test_what_a_stage_does_not_read_is_told(dbc: Dbc, run: Path) -> None:
    flags = ["--silhouette-above", "0.5", "--decay-after", "1", "--warmup-epochs", "50", "--seed", "7"]
    told = dbc("train", "--run", run, *SHORT, *flags).err
    assert "--silhouette-above 0.5 has no effect: it needs a later stage, which has clusters" in told
    assert "--decay-after 1 has no effect on a stage of --epochs 1" in told
    assert "warning: --warmup-epochs 50 is more than --epochs 1: learning rates rise to 2% of what was" in told
    assert dbc("merge", "--stage", "1", "--merge-percent", "0.2", "--run", run).status == 0
    later = ["train", "--run", run, "--stage", "1", "--epochs", "1", "--batch-size", "4", "--dry-run"]
    assert "stage 0 was trained with --seed 7, this one with --seed 0; for several seeds, " in dbc(*later).err
    assert "was trained with" not in dbc(*later, "--seed", "7").err + dbc(*later, "--epochs", "0").err
    extracted = dbc("extract", "--seed", "9", "--run", run)
    assert "the initial model stays as it was made, with --seed 0" in extracted.err
    assert dbc("extract", "--height", "64", "--run", run).line == (
        "dbc extract: --height must be left out, as this run was trained at the size of its pictures, got 64; or start "
        "another run with --run"
    )


def test_every_option_beside_the_published_schedule_is_recorded(dbc: Dbc, run: Path) -> None:
    result = dbc("train", "--run", run, *SHORT, *OPTIONS)
    assert result.status == 0, result.err
    told = model_manifest(RunDirectory(run).require("model", 0)).parameters.model_dump()
    flags = dict(zip(OPTIONS[::2], OPTIONS[1::2], strict=True))
    assert {name: str(told[name.removeprefix("--").replace("-", "_")]) for name in flags} == flags | {
        "--clip-norm": "1.0"
    }
    assert RunDirectory(run).require("model", 0).damaged() == ()


def test_where_images_and_checkpoints_lie_changes_no_artifact(dbc: Dbc, run: Path) -> None:
    made = dbc("train", "--run", run, *SHORT, "--cache", "host").json
    flags = ["--cache", "none", "--checkpoint-every", "2"]
    assert dbc("train", "--run", run, *SHORT, *flags).json["status"] == "up to date"
    assert dbc("train", "--run", run, *SHORT, *flags, "--force").json["id"] == made["id"]
    assert checkpoints(run) == []


def test_a_loss_that_is_not_finite_ends_in_one_line_and_keeps_the_last_good_checkpoint(dbc: Dbc, run: Path) -> None:
    diverging = [*SHORT, "--learning-rate", "1e6", "--backbone-rate", "1e6", "--checkpoint-every", "1"]
    result = dbc("train", "--run", run, *diverging, "--epochs", "6")
    assert result.status == 1
    assert "train: loss must be finite, got nan at step" in result.line
    assert re.search(r"; the checkpoint of step [1-9]\d* is kept$", result.line)
    assert len(checkpoints(run)) == 1
    assert RunDirectory(run).find("model", 0) is None
    # other parameters do not take it up, and leave it
    kept = checkpoints(run)
    assert dbc("train", "--run", run, *SHORT).status == 0
    model = model_manifest(RunDirectory(run).require("model", 0))
    assert not any("went on" in note for note in model.notes)
    assert model.summary.n_steps == 4
    assert checkpoints(run) == kept


def test_what_a_kill_between_commit_and_clearing_left_goes_with_the_next_call(dbc: Dbc, run: Path) -> None:
    key = dbc("train", "--run", run, *SHORT).status or RunDirectory(run).require("model", 0).manifest.key
    left = run / "stage-00" / "model" / f".checkpoint-{key[:16]}-000000001.zarr"
    left.mkdir()
    (left / "zarr.json").write_text("{}")
    assert dbc("train", "--run", run, *SHORT).json["status"] == "up to date"
    assert not left.exists()


def test_the_paper_s_video_recipe_trains_on_random_frames_and_freezes_the_first_layers(
    dbc: Dbc, tmp_path: Path
) -> None:
    run = tmp_path / "video"
    few = ["--identities", "6", "--cameras", "2", "--images-per-camera", "2", "--frames-per-tracklet", "3"]
    size = ["--height", "32", "--width", "16", "--workers", "0"]
    assert dbc("ingest", "synthetic", "--tracklets", *few, *size, "--run", run).status == 0
    network = ["--backbone", "resnet10", "--weights", "none", "--embedding-dim", "8"]
    plan = ["--recipe", "paper", "--stages", "1", "--stage0-epochs", "1", "--merge-percent", "0.2", "--frames", "2"]
    result = dbc("run", "--run", run, *network, *plan, "--batch-size", "4", "--json")
    assert result.status == 0, result.err
    assert [row["stage"] for row in result.json["stages"]] == ["init", 0, 1]
    first, last = (RunDirectory(run).require("model", stage) for stage in (-1, 1))
    parameters = model_manifest(last).parameters
    assert (parameters.epochs, parameters.frames, parameters.freeze_through) == (5, 2, "layer2")
    same = {name for name in first.names() if np.array_equal(first.read(name), last.read(name))}
    frozen = ("backbone/conv1", "backbone/bn1", "backbone/layer1", "backbone/layer2")
    assert {name for name in first.names() if name.startswith(frozen)} <= same
    assert "backbone/layer3.0.conv1.weight" not in same


@contextmanager
def in_float64() -> Iterator[None]:
    torch.set_default_dtype(torch.float64)
    try:
        yield
    finally:
        torch.set_default_dtype(torch.float32)


def test_modes_of_the_caller_change_nothing(dbc: Dbc, run: Path) -> None:
    """As in a notebook: training ended in an error of torch, or was in another precision."""
    commands = (["extract", "--force", "--stage", "init", *NETWORK], ["train", *SHORT], ["extract", "--stage", "0"])

    def ids() -> list[str]:
        shutil.rmtree(run / "stage-init")
        shutil.rmtree(run / "stage-00", ignore_errors=True)
        return [
            dbc(*command, "--run", run, *(["--json"] if "--json" not in command else [])).json["id"]
            for command in commands
        ]

    plain = ids()
    for mode in (torch.no_grad, torch.inference_mode, in_float64, lambda: torch.autocast("cpu", dtype=torch.bfloat16)):
        with mode():
            assert ids() == plain
    assert torch.get_default_dtype() == torch.float32
