"""Every command works on a machine whose home cannot be written, without a network."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from dbc_cli.__main__ import CACHES, keep_caches_where_they_can_be_written
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
from dbc_cli.__main__ import keep_caches_where_they_can_be_written, run_command

keep_caches_where_they_can_be_written()
print(json.dumps([run_command(command) for command in json.loads(sys.argv[1])]), file=sys.stderr)
"""


def test_every_command_without_a_home_and_without_a_network(tmp_path: Path) -> None:
    assert {command[0] for command in COMMANDS} == {"--version", *all_commands()}
    (tmp_path / "file").touch()
    environment = {key: value for key, value in os.environ.items() if key not in {"XDG_CACHE_HOME", *CACHES}}
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


@pytest.mark.parametrize("home", ["writable", "missing", "file/home", "taken", "open", "", "none"])
def test_caches_go_into_the_folder_for_temporary_files_if_the_home_cannot_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, home: str
) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "writable").mkdir()
    (tmp_path / "taken").mkdir()
    for name in (".cupy", ".config"):
        (tmp_path / "taken" / name).touch()
    for variable, (place, name) in CACHES.items():
        open_to_all = Path(place.replace("~", str(tmp_path / "open")), name)
        open_to_all.mkdir(parents=True)
        open_to_all.chmod(0o777)
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / home) if home else "/dev/null/home")
    monkeypatch.setenv("TMPDIR", str(tmp_path / "temporary"))
    monkeypatch.chdir(tmp_path)
    if home == "none":
        # what Python gives for a user that the system does not know
        monkeypatch.setattr("os.path.expanduser", lambda path: path)
    keep_caches_where_they_can_be_written()
    if home in ("writable", "missing"):
        assert not CACHES.keys() & os.environ.keys()
        return
    for variable in CACHES:
        folder = Path(os.environ[variable])
        assert folder.is_dir()
        assert folder.parent == tmp_path / "temporary" / f"dbc-{os.getuid()}"
    assert not (tmp_path / "~").exists()
    # a choice of the user's stays
    monkeypatch.setenv("CUPY_CACHE_DIR", "/somewhere")
    keep_caches_where_they_can_be_written()
    assert os.environ["CUPY_CACHE_DIR"] == "/somewhere"


def test_a_folder_of_somebody_else_is_not_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in CACHES:
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("HOME", "/dev/null/home")
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("os.getuid", lambda: 424242)
    keep_caches_where_they_can_be_written()
    assert not CACHES.keys() & os.environ.keys()
