"""One artifact in two runs: hard links to files that nobody changes, so that it takes no space twice."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

from stages.runs.store.artifact import Artifact, artifact_versions, open_artifact
from stages.runs.store.links import link_tree
from stages.runs.store.temporary import sync, temporary_directory, writing


def share(artifact: Artifact, directory: Path) -> Artifact:
    """`artifact` as a version in `directory`, of the same content; the one that is there already where it has it.

    Its files are hard links, or copies where the file system gives no links between the two. It appears whole, by a
    rename. DbcError where `directory` cannot be written.
    """
    while True:
        versions = artifact_versions(directory)
        for version in versions:
            there = open_artifact(directory, version)
            if there.manifest.id == artifact.manifest.id:
                return there
        version = versions[-1] + 1 if versions else 1
        target = directory / f"v{version}.zarr"
        with temporary_directory(directory) as path, writing(directory):
            link_tree(artifact.path, path)
            for folder, _, _ in os.walk(path):
                sync(Path(folder))
            try:
                path.rename(target)
            except OSError:
                if not target.exists():
                    raise
                continue  # another process has taken that number
            sync(directory)
            return replace(artifact, path=target, version=version)
