"""`torchrun -m dbc_cli …`: processes share the work, one writes and prints, and the artifacts are the same."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from stages.run_directory import RunDirectory
from stages.status import artifacts_of
from tests.cli.conftest import NETWORK, Dbc

# "--": else torchrun takes --run for a flag of its own
TORCHRUN = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node"]


def torchrun(n_processes: int, *arguments: object) -> subprocess.CompletedProcess[str]:
    """What `dbc` with these arguments says in `n_processes`."""
    return subprocess.run(
        [*TORCHRUN, str(n_processes), "-m", "--", "dbc_cli", *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )


def ids(run: Path) -> dict[str, str]:
    return {a.path.relative_to(run).as_posix(): a.manifest.id for a in artifacts_of(RunDirectory(run))}


@pytest.mark.parametrize("n_processes", [2, pytest.param(4, marks=pytest.mark.slow)])
@pytest.mark.parametrize("command", [("merge", "--merge-percent", 0.2), ("extract", "--batch-size", 4)])
def test_several_processes_make_the_artifact_that_one_makes(
    dbc: Dbc, run: Path, command: tuple[object, ...], n_processes: int
) -> None:
    flags = [*command, "--run", run, "--json"]
    told = torchrun(n_processes, *flags)
    assert told.returncode == 0, told.stderr
    shared = json.loads(told.stdout)
    alone = dbc(*flags, "--force").json
    assert shared["status"] == "created"
    assert alone["status"] == "computed again, identical"
    assert (alone["id"], alone["version"]) == (shared["id"], shared["version"])
    assert not any(artifact.damaged() for artifact in artifacts_of(RunDirectory(run)))


def test_a_whole_run_prints_one_table_and_has_one_writer(dbc: Dbc, tmp_path: Path) -> None:
    people = ["--identities", 6, "--cameras", 2, "--images-per-camera", 2, "--height", 32, "--width", 16]
    run, flags = tmp_path / "shared", [*NETWORK, "--stages", 1, "--merge-percent", 0.3, "--epochs", 0, "--json"]
    drawn = torchrun(2, "ingest", *people, "--workers", 0, "--run", run)
    assert drawn.returncode == 0, drawn.stderr
    told = torchrun(2, "run", *flags, "--run", run)
    assert told.returncode == 0, told.stderr
    assert [row["stage"] for row in json.loads(told.stdout)["stages"]] == ["init", "0", "1"]
    assert dbc("ingest", *people, "--workers", 0, "--run", "alone").status == 0
    assert dbc("run", *flags, "--run", "alone").status == 0
    assert ids(run) == ids(tmp_path / "alone")


def test_a_failure_is_told_and_leaves_nothing(run: Path) -> None:
    before = ids(run)
    told = torchrun(2, "merge", "--merge-percent", 0.001, "--run", run)
    assert told.returncode != 0
    assert "dbc merge [process 0]: --merge-percent 0.001 of 16 train samples is no whole merge" in told.stderr
    assert told.stdout == ""
    assert ids(run) == before


def test_training_is_shared_and_as_close_as_rounding(dbc: Dbc, run: Path) -> None:
    # one step: over more, norms of few values make much of last bits; tests/stages/train looks at several
    flags = ["train", "--stage", 0, "--epochs", 1, "--batch-size", 16, "--run", run, "--json"]
    told = torchrun(2, *flags)
    assert told.returncode == 0, told.stderr
    shared = RunDirectory(run).require("model", 0)
    assert shared.manifest.execution.processes == 2
    assert dbc(*flags, "--force").json["version"] == 2
    alone = RunDirectory(run).require("model", 0)
    for name in alone.names():
        np.testing.assert_allclose(shared.read(name), alone.read(name), atol=1e-4, err_msg=name)
