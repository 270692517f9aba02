"""Artifacts by the names that people give them, and everything that one was made from."""

from __future__ import annotations

import re
from pathlib import Path
from typing import cast

from schemas.choices import ArtifactKind
from schemas.manifest import SCHEMA_VERSIONS
from schemas.stage_names import parse_stage, stage_label
from stages.errors import DbcError, UsageError
from stages.runs.listing import Listed, list_run
from stages.runs.run_directory import WITHOUT_STAGE, RunDirectory
from stages.runs.store import Artifact, artifact_versions, open_artifact

_VERSION = re.compile(r"v([1-9][0-9]*)(?:\.zarr)?")
_ID = re.compile(r"[0-9a-f]{6,64}")


def named_artifact(run: RunDirectory, text: str) -> Artifact:
    """The artifact that `text` names: a folder of one version or all, `[STAGE/]KIND[/vN]` in `run`, or how an id begins.

    Without a stage it is the newest that has this kind, without a version the newest. UsageError if `text` is none of
    these, DbcError if there is no such artifact.

    Examples
    --------
    >>> named_artifact(RunDirectory(Path("nowhere")), "stage-03")
    Traceback (most recent call last):
    stages.errors.UsageError: 'stage-03' names no artifact; give [STAGE/]KIND[/vN], such as 3/clusters/v1, a folder or an id
    """
    folder = Path(text)
    version = _VERSION.fullmatch(folder.name)
    if version and (folder.is_dir() or folder.with_name(f"{folder.name}.zarr").is_dir()):
        return open_artifact(folder.parent, int(version[1]))
    parts = text.strip("/").split("/")
    version = _VERSION.fullmatch(parts[-1])
    rest = parts[:-1] if version else parts
    if not rest or rest[-1] not in SCHEMA_VERSIONS or len(rest) > 2:
        if folder.name in SCHEMA_VERSIONS and (versions := artifact_versions(folder)):
            return open_artifact(folder, versions[-1])
        return _with_id(run, text)
    kind = cast(ArtifactKind, rest[-1])
    stage = _stage(rest[0], text) if len(rest) == 2 else max(run.stages(kind), default=0)
    if version is None:
        versions = run.versions(kind, stage)
        if versions and not run.pinned and run.find(kind, stage) is None:
            # made from a dataset that was there before: whoever names it wants to see it
            return open_artifact(run.directory(kind, stage), versions[-1])
        return run.require(kind, stage)
    if int(version[1]) not in run.versions(kind, stage):
        found = ", ".join(f"v{each}" for each in run.versions(kind, stage)) or "none"
        of = "" if kind in WITHOUT_STAGE else f" of stage {stage_label(stage)}"
        raise DbcError(f"{run.root}: {kind}{of} has versions {found}, got v{version[1]}")
    return open_artifact(run.directory(kind, stage), int(version[1]))


def lineage_of(run: RunDirectory, artifact: Artifact) -> list[Listed]:
    """`artifact` and all that it was made from, each once and before its own parents; those that are gone as problems."""
    found: dict[str, Listed] = {}
    _visit(run, artifact, found)
    # a parent is finished before what was made from it
    return list(reversed(found.values()))


def _visit(run: RunDirectory, artifact: Artifact, found: dict[str, Listed]) -> None:
    for parent in artifact.manifest.parents:
        if parent.id in found:
            continue
        try:
            made_from = run.resolve(parent)
        except DbcError as error:
            found[parent.id] = Listed(run.root / parent.location, None, str(error))
            continue
        _visit(run, made_from, found)
    found[artifact.manifest.id] = Listed(artifact.path, artifact)


def _stage(name: str, text: str) -> int:
    try:
        return parse_stage(name)
    except ValueError as error:
        raise UsageError(f"{text!r}: {error}") from error


def _with_id(run: RunDirectory, text: str) -> Artifact:
    if not _ID.fullmatch(text):
        raise UsageError(
            f"{text!r} names no artifact; give [STAGE/]KIND[/vN], such as 3/clusters/v1, a folder or an id"
        )
    artifacts = [listed.artifact for listed in list_run(run) if listed.artifact is not None]
    matching = [artifact for artifact in artifacts if artifact.manifest.id.startswith(text)]
    if len(matching) != 1:
        raise DbcError(f"{run.root}: the id {text} must name one artifact, got {len(matching)}; see: dbc status")
    return matching[0]
