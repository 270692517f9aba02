"""What commands that make artifacts say first: the run, and another command at work on it."""

from __future__ import annotations

import os
import socket
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from dbc_cli.at_work import AT_WORK, alone_at_work, at_work
from dbc_cli.command import Given
from dbc_cli.pointer import POINTER, remembered_run
from stages.runs.store import temporary_directory
from tests.cli.conftest import Dbc


def given(run: Path, *arguments: str, **values: object) -> Given:
    """A command on `run`, which has a dataset."""
    (run / "dataset").mkdir(parents=True, exist_ok=True)
    return Given(run, values, arguments)


def test_a_second_command_names_the_first_and_goes_on(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with at_work(given(tmp_path, "train", "--seed", "1")):
        assert capsys.readouterr().err == ""
        with at_work(given(tmp_path, "merge")):
            told = capsys.readouterr().err
        with at_work(given(tmp_path, "extract", dry_run=True)):
            assert capsys.readouterr().err == ""
    assert told.startswith(
        f"warning: another command is at work on {tmp_path}: dbc train --seed 1 (process {os.getpid()}"
    )
    # the first has ended
    with at_work(given(tmp_path, "merge")):
        assert capsys.readouterr().err == ""
    assert (tmp_path / AT_WORK).read_text().startswith("dbc merge (process ")


def test_what_a_command_at_work_may_use_is_not_removed(dbc: Dbc, run: Path) -> None:
    for lambda_ in ("0.1", "5"):
        assert dbc("merge", "--run", run, "--merge-percent", "0.25", "--lambda", lambda_).status == 0
    first, delete = run / "stage-01/clusters/v1.zarr", ("gc", "--delete", "--run", run)
    with at_work(given(run, "train", "--seed", "1")):
        refused = dbc(*delete)
        assert f"{run}: another command is at work on it: dbc train --seed 1 (process " in refused.line
        assert refused.status == 1
        assert "another command is at work" in dbc("gc", "--run", run, "--json").json["notes"][0]
        assert "another command is at work" in dbc("ingest", "--run", run, "--identities", "2").err
    # a program that uses the package
    with temporary_directory(run / "stage-01/model"):
        refused = dbc(*delete)
        assert (refused.status, f"{run}/stage-01/model: something is being written there" in refused.line) == (1, True)
    assert first.is_dir()
    assert dbc(*delete).status == 0
    assert not first.exists()


def test_nothing_is_written_into_a_folder_that_is_no_run(dbc: Dbc, tmp_path: Path) -> None:
    assert dbc("gc", "--delete", "--run", tmp_path).status == 0
    assert not (tmp_path / AT_WORK).exists()


def test_commands_that_begin_meanwhile_wait(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def begin() -> str:
        with at_work(given(tmp_path, "merge")):
            return (tmp_path / AT_WORK).read_text()

    with ThreadPoolExecutor(1) as thread:
        with alone_at_work(given(tmp_path, "gc", "--delete"), needed="x"):
            began = thread.submit(begin)
            with pytest.raises(TimeoutError):
                began.result(timeout=0.2)
        assert began.result().startswith("dbc merge (")
    told = capsys.readouterr().err
    assert told.startswith("waiting for dbc gc --delete (process ")
    assert "warning" not in told


def test_a_process_that_is_gone_is_not_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with at_work(given(tmp_path, "train")):
        with (tmp_path / AT_WORK).open("a") as file:
            file.write(f"dbc run (process 999999999 on {socket.gethostname()}, since 01 May 10:00)\n")
        with at_work(given(tmp_path, "merge")):
            assert ": dbc train (" in capsys.readouterr().err.splitlines()[-1]
    with at_work(given(tmp_path, "merge")):
        assert capsys.readouterr().err == ""


def test_a_run_that_cannot_be_locked_is_worked_on_all_the_same(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / AT_WORK).mkdir()
    with at_work(given(tmp_path, "train")), at_work(Given(tmp_path / "missing", {})):
        assert capsys.readouterr().err == ""
    with at_work(Given(tmp_path / "dataset", {})):
        assert list((tmp_path / "dataset").iterdir()) == []


def test_the_run_is_named_first_unless_a_flag_names_it(
    dbc: Dbc, begun: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    merge = ["merge", "--merge-percent", "0.25", "--dry-run"]
    assert "working on" not in dbc(*merge, "--run", begun).err
    POINTER.write_text(f"{begun}\n")
    assert dbc(*merge).err.startswith(f"working on {begun}, which .dbc-run remembers")
    monkeypatch.setenv("DBC_RUN", str(begun))
    assert dbc(*merge).err.startswith(f"working on {begun}, which DBC_RUN names")
    assert "working on" not in dbc("status").err
    monkeypatch.delenv("DBC_RUN")
    POINTER.unlink()
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs/default").symlink_to(begun)
    assert dbc(*merge).err.startswith("working on runs/default, as no other run is named or remembered here")


def test_a_command_that_reads_changes_nothing_that_is_remembered(dbc: Dbc, begun: Path, run: Path) -> None:
    assert dbc("log", "features", "--run", begun).status == 0
    # nothing else was remembered
    assert remembered_run() == begun
    assert dbc("log", "features", "--run", run).status == 0
    assert remembered_run() == begun
    assert dbc("eval", "--run", run).status == 0
    assert remembered_run() == run


def test_a_folder_that_cannot_be_written_is_told(dbc: Dbc, run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object) -> None:
        raise PermissionError(13, "Permission denied", str(POINTER))

    monkeypatch.setattr("dbc_cli.command.remember_run", refused)
    told = f".dbc-run cannot be written here (Permission denied), so {run} is not remembered: name it with --run"
    assert told in dbc("eval", "--run", run).err.replace("\n", "")
    assert "not remembered" not in dbc("log", "features", "--run", run).err


def test_arguments_that_are_no_utf8_are_no_obstacle(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = tmp_path / os.fsdecode(b"card\xff")
    with at_work(given(run, "train", "--run", str(run))), at_work(given(run, "merge")):
        assert "another command is at work" in capsys.readouterr().err
