"""Every command works on a machine whose home cannot be written, without a network."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from dbc_cli.commands import all_commands
from stages.arrays.compiled import cache_folder
from tests.cli.conftest import NETWORK, PEOPLE
from tests.conftest import REPOSITORY

RUN_SMALL = [*NETWORK, "--merge-percent", "0.3", "--stages", "1", "--epochs", "0"]
COMMANDS = (
    ["--version"],
    ["ingest", *PEOPLE],
    ["run", *RUN_SMALL],
    ["extract"],
    ["merge", "--merge-percent", "0.3", "--stage", "1", "--lambda", "2"],
    ["train", "--stage", "0", "--epochs", "1"],
    ["eval"],
    ["select"],
    ["export", "clusters", "--out", "clusters.csv"],
    ["plot"],
    ["report", "--draw", "largest", "--out", "clusters.png", "--html", "report.html"],
    ["review", "--static", "pairs.html"],
    ["count"],
    ["query", "clusters.png"],
    ["assign", "--dry-run"],
    ["status", "--verify"],
    ["show", "clusters"],
    ["log"],
    ["diff", "1/clusters/v1", "1/clusters/v2"],
    ["gc"],
    ["baseline", "pul", "--n-clusters", "3", "--stages", "1", "--epochs", "1"],
    ["sweep", "--lambda", "0,1", "--merge-only", "--merge-percent", "0.3", "--stages", "1"],
    ["ablate", "--dry-run"],
    ["demo", "--dry-run"],
)
SCRIPT = """
import json, sys

def refuse(event, arguments):
    if event.startswith(("socket.connect", "socket.getaddrinfo", "socket.gethostby", "socket.sendto")):
        raise PermissionError(13, f"{event} is refused", str(arguments[1:]))

sys.addaudithook(refuse)
import pytest
from dbc_cli.__main__ import run_command
from tests.tiny_network import provide_tiny_networks

provide_tiny_networks(pytest.MonkeyPatch())
print(json.dumps([run_command(command) for command in json.loads(sys.argv[1])]), file=sys.stderr)
"""


def test_every_command_without_a_home_and_without_a_network(tmp_path: Path) -> None:
    assert {command[0] for command in COMMANDS} == {"--version", *all_commands()}
    (tmp_path / "file").touch()
    environment = {
        key: value
        for key, value in os.environ.items()
        if key not in {"XDG_CACHE_HOME", "CUPY_CACHE_DIR", "MPLCONFIGDIR"}
    }
    # compiled loops are looked for where they are: tests/stages/arrays/test_compiled_folder.py moves them
    environment |= {"HOME": str(tmp_path / "file" / "home"), "NUMBA_CACHE_DIR": str(cache_folder().parent)}
    environment |= {"TMPDIR": str(tmp_path), "OMP_NUM_THREADS": "1", "PYTHONPATH": str(REPOSITORY)}
    told = subprocess.run(
        [sys.executable, "-c", SCRIPT, json.dumps(COMMANDS)],
        capture_output=True,
        text=True,
        check=False,
        env=environment,
        cwd=tmp_path,
    )
    assert told.returncode == 0, told.stderr
    statuses = dict(zip((command[0] for command in COMMANDS), json.loads(told.stderr.splitlines()[-1]), strict=True))
    assert statuses == dict.fromkeys(statuses, 0), told.stderr
