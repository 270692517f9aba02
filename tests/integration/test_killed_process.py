"""One of several processes that is killed takes the others with it, leaves no half artifact, and the next call is clean."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from dbc_cli.__main__ import run_command
from schemas.parameters import IngestParameters, SyntheticParameters
from stages.ingest.stage import ingest
from stages.runs.context import Context
from stages.runs.listing import artifacts_of
from stages.runs.run_directory import RunDirectory
from tests.conftest import REPOSITORY

PROCESSES = [sys.executable, "-m", "tests.several_processes"]
NETWORK = ["--backbone", "resnet10", "--weights", "none", "--embedding-dim", "8"]
EXTRACT = ["extract", "--batch-size", "1"]
TRAIN = ["train", "--stage", "0", "--epochs", "1", "--batch-size", "8"]


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run with a dataset: 128 images, half of them to train on."""
    run = tmp_path_factory.mktemp("drawn") / "run"
    people = SyntheticParameters(identities=16, cameras=2, images_per_camera=4)
    parameters = IngestParameters(format="synthetic", synthetic=people, height=32, width=16)
    ingest(RunDirectory(run), source=None, parameters=parameters, context=Context(workers=0))
    return run


def started(how: str, arguments: list[str]) -> subprocess.Popen[str]:
    """`dbc` with these arguments in two processes."""
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(REPOSITORY)}
    command = [*PROCESSES, how, "2", *arguments]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)


def children_of(process: subprocess.Popen[str]) -> list[int]:
    """The ids of the processes that it started, by rank."""
    return sorted(map(int, Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()))


def wait_for(pattern: str, run: Path, process: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + 120
    while not list(run.glob(pattern)):
        assert process.poll() is None, "it ended before it was killed"
        assert time.monotonic() < deadline
        time.sleep(0.005)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="finds processes in /proc")
def test_one_of_a_training_that_is_killed_ends_all_and_the_next_call_is_clean(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, drawn: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    root = Path(shutil.copytree(drawn, tmp_path / "run"))
    arguments = [*TRAIN, *NETWORK, "--run", str(root)]
    process = started("torchrun", [*arguments, "--checkpoint-every", "2"])
    wait_for("stage-00/model/.checkpoint-*", root, process)
    os.kill(children_of(process)[1], signal.SIGKILL)
    _, told = process.communicate(timeout=60)
    assert process.returncode != 0
    assert "unexpected" not in told
    is_clean_with_the_next(arguments, root)


@pytest.mark.parametrize("killed", [0, pytest.param(1, marks=pytest.mark.slow)], ids=["the leader", "another one"])
def test_one_of_an_extraction_that_is_killed_is_missed_by_the_other_without_torchrun_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, drawn: Path, killed: int
) -> None:
    monkeypatch.chdir(tmp_path)
    root = Path(shutil.copytree(drawn, tmp_path / "run"))
    arguments = [*EXTRACT, *NETWORK, "--run", str(root)]
    process = started("unattended", arguments)
    wait_for("stage-init/features/.writing-*/embedding/zarr.json", root, process)
    os.kill(children_of(process)[killed], signal.SIGKILL)
    ended, told = process.communicate(timeout=60)
    assert ended.splitlines()[-1].split()[1 - killed] == "1"
    assert f"process {1 - killed} of 2: another one is gone" in told
    is_clean_with_the_next(arguments, root)


def is_clean_with_the_next(arguments: list[str], root: Path) -> None:
    # the initial model was finished, and is kept
    assert len(artifacts_of(RunDirectory(root))) == 2
    assert run_command(arguments) == 0
    artifacts = artifacts_of(RunDirectory(root))
    assert len(artifacts) == 3
    assert not any(artifact.damaged() for artifact in artifacts)
    assert not list(root.rglob(".writing-*"))
