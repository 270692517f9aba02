"""One of several processes that is killed takes the others with it, leaves no half artifact, and the next call is clean."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from schemas.parameters import ExtractParameters, IngestParameters, SyntheticParameters
from schemas.stage import INIT_STAGE
from stages.extract.stage import extract
from stages.ingest.stage import ingest
from stages.produce import How
from stages.reporting import Silent
from stages.run_directory import RunDirectory

TORCHRUN = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2", "-m", "--"]
NETWORK = {"backbone": "resnet18", "weights": "none", "embedding_dim": 8}


def processes_of(torchrun: subprocess.Popen[str]) -> dict[int, int]:
    """The ids of the processes that torchrun started, by rank."""
    children = Path(f"/proc/{torchrun.pid}/task/{torchrun.pid}/children")
    found = {}
    for pid in children.read_text().split():
        variables = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
        ranks = [int(variable[5:]) for variable in variables if variable.startswith(b"RANK=")]
        found |= {rank: int(pid) for rank in ranks}
    return found


def wait_for_writing(run: Path, torchrun: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + 120
    while not list(run.glob("stage-init/features/.writing-*/embedding/zarr.json")):
        assert torchrun.poll() is None, "it ended before it was killed"
        assert time.monotonic() < deadline
        time.sleep(0.005)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="finds processes in /proc")
@pytest.mark.parametrize("rank", [0, 1])
def test_a_killed_process_ends_all_and_the_next_call_is_clean(tmp_path: Path, rank: int) -> None:
    run = RunDirectory(tmp_path)
    people = SyntheticParameters(identities=40, cameras=2, images_per_camera=4)
    parameters = IngestParameters(format="synthetic", synthetic=people, height=64, width=32)
    ingest(run, source=None, parameters=parameters, workers=0, how=How(), reporter=Silent())
    flags = ["--backbone", "resnet18", "--weights", "none", "--embedding-dim", "8", "--batch-size", "1"]
    torchrun = subprocess.Popen(
        [*TORCHRUN, "dbc_cli", "extract", *flags, "--run", str(tmp_path)],
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )
    wait_for_writing(tmp_path, torchrun)
    os.kill(processes_of(torchrun)[rank], signal.SIGKILL)
    _, told = torchrun.communicate(timeout=60)
    assert torchrun.returncode != 0
    assert "unexpected" not in told
    assert run.versions("features", INIT_STAGE) == []
    outcome = extract(
        run,
        stage=None,
        parameters=ExtractParameters(batch_size=1),
        initial=NETWORK,
        device="cpu",
        how=How(),
        reporter=Silent(),
    )
    assert outcome.status == "created"
    assert outcome.artifact is not None
    assert outcome.artifact.damaged() == ()
    assert not list(tmp_path.rglob(".writing-*"))
