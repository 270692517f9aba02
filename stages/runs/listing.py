"""All artifacts of a run, in the order they are made, and whether they are what was written."""

from __future__ import annotations

from dataclasses import dataclass

from schemas.choices import ArtifactKind
from stages.runs.run_directory import RunDirectory
from stages.runs.store import Artifact, open_artifact

_ORDER: tuple[ArtifactKind, ...] = ("clusters", "model", "features", "metrics")


@dataclass(frozen=True)
class Checked:
    """What was read of an artifact: how many arrays, their bytes as they are stored, and the names of damaged ones."""

    n_arrays: int
    n_bytes: int
    damaged: tuple[str, ...]


def check(artifact: Artifact) -> Checked:
    """Every array of `artifact` read and held against its digest."""
    files = (path for path in artifact.path.rglob("*") if path.is_file())
    return Checked(len(artifact.names()), sum(path.stat().st_size for path in files), artifact.damaged())


def artifacts_of(run: RunDirectory) -> list[Artifact]:
    """Every version of every artifact: the dataset, then stage by stage."""
    places: list[tuple[ArtifactKind, int]] = [("dataset", 0)]
    stages = sorted({stage for kind in _ORDER for stage in run.stages(kind)})
    places += [(kind, stage) for stage in stages for kind in _ORDER]
    return [
        open_artifact(run.directory(kind, stage), version)
        for kind, stage in places
        for version in run.versions(kind, stage)
    ]
