"""Pictures are found where they lie now, and those that are lost are counted."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import cast

import numpy as np
import pytest

from stages.errors import UsageError
from stages.ingest import whereabouts
from stages.ingest.source_digest import digest_each
from stages.ingest.whereabouts import PictureFiles, find_pictures
from stages.runs.kept_source import KeptSource
from stages.runs.store import Artifact

PATHS = ("a/1.jpg", "a/2.jpg", "b/1.jpg", "../card2/1.jpg")


class Told:
    """A reporter that keeps its lines."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def task(self, description: str, *, total: int, unit: str) -> object:
        return whereabouts.SILENT.task(description, total=total, unit=unit)

    def note(self, message: str) -> None:
        self.lines.append(message)

    warn = note


class Dataset:
    def __init__(self, root: Path, command: tuple[str, ...]) -> None:
        self.path = root / "run" / "dataset" / "v1.zarr"
        self.manifest = type("Manifest", (), {"command": command})

    def read(self, name: str) -> np.ndarray:
        return np.array(PATHS, dtype=object)


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project whose first card was ingested, and the second added; the other commands were given here."""
    root = tmp_path / "project" / "card1"
    for path in PATHS:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(path)
    kept = KeptSource(root, tuple(digest_each(root, PATHS)), (tmp_path / "moved" / "card1",))
    monkeypatch.setattr(whereabouts, "read_source", lambda _: kept)
    monkeypatch.chdir(tmp_path / "project")
    return tmp_path / "project"


def find(project: Path, *words: str, root: Path | None = None) -> tuple[PictureFiles, str]:
    reporter = Told()
    dataset = cast(Artifact, Dataset(project, ("dbc", "ingest", *words)))
    return find_pictures(dataset, PATHS, root, reporter=reporter), "\n".join(reporter.lines)  # type: ignore[arg-type]


def test_pictures_that_are_there_are_taken_without_a_word(project: Path) -> None:
    assert find(project) == (PictureFiles(project / "card1"), "")


def test_a_lost_picture_is_told_of_the_folder_that_has_the_others(project: Path) -> None:
    (project / "card1" / "a" / "2.jpg").unlink()
    # another folder has pictures of the same names, but not their content
    for path in PATHS:
        (project / "day3" / path).parent.mkdir(parents=True, exist_ok=True)
        (project / "day3" / path).write_text("other")
    (project / "card2" / "1.jpg").write_text(PATHS[-1])
    found, told = find(project, "day3")
    assert (found.root, found.lost) == (project / "card1", {"a/2.jpg"})
    assert told.startswith(f"1 of 4 pictures are not in {project / 'card1'}, the first 'a/2.jpg'; restore them")


def test_renamed_pictures_and_folders_are_found_by_their_content(project: Path) -> None:
    (project / "card1" / "a").rename(project / "card1" / "a old")
    (project / "card2" / "1.jpg").rename(project / "card2" / "one.JPG")
    found, told = find(project)
    assert found.elsewhere == {"a/1.jpg": "a old/1.jpg", "a/2.jpg": "a old/2.jpg", "../card2/1.jpg": "../card2/one.JPG"}
    assert found.lost == frozenset()
    assert [found.file(path).read_text() for path in PATHS] == list(PATHS)
    assert told.endswith("found by their content: 3, the first 'a/1.jpg' as 'a old/1.jpg'")


def test_a_project_that_was_moved_is_found_beside_its_run_or_by_the_command(project: Path) -> None:
    shutil.move(project, project.with_name("moved"))
    assert find(project)[0].root == project.with_name("moved") / "card1"
    shutil.move(project.with_name("moved"), project.with_name("other"))
    project = project.with_name("other")
    # the other card has a picture of each name, but for the content
    for path in PATHS:
        (project / "card2" / path).parent.mkdir(parents=True, exist_ok=True)
        if not (project / "card2" / path).exists():
            (project / "card2" / path).write_text("other")
    (project / "card1" / "a" / "2.jpg").unlink()
    assert find(project, str(project / "card2"), str(project / "card1"))[0].root == project / "card1"
    with pytest.raises(UsageError, match="is not in the source of this run"):
        find(project, str(project / "card2"))
    with pytest.raises(UsageError, match=r"'a/1\.jpg' is not in the source of this run; give the folder .* as `root`"):
        find(project)


def test_of_most_pictures_lost_the_folder_must_be_given(project: Path) -> None:
    for path in PATHS[:3]:
        (project / "card1" / path).unlink()
    with pytest.raises(
        UsageError, match=r"3 of 4 pictures are not in .*`root`, which goes on without those that are lost"
    ):
        find(project)
    assert len(find(project, root=project / "card1")[0].lost) == 3
    (project / "far" / "empty").mkdir(parents=True)
    with pytest.raises(UsageError, match="4 of 4 pictures are not in"):
        find(project, root=project / "far" / "empty")
