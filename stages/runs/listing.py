"""All artifacts of a run, in the order they are made, and whether they are what was written."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from schemas.choices import ArtifactKind
from stages.errors import DbcError, file_problem
from stages.runs.run_directory import WITHOUT_STAGE, RunDirectory, made_by
from stages.runs.store import Artifact, UnreadableError, open_artifact

_ORDER: tuple[ArtifactKind, ...] = ("clusters", "model", "features", "metrics", "assignments")


@dataclass(frozen=True)
class Listed:
    """What lies at the `path` of an artifact: the artifact or, if it cannot be opened, the `problem` in a line."""

    path: Path
    artifact: Artifact | None
    problem: str | None = None


@dataclass(frozen=True)
class Checked:
    """What was read of an artifact: how many arrays, their bytes as they are stored, and the names of damaged ones.

    `problems` are lines about parents that are missing, and about a file that the system does not let be read.
    """

    n_arrays: int
    n_bytes: int
    damaged: tuple[str, ...]
    problems: tuple[str, ...] = ()


def check(run: RunDirectory, artifact: Artifact) -> Checked:
    """Every array of `artifact` read and held against its digest, and its parents looked for in `run`."""
    damaged: tuple[str, ...] = ()
    n_bytes, problems = 0, _missing_parents(run, artifact)
    try:
        n_bytes = sum(path.stat().st_size for path in artifact.path.rglob("*") if path.is_file())
        damaged = artifact.damaged()
    except OSError as error:
        problems = (file_problem(error, artifact.path, failed="cannot be read"), *problems)
    except DbcError as error:
        problems = (str(error), *problems)
    return Checked(len(artifact.names()), n_bytes, damaged, problems)


def _missing_parents(run: RunDirectory, artifact: Artifact) -> tuple[str, ...]:
    problems = []
    for parent in artifact.manifest.parents:
        try:
            found = run.resolve(parent)
        except DbcError as error:
            problems.append(str(error))
            continue
        if found.manifest.kind != parent.kind:
            problems.append(f"{artifact.path}: its {parent.kind} {parent.id[:12]} is a {found.manifest.kind}")
    return tuple(problems)


def list_run(run: RunDirectory) -> list[Listed]:
    """Every version of every artifact, readable or not: the dataset, the constraints, then stage by stage."""
    places: list[tuple[ArtifactKind, int]] = [(kind, 0) for kind in WITHOUT_STAGE]
    stages = sorted({stage for kind in _ORDER for stage in run.all_stages(kind)})
    places += [(kind, stage) for stage in stages for kind in _ORDER]
    return [_listed(run, kind, stage, v) for kind, stage in places for v in run.versions(kind, stage)]


def _listed(run: RunDirectory, kind: ArtifactKind, stage: int, version: int) -> Listed:
    directory = run.directory(kind, stage)
    try:
        artifact = open_artifact(directory, version)
    except UnreadableError as error:
        told = f"{error} with: {made_by(kind, stage)}"
    except DbcError as error:
        told = str(error)
    else:
        return Listed(artifact.path, artifact)
    return Listed(directory / f"v{version}.zarr", None, told)


def artifacts_of(run: RunDirectory) -> list[Artifact]:
    """Every version of every artifact, in the order of `list_run`; DbcError if one cannot be opened."""
    found = list_run(run)
    for listed in found:
        if listed.problem is not None:
            raise DbcError(listed.problem)
    return [listed.artifact for listed in found if listed.artifact is not None]
