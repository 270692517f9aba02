"""Processes as a shell sees them: streams that fail, signals, and their exit statuses."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.conftest import REPOSITORY

DBC = f"{sys.executable} -m dbc_cli"


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Commands remember their run in the folder they are called in."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(REPOSITORY))
    monkeypatch.delenv("DBC_RUN", raising=False)


def shell(command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["/bin/sh", "-c", command], capture_output=True, text=True, check=False, timeout=60)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full, which Linux has")
@pytest.mark.parametrize("arguments", ["show features --run RUN", "status --json --run RUN", "train --help"])
def test_a_full_stdout_is_one_line(begun: Path, arguments: str) -> None:
    told = shell(f"{DBC} {arguments.replace('RUN', str(begun))} >/dev/full")
    assert told.returncode == 1
    assert len(told.stderr.splitlines()) == 1, told.stderr
    assert "stdout cannot be written: No space left" in told.stderr


def test_a_closed_stdout_is_one_line(begun: Path) -> None:
    told = shell(f"{DBC} status --run {begun} >&-")
    assert told.returncode == 1
    assert told.stderr.splitlines() == ["dbc: stdout is closed; redirect it to a file or /dev/null"]


def test_a_closed_stderr_does_not_spoil_the_results(begun: Path) -> None:
    told = shell(f"{DBC} status --run {begun} 2>&-")
    assert told.returncode == 0
    assert told.stdout.rstrip().splitlines()[-1] == "next: dbc train --stage 0"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full, which Linux has")
def test_a_full_stderr_does_not_stop_a_merge(run: Path) -> None:
    told = shell(f"{DBC} merge --merge-percent 0.3 --run {run} --json 2>/dev/full")
    assert told.returncode == 0
    assert json.loads(told.stdout)["status"] == "created"


@pytest.mark.parametrize("arguments", ["merge --help", "status --run RUN"])
def test_a_stdout_that_shows_ascii_alone_is_given_what_it_shows(begun: Path, tmp_path: Path, arguments: str) -> None:
    run = shutil.copytree(begun, tmp_path / "größe")
    told = shell(f"PYTHONIOENCODING=ascii {DBC} {arguments.replace('RUN', str(run))}")
    assert (told.returncode, told.stderr) == (0, "")
    assert told.stdout.isascii()


STARTED = """
import os, signal, sys
from dbc_cli.__main__ import main

# a shell's background jobs ignore it
signal.signal(signal.SIGINT, signal.default_int_handler)
for n_imports in map(int, sys.argv[1:]):
    reader, writer = os.pipe()
    if os.fork() == 0:
        os.dup2(writer, 2)
        left = n_imports

        def interrupt(event, arguments):
            global left
            if event == "import":
                left -= 1
                if left == 0:
                    os.kill(os.getpid(), 2)

        sys.addaudithook(interrupt)
        sys.argv[1:] = ["status"]
        main()
    os.close(writer)
    told = os.fdopen(reader).read()
    print(os.waitstatus_to_exitcode(os.wait()[1]), told.strip(), flush=True)
"""


def test_ctrl_c_in_the_first_moments_is_one_line() -> None:
    places = [1, 2, 5, 20, 60, 120]
    command = [sys.executable, "-c", STARTED, *map(str, places)]
    told = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert (told.returncode, told.stderr) == (0, "")
    line = re.compile("-2 dbc( status)?: interrupted; finished work is kept, and the same command goes on from there")
    assert all(line.fullmatch(found) for found in told.stdout.splitlines()), told.stdout
    assert len(told.stdout.splitlines()) == len(places)


def test_a_reader_that_leaves_ends_it_without_a_word(begun: Path) -> None:
    told = shell(f"({DBC} status --run {begun}; echo $? >&2) | true")
    assert told.stderr.strip() == "0"


def test_sigterm_unwinds_and_is_one_line(tmp_path: Path) -> None:
    run = tmp_path / "run"
    command = [*DBC.split(), "ingest", "--identities", "3000", "--workers", "0", "--run", str(run)]
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
