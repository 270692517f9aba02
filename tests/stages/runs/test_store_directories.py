"""Directories: what dead writers leave goes, live writers lose nothing, and what is committed outlasts the power."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest
from test_store import fill, request

from stages.runs.context import Context
from stages.runs.making import make_artifact
from stages.runs.run_directory import RunDirectory
from stages.runs.store import TEMPORARY_PREFIX, artifact_versions, temporary_directory
from stages.runs.store.zarr_import import import_zarr


def test_a_sweep_takes_dead_writers_and_the_directories_only_they_had_filled(tmp_path: Path) -> None:
    run = RunDirectory(tmp_path)
    for place in ("dataset", "stage-00/model", "stage-01/clusters", "stage-01/metrics"):
        (tmp_path / place / f"{TEMPORARY_PREFIX}0123").mkdir(parents=True)
    (tmp_path / "stage-02" / "features").mkdir(parents=True)
    (tmp_path / "stage-01" / "notes.txt").write_text("mine")
    (tmp_path / "plots").mkdir()
    assert run.sweep() == 4
    left = {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*")}
    assert left == {"stage-01", "stage-01/notes.txt", "plots"}


def test_a_sweep_leaves_versions_and_live_writers(tmp_path: Path) -> None:
    run = RunDirectory(tmp_path)
    make_artifact(run, request(), fill, context=Context())
    with temporary_directory(tmp_path / "stage-00" / "model") as path:
        assert run.sweep() == 0
        assert path.is_dir()
    assert run.versions("dataset") == [1]
    assert not (tmp_path / "stage-00").exists()


def test_writers_whose_directories_are_swept_away_all_the_time_still_get_theirs(tmp_path: Path) -> None:
    run = RunDirectory(tmp_path)
    done = threading.Event()
    failures: list[BaseException] = []

    def sweep() -> None:
        try:
            while not done.is_set():
                run.sweep()
                artifact_versions(tmp_path / "stage-00" / "model")
                run.stages("model")
        except BaseException as error:
            failures.append(error)

    sweepers = [threading.Thread(target=sweep) for _ in range(3)]
    for thread in sweepers:
        thread.start()
    try:
        for _ in range(60):
            with temporary_directory(tmp_path / "stage-00" / "model") as path:
                (path / "written").write_text("x")
    finally:
        done.set()
        for thread in sweepers:
            thread.join()
    assert failures == []


def test_every_new_directory_down_to_the_artifact_is_on_the_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[int] = []
    real = os.fsync

    def record(descriptor: int) -> None:
        synced.append(os.fstat(descriptor).st_ino)
        real(descriptor)

    monkeypatch.setattr(os, "fsync", record)
    root = tmp_path / "runs" / "mine"
    outcome = make_artifact(RunDirectory(root), request(), fill, context=Context())
    assert outcome.artifact is not None
    holders = [tmp_path, tmp_path / "runs", root, root / "dataset", outcome.artifact.path]
    assert [path for path in holders if path.stat().st_ino not in synced] == []
    files = [path for path in outcome.artifact.path.rglob("*") if path.is_file()]
    assert [path for path in files if path.stat().st_ino not in synced] == []


def test_zarr_is_not_left_to_close_its_loop_when_python_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    gone: list[object] = []
    monkeypatch.setattr("atexit.unregister", gone.append)
    assert import_zarr().core.sync.cleanup_resources in gone
