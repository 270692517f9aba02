"""Processes as a shell sees them: streams that fail, signals, and their exit statuses."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

DBC = f"{sys.executable} -m dbc_cli"


def shell(command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["/bin/sh", "-c", command], capture_output=True, text=True, check=False, timeout=60)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full, which Linux has")
@pytest.mark.parametrize("arguments", ["status --run RUN", "status --json --run RUN", "train --help"])
def test_a_full_stdout_is_one_line(begun: Path, arguments: str) -> None:
    told = shell(f"{DBC} {arguments.replace('RUN', str(begun))} >/dev/full")
    assert told.returncode == 1
    assert len(told.stderr.splitlines()) == 1, told.stderr
    assert "No space left" in told.stderr


def test_a_closed_stdout_is_one_line(begun: Path) -> None:
    told = shell(f"{DBC} status --run {begun} >&-")
    assert told.returncode == 1
    assert told.stderr.splitlines() == ["dbc: stdout is closed; redirect it to a file or /dev/null"]


def test_a_closed_stderr_does_not_spoil_the_results(begun: Path) -> None:
    told = shell(f"{DBC} status --run {begun} 2>&-")
    assert told.returncode == 0
    assert told.stdout.rstrip().splitlines()[-1] == "next: dbc train --stage 0"


def test_a_reader_that_leaves_ends_it_without_a_word(begun: Path) -> None:
    told = shell(f"({DBC} status --run {begun}; echo $? >&2) | true")
    assert told.stderr.strip() in ("0", "1")


def test_sigterm_unwinds_and_is_one_line(tmp_path: Path) -> None:
    run = tmp_path / "run"
    command = [*DBC.split(), "ingest", "--identities", "20000", "--workers", "0", "--run", str(run)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True) as process:
        deadline = time.monotonic() + 50
        while not list(run.glob("dataset/.writing-*")) and time.monotonic() < deadline:
            assert process.poll() is None
            time.sleep(0.05)
        os.kill(process.pid, signal.SIGTERM)
        told = process.communicate(timeout=30)[1]
    assert process.returncode == 143
    assert told.splitlines() == [
        "dbc ingest: terminated; finished work is kept, and the same command goes on from there"
    ]
    assert not run.exists()
