"""One of several processes that is killed takes the others with it, leaves no half artifact, and the next call is clean."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from dbc_cli.__main__ import run_command
from schemas.parameters import IngestParameters, SyntheticParameters
from stages.ingest.stage import ingest
from stages.produce import How
from stages.reporting import Silent
from stages.run_directory import RunDirectory
from stages.status import artifacts_of

TORCHRUN = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2", "-m", "--"]
NETWORK = ["--backbone", "resnet18", "--weights", "none", "--embedding-dim", "8"]
EXTRACT = ["extract", "--batch-size", "1"]
TRAIN = ["train", "--stage", "0", "--epochs", "1", "--batch-size", "4", "--checkpoint-every", "1"]


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
@pytest.mark.parametrize(
    ("command", "begun", "rank"),
    [
        (EXTRACT, "stage-init/features/.writing-*/embedding/zarr.json", 0),
        (EXTRACT, "stage-init/features/.writing-*/embedding/zarr.json", 1),
        (TRAIN, "stage-00/model/.checkpoint-*", 1),
    ],
    ids=["the leader of an extraction", "another one of an extraction", "one of a training"],
)
def test_a_killed_process_ends_all_and_the_next_call_is_clean(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: list[str], begun: str, rank: int
) -> None:
    monkeypatch.chdir(tmp_path)
    root = tmp_path / "run"
    people = SyntheticParameters(identities=40, cameras=2, images_per_camera=4)
    parameters = IngestParameters(format="synthetic", synthetic=people, height=64, width=32)
    ingest(RunDirectory(root), source=None, parameters=parameters, workers=0, how=How(), reporter=Silent())
    before = len(artifacts_of(RunDirectory(root)))
    arguments = [*command, *NETWORK, "--run", str(root)]
    torchrun = subprocess.Popen(
        [*TORCHRUN, "dbc_cli", *arguments],
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )
    wait_for(begun, root, torchrun)
    os.kill(processes_of(torchrun)[rank], signal.SIGKILL)
    _, told = torchrun.communicate(timeout=60)
    assert torchrun.returncode != 0
    assert "unexpected" not in told
    # the initial model was finished, and is kept
    assert len(artifacts_of(RunDirectory(root))) == before + 1
    assert run_command(arguments) == 0
    artifacts = artifacts_of(RunDirectory(root))
    assert len(artifacts) == before + 2
    assert not any(artifact.damaged() for artifact in artifacts)
    assert not list(root.rglob(".writing-*"))
