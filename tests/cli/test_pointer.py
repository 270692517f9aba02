"""The run that a folder remembers: written whole, read as it was written, and never guessed."""

from __future__ import annotations

import fcntl
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from dbc_cli.pointer import FIRST_RUN, POINTER, remember_run, remembered_run
from dbc_cli.pointer import _job as pointer_job
from stages.errors import DbcError
from tests.cli.conftest import Dbc
from tests.conftest import REPOSITORY


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    at_work((), monkeypatch)


def at_work(job: tuple[str, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    """Let this process be part of the script `job`."""
    monkeypatch.setattr("dbc_cli.pointer._job", lambda: job)


@pytest.mark.parametrize("name", ["runs/a", " leading", "trailing ", "two  blanks", "ö", "line\nbreak", "/dev/shm/x"])
def test_a_name_comes_back_as_it_was_given(name: str) -> None:
    assert remember_run(Path(name)) is None
    assert remembered_run() == Path(name)
    assert [path.name for path in Path().iterdir()] == [POINTER.name]


def test_nothing_remembered_is_the_first_run() -> None:
    assert remembered_run() == FIRST_RUN


@pytest.mark.parametrize("content", [b"", b"\n", b"  \n", b"\0\n"])
def test_an_empty_file_is_named_and_no_run_is_guessed(content: bytes) -> None:
    POINTER.write_bytes(content)
    with pytest.raises(DbcError, match=r"\.dbc-run names no run; remove this file, or give `run`"):
        remembered_run()


def test_a_folder_in_its_place_is_named() -> None:
    POINTER.mkdir()
    with pytest.raises(DbcError, match=r"\.dbc-run: Is a directory"):
        remembered_run()


def test_a_change_is_told_and_the_same_run_writes_nothing() -> None:
    remember_run(Path("a"))
    before = POINTER.stat().st_ino
    assert remember_run(Path("a")) is None
    assert POINTER.stat().st_ino == before
    assert remember_run(Path("b")) == Path("a")


def test_a_script_is_not_handed_the_run_of_another(monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = ("1.5 elsewhere", "2.6 elsewhere"), ("1.5 elsewhere", "3.7 elsewhere")
    for job, name in ((first, "runs/0"), (second, "line\nbreak")):
        at_work(job, monkeypatch)
        remember_run(Path(name))
        assert remembered_run() == Path(name)
    at_work(first, monkeypatch)
    with pytest.raises(DbcError, match=r"(?s)names line\nbreak, but this script worked on runs/0,.* export DBC_RUN"):
        remembered_run()
    # what began neither, as another terminal, takes the newest, and so does the script that began both
    for job in ((), first[:1], ("4.4 elsewhere",)):
        at_work(job, monkeypatch)
        assert remembered_run() == Path("line\nbreak")
    # a part of the first script changes it, and then somebody at a terminal
    at_work((*first, "8.8 elsewhere"), monkeypatch)
    remember_run(Path("part"))
    at_work(first, monkeypatch)
    assert remembered_run() == Path("part")
    at_work((), monkeypatch)
    assert remember_run(Path("typed")) == Path("part")
    at_work(first, monkeypatch)
    with pytest.raises(DbcError, match="worked on part"):
        remembered_run()


def test_scripts_that_ended_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    at_work((f"999999999.1 {socket.gethostname()}",), monkeypatch)
    remember_run(Path("a"))
    at_work((), monkeypatch)
    remember_run(Path("b"))
    assert POINTER.read_bytes() == b"b\n"


def test_scripts_of_a_shell_are_told_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SLURM_JOB_ID", raising=False)
    told = "from dbc_cli.pointer import _job; print(*_job(), sep=chr(10))"
    shell = f"""P() {{ {sys.executable} -c '{told}'; echo; }}; P; (P; true) | cat"""
    ran = subprocess.run(
        ["setsid", "sh", "-c", shell], capture_output=True, check=True, text=True, env={"PYTHONPATH": str(REPOSITORY)}
    )
    direct, part = (tuple(each.splitlines()) for each in ran.stdout.strip().split("\n\n"))
    assert (len(direct), len(part)) == (1, 2)
    assert part[:1] == direct
    monkeypatch.setenv("SLURM_JOB_ID", "7")
    assert pointer_job() == ("slurm 7",)


def test_it_is_never_there_in_part(monkeypatch: pytest.MonkeyPatch) -> None:
    remember_run(Path("a"))
    seen: list[bytes] = []
    replace = Path.replace

    def watched(path: Path, target: Path) -> Path:
        seen.append(POINTER.read_bytes())
        assert path.read_bytes() == b"b\n"
        return replace(path, target)

    monkeypatch.setattr(Path, "replace", watched)
    remember_run(Path("b"))
    assert seen == [b"a\n"]


def test_what_a_killed_process_left_goes_with_the_next_change() -> None:
    left, held = Path("..dbc-run.writing-a"), Path("..dbc-run.writing-b")
    for path in (left, held):
        path.write_bytes(b"half")
    with held.open() as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        remember_run(Path("a"))
    assert (left.exists(), held.exists()) == (False, True)
    assert remembered_run() == Path("a")


def test_the_commands_say_what_they_take(dbc: Dbc, begun: Path) -> None:
    for asked, told in (
        (["status", "--run", ""], "dbc status: --run must not be empty"),
        (["eval", "--ids="], "dbc eval: --ids must not be empty"),
        (["ingest", ""], "dbc ingest: an argument must not be empty"),
    ):
        ran = dbc(*asked)
        assert (ran.status, ran.line.startswith(told)) == (2, True)
    Path("first").mkdir()
    remember_run(Path("first"))
    ran = dbc("plot", "--run", begun)
    assert remembered_run() == Path("first")
    assert ran.status == 1
    for name in ("report", "review"):
        assert dbc(name, "--run", "nowhere").line == (
            f"dbc {name}: no run found at nowhere; make one with: dbc ingest SOURCE --run nowhere"
        )
    remember_run(Path("gone"))
    assert "no run found at gone, which .dbc-run names" in dbc("select").line
