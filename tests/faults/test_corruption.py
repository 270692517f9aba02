"""Whatever happens to a file of an artifact, of whichever kind, it is named before anything of it is used."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from stages.errors import DbcError
from stages.runs.listing import check, list_run
from stages.runs.run_directory import RunDirectory
from stages.runs.store import open_artifact
from tests.cli.conftest import NETWORK, PEOPLE, made

HARMS = ("cut", "emptied", "deleted", "flipped", "swapped")


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run with an artifact of every kind."""
    return made(
        tmp_path_factory.mktemp("whole"),
        ["ingest", *PEOPLE, "--workers", "0"],
        ["extract", *NETWORK],
        ["merge", "--merge-percent", "0.25"],
        ["eval", "--stage", "1"],
    )


def harmed(file: Path, other: Path, harm: str) -> None:
    content = file.read_bytes()
    if harm == "cut":
        file.write_bytes(content[: len(content) // 2])
    elif harm == "emptied":
        file.write_bytes(b"")
    elif harm == "deleted":
        file.unlink()
    elif harm == "flipped":
        place = min(5, len(content) - 1)
        file.write_bytes(content[:place] + bytes([content[place] ^ 4]) + content[place + 1 :])
    else:
        file.write_bytes(other.read_bytes())


def is_told(run: RunDirectory, path: Path) -> bool:
    """Whether opening the artifact at `path`, or reading all of it, by whole arrays and by rows, names what is wrong."""
    try:
        artifact = open_artifact(path.parent, int(path.stem[1:]))
        for name in artifact.names():
            artifact.read(name)
        if "images" in artifact.names():
            artifact.rows("images")[np.array([0])]
    except DbcError:
        return True
    return bool(check(run, artifact).damaged)


@pytest.mark.parametrize("kind", ["dataset", "model", "features", "clusters", "metrics"])
def test_every_file_of_every_kind(whole: Path, tmp_path: Path, kind: str) -> None:
    root = Path(shutil.copytree(whole, tmp_path / "run"))
    run = RunDirectory(root)
    (path,) = [found.path for found in list_run(run) if found.artifact and found.artifact.manifest.kind == kind]
    files = sorted(file for file in path.rglob("*") if file.is_file())
    # the root, and each array's description and pieces; a model has many arrays alike
    chosen = files if len(files) < 40 else [path / "zarr.json", *files[:: len(files) // 12]]
    data = [file for file in files if file.name != "zarr.json"]
    unnoticed = []
    for file in chosen:
        alike = [one for one in (files if file.name == "zarr.json" else data) if one.name == file.name]
        other = next((one for one in alike if one.read_bytes() != file.read_bytes()), None)
        before = file.read_bytes()
        for harm in HARMS:
            if harm == "swapped" and other is None:
                continue
            harmed(file, other or file, harm)
            if not is_told(run, path):
                unnoticed.append(f"{file.relative_to(path)} {harm}")
            file.write_bytes(before)
    assert unnoticed == []
    assert not is_told(run, path)


def test_artifacts_that_change_places_are_named(whole: Path, tmp_path: Path) -> None:
    root = Path(shutil.copytree(whole, tmp_path / "run"))
    paths = [found.path for found in list_run(RunDirectory(root))]
    assert len(paths) == 5
    for path in paths:
        for other in paths:
            if other == path:
                continue
            aside = path.rename(tmp_path / "aside")
            shutil.copytree(other, path)
            assert is_told(RunDirectory(root), path), f"{other} in the place of {path}"
            shutil.rmtree(path)
            aside.rename(path)
    assert not any(is_told(RunDirectory(root), path) for path in paths)
