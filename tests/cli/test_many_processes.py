"""`torchrun -m dbc_cli merge`: processes share the work, one writes, and the artifact is the same."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.conftest import Dbc


@pytest.mark.parametrize("n_processes", [2, pytest.param(4, marks=pytest.mark.slow)])
def test_several_processes_make_the_artifact_that_one_makes(dbc: Dbc, run: Path, n_processes: int) -> None:
    flags = ["--merge-percent", "0.2", "--run", str(run), "--json"]
    # "--": else torchrun takes --run for a flag of its own
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", str(n_processes), "-m", "--"]
    told = subprocess.run(
        [*torchrun, "dbc_cli", "merge", *flags],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )
    assert told.returncode == 0, told.stderr
    shared = json.loads(told.stdout)
    alone = dbc("merge", *flags, "--force").json
    assert (shared["status"], shared["version"]) == ("created", 1)
    assert alone["status"] == "computed again, identical"
    assert alone["id"] == shared["id"]
