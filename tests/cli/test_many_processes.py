"""`torchrun -m dbc_cli …`: processes share the work, one writes and prints, and the artifacts are the same."""

from __future__ import annotations

import contextlib
import io
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dbc_cli.__main__ import run_command
from stages.runs.listing import artifacts_of
from stages.runs.run_directory import RunDirectory
from tests.cli.conftest import NETWORK, Dbc
from tests.conftest import REPOSITORY
from tests.several_processes import as_torchrun
from tests.tiny_network import provide_tiny_networks

TORCHRUN = ["-m", "torch.distributed.run", "--nproc-per-node"]
COMMANDS = {
    "merge": ["merge", "--merge-percent", "0.2"],
    "extract": ["extract", "--batch-size", "4"],
    # one step: over more, norms of few values make much of last bits; tests/stages/train looks at several
    "train": ["train", "--stage", "0", "--epochs", "1", "--batch-size", "16"],
    "run": ["run", *NETWORK, "--stages", "1", "--merge-percent", "0.3", "--epochs", "0"],
}
"""Each in a run of its own, in processes that start once for all."""


def ids(run: Path) -> dict[str, str]:
    return {a.path.relative_to(run).as_posix(): a.manifest.id for a in artifacts_of(RunDirectory(run))}


def main(folder: Path) -> None:
    """In each process: every command on the run of its name in `folder`, and what it printed beside that."""
    for name, command in COMMANDS.items():
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            status = run_command([*command, "--run", str(folder / name), "--json"])
        told = {"status": status, "out": printed.getvalue()}
        (folder / f"{name} {os.environ['RANK']}.json").write_text(json.dumps(told))


def in_a_shell(*words: object, folder: Path) -> subprocess.CompletedProcess[str]:
    """What Python with these words says, called in `folder`."""
    return subprocess.run(
        [sys.executable, *map(str, words)],
        capture_output=True,
        text=True,
        check=False,
        cwd=folder,
        env=os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(REPOSITORY)},
    )


@pytest.fixture(scope="module", params=[2, pytest.param(4, marks=pytest.mark.slow)])
def shared(request: pytest.FixtureRequest, begun: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder in which two or four processes did every one of `COMMANDS`."""
    folder = tmp_path_factory.mktemp("shared")
    for name in COMMANDS:
        shutil.copytree(begun, folder / name)
    shutil.rmtree(folder / "run" / "stage-init")
    told = in_a_shell(__file__, folder, request.param, folder=folder)
    assert told.returncode == 0, told.stderr
    return folder


def answers(shared: Path, name: str) -> list[dict[str, Any]]:
    """Status and output of the command in each process, the leader first."""
    return [json.loads(path.read_text()) for path in sorted(shared.glob(f"{name} *.json"))]


@pytest.mark.parametrize("name", COMMANDS)
def test_one_process_prints_and_all_end_well(shared: Path, name: str) -> None:
    leader, *others = answers(shared, name)
    assert leader["status"] == 0
    assert json.loads(leader["out"])
    assert others
    assert all(answer == {"status": 0, "out": ""} for answer in others)


@pytest.mark.parametrize("name", ["merge", "extract"])
def test_several_processes_make_the_artifact_that_one_makes(dbc: Dbc, shared: Path, tmp_path: Path, name: str) -> None:
    told = json.loads(answers(shared, name)[0]["out"])
    run = shutil.copytree(shared / name, tmp_path / "run")
    alone = dbc(*COMMANDS[name], "--run", run, "--json", "--force").json
    assert told["status"] == "created"
    assert alone["status"] == "computed again, identical"
    assert (alone["id"], alone["version"]) == (told["id"], told["version"])
    assert not any(artifact.damaged() for artifact in artifacts_of(RunDirectory(run)))


def test_a_whole_run_prints_one_table_and_has_one_writer(dbc: Dbc, shared: Path, tmp_path: Path) -> None:
    told = json.loads(answers(shared, "run")[0]["out"])
    assert [row["stage"] for row in told["stages"]] == ["init", 0, 1, 2]
    shutil.copytree(shared / "run" / "dataset", tmp_path / "alone" / "dataset")
    assert dbc(*COMMANDS["run"], "--run", "alone").status == 0
    assert ids(shared / "run") == ids(tmp_path / "alone")


def test_training_is_shared_and_as_close_as_rounding(dbc: Dbc, shared: Path, tmp_path: Path) -> None:
    run = RunDirectory(Path(shutil.copytree(shared / "train", tmp_path / "run")))
    several = run.require("model", 0)
    assert several.manifest.execution.processes == len(answers(shared, "train"))
    assert dbc(*COMMANDS["train"], "--run", run.root, "--force").status == 0
    alone = run.require("model", 0)
    assert alone.version == 2
    for name in alone.names():
        np.testing.assert_allclose(several.read(name), alone.read(name), atol=1e-4, err_msg=name)


def test_a_failure_is_told_and_leaves_nothing(run: Path) -> None:
    before = ids(run)
    # "--": else torchrun takes --run for a flag of its own
    words = [*TORCHRUN, 2, "-m", "--", "dbc_cli", "merge", "--merge-percent", 0.001, "--run", run]
    told = in_a_shell(*words, folder=run.parent)
    assert told.returncode != 0
    assert "dbc merge [process 0]: --merge-percent 0.001 makes no merge among 16 train samples" in told.stderr
    assert told.stdout == ""
    assert ids(run) == before


if __name__ == "__main__":
    provide_tiny_networks(pytest.MonkeyPatch())
    as_torchrun(int(sys.argv[2]), main, Path(sys.argv[1]))
