"""One artifact in two places: hard links to files that nobody changes, so that it takes no space twice."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from schemas.manifest import ATTRIBUTE
from stages.runs.store.artifact import CHECKSUMS, Artifact, artifact_versions, every_version
from stages.runs.store.root import read_root, write_root
from stages.runs.store.temporary import rename_new, sync, temporary_directory, writing


def share(artifact: Artifact, directory: Path) -> Artifact:
    """`artifact` as a version in `directory`, of the same content; the one that is there already where it has it.

    Its files are hard links, or copies where the file system gives no links between the two. It appears whole, by a
    rename. DbcError where `directory` cannot be written.
    """
    while True:
        versions = artifact_versions(directory)
        there = next((each for each in every_version(directory) if each.manifest.id == artifact.manifest.id), None)
        if there is not None:
            return there
        version = versions[-1] + 1 if versions else 1
        if _link(artifact, directory, version):
            return replace(artifact, path=directory / f"v{version}.zarr", version=version)


def take_again(artifact: Artifact, *, said: Mapping[str, Any]) -> Artifact:
    """`artifact` once more beside itself, as the newest version, which has the same id; itself if it is the newest.

    Its arrays are hard links, as in `share`; its manifest is the same but for what is `said`.
    """
    directory = artifact.path.parent
    while True:
        newest = next(every_version(directory))
        if newest.manifest.id == artifact.manifest.id:
            return newest
        _link(artifact, directory, newest.version + 1, said)


def _link(artifact: Artifact, directory: Path, version: int, said: Mapping[str, Any] | None = None) -> bool:
    """Whether version `version` in `directory` is `artifact` now; False if another process has taken that number."""
    with temporary_directory(directory) as path, writing(directory):
        link_tree(artifact.path, path)
        if said is not None:
            attributes, _ = read_root(path, known=frozenset({ATTRIBUTE, CHECKSUMS}))
            # a new file: the other version keeps its own
            (path / "zarr.json").unlink()
            write_root(path, {**attributes, ATTRIBUTE: {**attributes[ATTRIBUTE], **said}})
            sync(path / "zarr.json")
        for folder, _, _ in os.walk(path):
            sync(Path(folder))
        is_new = rename_new(path, directory / f"v{version}.zarr")
        sync(directory)
        return is_new


def link_tree(source: Path, target: Path) -> None:
    """Give the folder `target` every file of `source`."""
    shutil.copytree(source, target, dirs_exist_ok=True, copy_function=link_file)


def link_file(source: str | Path, target: str | Path) -> str | Path:
    """Make `target` a hard link to `source`, or a copy if the file system gives no links between the two."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)
    return target
