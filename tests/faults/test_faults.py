"""Faults in the midst of every command that writes are survived; `benchmarks/faults.py` tries the others."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import REPOSITORY

SHORT = "ingest,extract,train,merge,export clusters"
"""Commands that between them write in every way; the script has all."""
SCRIPT = """
import pytest
from benchmarks import faults
from tests.tiny_network import provide_tiny_networks

provide_tiny_networks(pytest.MonkeyPatch())
faults.COMMANDS["extract"] = ["extract", "--backbone", "tiny", "--weights", "none", "--embedding-dim", "4"]
faults.main()
"""
"""`benchmarks/faults.py` with a network of few arrays, which are copied and looked at over and over."""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="forks a process that holds torch")
def test_no_fault_damages_an_artifact_and_the_next_call_goes_on(tmp_path: Path) -> None:
    command = [sys.executable, "-c", SCRIPT, "--most", "1", "--faults", "kill", "--json", "--commands", SHORT]
    environment = os.environ | {"TMPDIR": str(tmp_path), "OMP_NUM_THREADS": "1", "PYTHONPATH": str(REPOSITORY)}
    told = subprocess.run(command, capture_output=True, text=True, check=False, env=environment, timeout=900)
    assert told.returncode == 0, told.stderr
    rows = json.loads(told.stdout)
    assert ",".join(row["command"] for row in rows) == SHORT
    assert [problem for row in rows for problem in row["lost"]] == []
    assert all(row["boundaries"] > 10 for row in rows)
    assert all(row.get("killed") == 1 for row in rows)
