"""All artifacts of a run, in the order they are made."""

from __future__ import annotations

from schemas.manifest import ArtifactKind
from stages.run_directory import RunDirectory
from stages.store import Artifact, open_artifact

_ORDER: tuple[ArtifactKind, ...] = ("clusters", "model", "features", "metrics")


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
