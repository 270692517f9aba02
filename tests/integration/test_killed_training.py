"""Training killed inside an epoch goes on, by the same command, to the artifact of an undisturbed run."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from schemas.parameters import IngestParameters, SyntheticParameters
from stages.ingest.stage import ingest
from stages.produce import How
from stages.reporting import Silent
from stages.run_directory import RunDirectory, model_manifest
from tests.conftest import REPOSITORY

NETWORK = ["--backbone", "resnet10", "--weights", "none", "--embedding-dim", "8"]
COMMANDS = {
    "train": ["train", "--stage", "0", "--epochs", "3"],
    "run": ["run", "--stages", "0", "--stage0-epochs", "3"],
}
PATIENCE_SECONDS = 300


def command(run: Path, words: list[str], *more: str) -> list[str]:
    options = ["--run", str(run), "--batch-size", "4", "--device", "cpu", "--json"]
    return [sys.executable, "-m", "dbc_cli", *words, *options, *NETWORK, *more]


def call(arguments: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(arguments, cwd=folder, env=environment(), capture_output=True, text=True, check=True)


def environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(REPOSITORY), "OMP_NUM_THREADS": "1"}


def checkpoints(run: Path) -> list[str]:
    return sorted(path.name for path in (run / "stage-00" / "model").glob(".checkpoint-*"))


def kill_after_steps(arguments: list[str], run: Path, folder: Path, *, steps: int) -> None:
    """Start the command and kill it as soon as a checkpoint of so many steps is there."""
    with subprocess.Popen(
        arguments, cwd=folder, env=environment(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as process:
        end = time.monotonic() + PATIENCE_SECONDS
        while not any(int(name.split("-")[-1].removesuffix(".zarr")) >= steps for name in checkpoints(run)):
            assert process.poll() is None, "it ended before it could be killed"
            assert time.monotonic() < end
            time.sleep(0.005)
        process.send_signal(signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run whose stage 0 was trained undisturbed."""
    folder = tmp_path_factory.mktemp("undisturbed")
    people = SyntheticParameters(identities=8, cameras=2, images_per_camera=4)
    parameters = IngestParameters(format="synthetic", synthetic=people, height=32, width=16)
    run = folder / "run"
    ingest(RunDirectory(run), source=None, parameters=parameters, workers=0, how=How(), reporter=Silent())
    call(command(run, COMMANDS["train"]), folder)
    return run


@pytest.mark.parametrize("name", COMMANDS)
def test_training_killed_inside_an_epoch_goes_on_to_the_same_bits(tmp_path: Path, whole: Path, name: str) -> None:
    killed = tmp_path / "killed"
    shutil.copytree(whole / "dataset", killed / "dataset")
    keeping = command(killed, COMMANDS[name], "--checkpoint-every", "1")
    # 8 steps an epoch: it dies in the second one
    kill_after_steps(keeping, killed, tmp_path, steps=10)
    call(keeping, tmp_path)
    expected, found = (RunDirectory(run).require("model", 0) for run in (whole, killed))
    assert found.manifest.id == expected.manifest.id
    assert found.damaged() == ()
    assert "went on from the checkpoint of step" in model_manifest(found).notes[0]
    assert checkpoints(killed) == []
    assert list(killed.rglob(".writing-*")) == []
