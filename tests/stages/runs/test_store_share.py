"""An artifact that two runs share is one content, and neither run can harm the other by its own means."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
from test_store import fill, request

from stages.runs.context import Context
from stages.runs.making import make_artifact
from stages.runs.run_directory import RunDirectory
from stages.runs.store import Artifact, artifact_versions, open_artifact, share


@pytest.fixture
def artifact(tmp_path: Path) -> Artifact:
    outcome = make_artifact(RunDirectory(tmp_path / "one"), request(), fill, context=Context())
    assert outcome.artifact is not None
    return outcome.artifact


def files_of(artifact: Artifact) -> list[Path]:
    return [path for path in artifact.path.rglob("*") if path.is_file()]


def test_it_reads_the_same_and_takes_no_space(artifact: Artifact, tmp_path: Path) -> None:
    shared = share(artifact, tmp_path / "other" / "dataset")
    assert shared.manifest == artifact.manifest == open_artifact(tmp_path / "other" / "dataset", 1).manifest
    assert not shared.damaged()
    assert files_of(shared)
    assert all(path.stat().st_nlink == 2 for path in files_of(shared))


def test_what_is_there_already_is_not_shared_again(artifact: Artifact, tmp_path: Path) -> None:
    share(artifact, tmp_path / "other" / "dataset")
    assert share(artifact, tmp_path / "other" / "dataset").version == 1
    assert artifact_versions(tmp_path / "other" / "dataset") == [1]
    assert [path.name for path in (tmp_path / "other" / "dataset").iterdir()] == ["v1.zarr"]


def test_beside_another_version_it_takes_the_next_number(artifact: Artifact, tmp_path: Path) -> None:
    other = make_artifact(RunDirectory(tmp_path / "two"), request(seed=1), fill, context=Context())
    assert other.artifact is not None
    shared = share(artifact, tmp_path / "two" / "dataset")
    assert (shared.version, shared.manifest.id) == (2, artifact.manifest.id)
    assert open_artifact(tmp_path / "two" / "dataset", 1).manifest.id == other.artifact.manifest.id


def test_removing_one_leaves_the_other(artifact: Artifact, tmp_path: Path) -> None:
    shared = share(artifact, tmp_path / "other" / "dataset")
    shutil.rmtree(artifact.path)
    assert not shared.damaged()


def test_files_are_copied_where_the_system_gives_no_links(
    artifact: Artifact, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(18, "Invalid cross-device link")

    monkeypatch.setattr(os, "link", refuse)
    shared = share(artifact, tmp_path / "other" / "dataset")
    assert not shared.damaged()
    assert all(path.stat().st_nlink == 1 for path in files_of(shared))
