"""One of several processes that is killed takes the others with it, leaves no half artifact, and the next call is clean."""

from __future__ import annotations

import os
import shutil
import signal
import socket
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

TORCHRUN = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2", "-m", "--"]
NETWORK = ["--backbone", "resnet10", "--weights", "none", "--embedding-dim", "8"]
EXTRACT = ["extract", "--batch-size", "1"]
TRAIN = ["train", "--stage", "0", "--epochs", "1", "--batch-size", "8"]


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run with a dataset: 320 images, half of them to train on."""
    run = tmp_path_factory.mktemp("drawn") / "run"
    people = SyntheticParameters(identities=40, cameras=2, images_per_camera=4)
    parameters = IngestParameters(format="synthetic", synthetic=people, height=32, width=16)
    ingest(RunDirectory(run), source=None, parameters=parameters, context=Context(workers=0))
    return run


def processes_of(torchrun: subprocess.Popen[str]) -> dict[int, int]:
    """The ids of the processes that torchrun started, by rank."""
    children = Path(f"/proc/{torchrun.pid}/task/{torchrun.pid}/children")
    found = {}
    for pid in children.read_text().split():
        variables = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
        ranks = [int(variable[5:]) for variable in variables if variable.startswith(b"RANK=")]
        found |= {rank: int(pid) for rank in ranks}
    return found


def wait_for(pattern: str, run: Path, torchrun: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + 120
    while not list(run.glob(pattern)):
        assert torchrun.poll() is None, "it ended before it was killed"
        assert time.monotonic() < deadline
        time.sleep(0.005)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="finds processes in /proc")
def test_one_of_a_training_that_is_killed_ends_all_and_the_next_call_is_clean(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, drawn: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    root = Path(shutil.copytree(drawn, tmp_path / "run"))
    arguments = [*TRAIN, *NETWORK, "--run", str(root)]
    command = [*TORCHRUN, "dbc_cli", *arguments, "--checkpoint-every", "2"]
    torchrun = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=os.environ | {"OMP_NUM_THREADS": "1"})
    wait_for("stage-00/model/.checkpoint-*", root, torchrun)
    os.kill(processes_of(torchrun)[1], signal.SIGKILL)
    _, told = torchrun.communicate(timeout=60)
    assert torchrun.returncode != 0
    assert "unexpected" not in told
    is_clean_with_the_next(arguments, root)


@pytest.mark.parametrize("killed", [0, pytest.param(1, marks=pytest.mark.slow)], ids=["the leader", "another one"])
def test_one_of_an_extraction_that_is_killed_is_missed_by_the_other_without_torchrun_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, drawn: Path, killed: int
) -> None:
    monkeypatch.chdir(tmp_path)
    root = Path(shutil.copytree(drawn, tmp_path / "run"))
    arguments = [*EXTRACT, *NETWORK, "--run", str(root)]
    processes = two_processes(arguments)
    wait_for("stage-init/features/.writing-*/embedding/zarr.json", root, processes[0])
    processes[killed].kill()
    _, told = processes[1 - killed].communicate(timeout=60)
    processes[killed].communicate(timeout=60)
    assert processes[1 - killed].returncode == 1
    assert f"process {1 - killed} of 2: another one is gone" in told
    is_clean_with_the_next(arguments, root)


def two_processes(arguments: list[str]) -> list[subprocess.Popen[str]]:
    """`dbc` with these arguments in two processes that find each other as torchrun's do, and that nobody looks after."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    shared = os.environ | {"OMP_NUM_THREADS": "1", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, "WORLD_SIZE": "2"}
    return [
        subprocess.Popen(
            [sys.executable, "-m", "dbc_cli", *arguments],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            env=shared | {"RANK": str(rank), "LOCAL_RANK": str(rank), "LOCAL_WORLD_SIZE": "2"},
        )
        for rank in range(2)
    ]


def is_clean_with_the_next(arguments: list[str], root: Path) -> None:
    # the initial model was finished, and is kept
    assert len(artifacts_of(RunDirectory(root))) == 2
    assert run_command(arguments) == 0
    artifacts = artifacts_of(RunDirectory(root))
    assert len(artifacts) == 3
    assert not any(artifact.damaged() for artifact in artifacts)
    assert not list(root.rglob(".writing-*"))
