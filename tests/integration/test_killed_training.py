"""Training killed inside an epoch goes on, by the same command or another, to the artifact of an undisturbed run."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from dbc_cli.__main__ import run_command
from schemas.parameters import IngestParameters, SyntheticParameters
from stages.ingest.stage import ingest
from stages.runs.context import Context
from stages.runs.run_directory import RunDirectory, model_manifest
from tests.conftest import REPOSITORY

NETWORK = ["--backbone", "resnet10", "--weights", "none", "--embedding-dim", "8"]
COMMANDS = {
    "train": ["train", "--stage", "0", "--epochs", "3"],
    "run": ["run", "--stages", "0", "--stage0-epochs", "3"],
}
PATIENCE_SECONDS = 300


def command(run: Path, name: str, *more: str) -> list[str]:
    return [*COMMANDS[name], "--run", str(run), "--batch-size", "4", "--device", "cpu", "--json", *NETWORK, *more]


def checkpoints(run: Path) -> list[str]:
    return sorted(path.name for path in (run / "stage-00" / "model").glob(".checkpoint-*"))


def kill_after_steps(arguments: list[str], run: Path, *, steps: int) -> None:
    """Start the command in another process and kill it as soon as a checkpoint of so many steps is there."""
    with subprocess.Popen(
        [sys.executable, "-m", "dbc_cli", *arguments],
        cwd=run.parent,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY), "OMP_NUM_THREADS": "1"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as process:
        end = time.monotonic() + PATIENCE_SECONDS
        while not any(int(name.split("-")[-1].removesuffix(".zarr")) >= steps for name in checkpoints(run)):
            assert process.poll() is None, "it ended before it could be killed"
            assert time.monotonic() < end
            time.sleep(0.005)
        process.send_signal(signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    """The same number of threads here as in the process that is killed: bits depend on it."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run whose stage 0 was trained undisturbed."""
    people = SyntheticParameters(identities=8, cameras=2, images_per_camera=4)
    parameters = IngestParameters(format="synthetic", synthetic=people, height=32, width=16)
    run = tmp_path_factory.mktemp("undisturbed") / "run"
    ingest(RunDirectory(run), source=None, parameters=parameters, context=Context(workers=0))
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(run.parent)
        assert run_command(command(run, "train")) == 0
    return run


@pytest.fixture(scope="module")
def killed(whole: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same run, killed in its second epoch of 8 steps."""
    run = tmp_path_factory.mktemp("killed") / "run"
    shutil.copytree(whole / "dataset", run / "dataset")
    kill_after_steps(command(run, "run", "--checkpoint-every", "5"), run, steps=10)
    return run


@pytest.mark.parametrize("name", COMMANDS)
def test_a_run_killed_inside_an_epoch_goes_on_to_the_same_bits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, whole: Path, killed: Path, name: str
) -> None:
    monkeypatch.chdir(tmp_path)
    run = Path(shutil.copytree(killed, tmp_path / "run"))
    assert run_command(command(run, name, "--checkpoint-every", "5")) == 0
    expected, found = (RunDirectory(place).require("model", 0) for place in (whole, run))
    assert found.manifest.id == expected.manifest.id
    assert found.damaged() == ()
    assert "went on from the checkpoint of step" in model_manifest(found).notes[0]
    assert checkpoints(run) == []
    assert list(run.rglob(".writing-*")) == []
