"""The life of an artifact: asked for, found up to date or computed, and committed with its manifest."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal, TypeAlias

from schemas.manifest import SCHEMA_VERSIONS, ArtifactKind, Execution
from schemas.parameters import Parameters
from schemas.summaries import Summary
from stages.errors import DbcError
from stages.provenance import artifact_id, content_key, library_versions
from stages.run_directory import RunDirectory
from stages.store import Artifact, Writer, artifact_versions, commit, open_artifact, temporary_directory

Status: TypeAlias = Literal["created", "up to date", "identical", "would create"]


@dataclass(frozen=True)
class How:
    """How a command wants its artifact made, none of which decides the content."""

    force: bool = False
    dry_run: bool = False
    command: tuple[str, ...] = ()


@dataclass(frozen=True)
class Request:
    """What is to be made, by which parameters, from which artifacts."""

    kind: ArtifactKind
    stage: int
    manifest: Callable[..., Any]
    parameters: Parameters
    parents: tuple[Artifact, ...] = ()
    seeds: Mapping[str, int] | None = None
    extra: Mapping[str, Any] | None = None


@dataclass(frozen=True)
class Produced:
    """What a computation gives beside its arrays."""

    summary: Summary
    execution: Execution
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Outcome:
    """What became of a request. `artifact` is None only for a dry run of something new."""

    status: Status
    kind: ArtifactKind
    stage: int
    artifact: Artifact | None
    newest_version: int | None
    parameters: dict[str, Any]


def produce(run: RunDirectory, request: Request, compute: Callable[[Writer], Produced], *, how: How) -> Outcome:
    """Find the artifact that `request` asks for, or let `compute` fill a new version and commit it.

    DbcError where the run cannot be written, or where `compute` cannot read a file. Whatever fails, nothing half-written
    stays.
    """
    run.sweep()
    directory = run.directory(request.kind, request.stage)
    key = request_key(request)
    versions = artifact_versions(directory)
    found = _with_key(run, request, key)
    if found is not None and not how.force:
        return _outcome("up to date", request, found, newest=versions[-1])
    if how.dry_run:
        return _outcome("would create", request, None, newest=versions[-1] if versions else None)
    with temporary_directory(directory) as path:
        artifact, is_new = _compute(run, request, compute, writer=Writer(path), key=key, how=how)
    return _outcome("created" if is_new else "identical", request, artifact, newest=artifact_versions(directory)[-1])


def is_up_to_date(run: RunDirectory, request: Request) -> bool:
    """Whether the artifact that `request` asks for is there."""
    return _with_key(run, request, request_key(request)) is not None


def request_key(request: Request) -> str:
    """The content key of the artifact that `request` asks for."""
    return content_key(
        request.kind,
        schema_version=SCHEMA_VERSIONS[request.kind],
        parameters=request.parameters.request(),
        parent_ids=[parent.manifest.id for parent in request.parents],
    )


def _with_key(run: RunDirectory, request: Request, key: str) -> Artifact | None:
    directory = run.directory(request.kind, request.stage)
    for version in reversed(artifact_versions(directory)):
        artifact = open_artifact(directory, version)
        if artifact.manifest.key == key:
            return artifact
    return None


def _compute(
    run: RunDirectory,
    request: Request,
    compute: Callable[[Writer], Produced],
    *,
    writer: Writer,
    key: str,
    how: How,
) -> tuple[Artifact, bool]:
    started = time.perf_counter()
    with _naming_files():
        produced = compute(writer)
    arrays = dict(sorted(writer.arrays.items()))
    manifest = request.manifest(
        kind=request.kind,
        schema_version=SCHEMA_VERSIONS[request.kind],
        id=artifact_id(key, arrays),
        key=key,
        parents=tuple(run.as_parent(parent) for parent in request.parents),
        command=how.command,
        parameters=request.parameters,
        seeds=dict(request.seeds or {}),
        execution=produced.execution,
        versions=library_versions(),
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        wall_seconds=round(time.perf_counter() - started, 3),
        notes=produced.notes,
        arrays=arrays,
        summary=produced.summary,
        **(request.extra or {}),
    )
    return commit(writer, run.directory(request.kind, request.stage), manifest)


@contextmanager
def _naming_files() -> Iterator[None]:
    """Turn an OSError about a file into a DbcError that names it."""
    try:
        yield
    except OSError as error:
        if error.filename is None:
            raise
        raise DbcError(
            f"{error.filename}: {error.strerror or error}; make this file readable and run the command again"
        ) from error


def _outcome(status: Status, request: Request, artifact: Artifact | None, *, newest: int | None) -> Outcome:
    return Outcome(
        status=status,
        kind=request.kind,
        stage=request.stage,
        artifact=artifact,
        newest_version=newest,
        parameters=request.parameters.model_dump(mode="json", by_alias=True),
    )
