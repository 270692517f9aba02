"""The life of an artifact: asked for, found up to date or computed, and committed with its manifest."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeAlias

from schemas.choices import ArtifactKind, ArtifactStatus
from schemas.manifest import ARRAYS, SCHEMA_VERSIONS, Execution
from schemas.parameters import MergeParameters, Parameters
from schemas.rules import argument
from schemas.stage_names import stage_label
from schemas.summaries import Summary
from stages.errors import DbcError, UsageError, file_problem
from stages.processes import OneProcess, Processes
from stages.runs.context import Context
from stages.runs.events import EVENTS, record_event
from stages.runs.run_directory import WITHOUT_STAGE, RunDirectory
from stages.runs.store import (
    Artifact,
    Writer,
    artifact_versions,
    commit,
    every_version,
    open_artifact,
    take_again,
    temporary_directory,
)
from stages.runs.store.digests import artifact_id, content_key, library_versions
from stages.wording import so_many

MOST_NAMED = 4
"""Values that a note names."""
SIGHT_SECONDS = 60
"""How long a process looks for what the leader committed, on storage that machines share."""


@dataclass(frozen=True)
class Request:
    """What is to be made, by which parameters, from which artifacts.

    An older version that is found becomes the newest once more, unless it `stays`. `notes` tell what is so of the
    parents now: they are in the outcome, whether an artifact is made or found, and not kept, since they may be mended.
    """

    kind: ArtifactKind
    stage: int
    manifest: Callable[..., Any]
    parameters: Parameters
    parents: tuple[Artifact, ...] = ()
    seeds: Mapping[str, int] | None = None
    extra: Mapping[str, Any] | None = None
    stays: bool = False
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Computed:
    """What a computation gives beside its arrays."""

    summary: Summary
    execution: Execution
    notes: tuple[str, ...] = ()


Compute: TypeAlias = Callable[[Writer], Computed | Artifact]
"""Fills a new artifact or, if one of before is what it would make, returns that."""


@dataclass(frozen=True)
class Made:
    """The outcome of a request. `artifact` is None only for a dry run of something new.

    `found_version` is that of an older version that was found and is, or in a dry run would be, the newest once more. `notes`
    are those of the request and of the manifest, and of a dataset all that was told of its source. `there` are samples of a
    source that the run had under another name: the path of the first image, from the root of the run, and its digest.
    """

    status: ArtifactStatus
    kind: ArtifactKind
    stage: int
    artifact: Artifact | None
    newest_version: int | None
    parameters: dict[str, Any]
    found_version: int | None = None
    notes: tuple[str, ...] = ()
    there: tuple[tuple[str, str], ...] = ()

    def __repr__(self) -> str:
        asked = self.kind if self.kind in WITHOUT_STAGE else f"{self.kind} of stage {stage_label(self.stage)}"
        told = f", notes: {len(self.notes)}" if self.notes else ""
        return f"<{self.status}: {asked if self.artifact is None else self.artifact.shown}{told}>"


def make_artifact(
    run: RunDirectory, request: Request, compute: Compute, *, context: Context, shared: bool = False
) -> Made:
    """Find the artifact that `request` asks for, or let `compute` fill a new version and commit it.

    An older version that is found, unless the request says that it `stays`, becomes the newest once more: commands take
    what was asked for last.

    Where torchrun started several processes all of them call this, and all have the outcome: the leader decides, computes
    and commits, and the others wait; with `shared` they compute along, each with a writer of its own. DbcError where the
    run cannot be written, where `compute` cannot read a file, or where a process is gone. Whatever fails, nothing
    half-written stays.
    """
    processes = context.processes
    # nobody may still look at a run that the leader already changes
    processes.meet()
    writers = processes if shared else OneProcess()
    if processes.rank == 0:
        outcome = _lead(run, request, compute, context, processes, writers)
    else:
        outcome = _follow(run, request, compute, processes, writers)
    processes.meet()
    return outcome


def _lead(
    run: RunDirectory, request: Request, compute: Compute, context: Context, processes: Processes, writers: Processes
) -> Made:
    run.sweep()
    directory = run.directory(request.kind, request.stage)
    key = request_key(request)
    found = _found(run, request)
    if context.tells_anew:
        _tell_anew(run, request, key, context, is_there=found is not None and not context.force)
    status: ArtifactStatus = "up to date"
    if (found is None or context.force) and context.dry_run:
        found, status = None, "would create"
    elif found is None or context.force:
        with temporary_directory(directory) as path:
            processes.from_leader({"key": key, "writes": path.name})
            found, status = _compute(run, request, compute, writer=Writer(path, writers), key=key, context=context)
        if status == "created":
            _tell_followers(run, request, found, context)
    found_version = None
    if found is not None and status in ("up to date", "identical"):
        found, found_version = _taken_again(run, request, found, context)
    versions = artifact_versions(directory)
    told = {
        "status": status,
        "version": None if found is None else found.version,
        "newest": versions[-1] if versions else None,
        "found": found_version,
    }
    processes.from_leader({"key": key, **told})
    return _outcome(request, found, told)


def _tell_anew(run: RunDirectory, request: Request, key: str, context: Context, *, is_there: bool) -> None:
    """A note if commands take another artifact of the same parents, with what that was made with and this is not.

    `is_there` says that what is asked for is there as well, from before.
    """
    taken = _taken(run, request) if request.kind in ("clusters", "features", "model") else None
    if (
        taken is None
        or taken.manifest.key == key
        or not isinstance(taken.manifest.parameters, type(request.parameters))
    ):
        return
    if [parent.id for parent in taken.manifest.parents] != [parent.manifest.id for parent in request.parents]:
        return
    before, now = taken.manifest.parameters, request.parameters
    if isinstance(before, MergeParameters) and isinstance(now, MergeParameters) and (before.ends_run or now.ends_run):
        # what ends a run stands where a longer one goes on
        return
    names = [name for name in type(now).model_fields if getattr(before, name) != getattr(now, name)]
    if not names:
        return
    if "weights" in names and "weights_digest" in names:
        names.remove("weights_digest")
    more = f" and {so_many(len(names) - MOST_NAMED, 'other value')}" if len(names) > MOST_NAMED else ""
    old, new = (", ".join(argument(name, getattr(each, name)) for name in names[:MOST_NAMED]) for each in (before, now))
    what = "models" if request.kind == "model" else request.kind
    # without the stage, so that a run says it once
    if is_there:
        told = (
            f"{what} that commands take were made with {old}{more}; those with {new}, which are there, are taken again"
        )
    else:
        told = f"{what} that are there were made with {old}{more}; all that follows is made anew with {new}"
    context.reporter.note(told)


def _follow(run: RunDirectory, request: Request, compute: Compute, processes: Processes, writers: Processes) -> Made:
    directory = run.directory(request.kind, request.stage)
    told = processes.from_leader(None)
    if told["key"] != request_key(request):
        raise DbcError(
            f"process {processes.rank} of {processes.size}: another {request.kind} is asked for here than by process 0; "
            f"start all with the same arguments, config.toml, run and release of dbc"
        )
    if "writes" in told:
        if writers.size > 1:
            with _naming_files():
                compute(Writer(directory / told["writes"], writers))
        told = processes.from_leader(None)
    found = None if told["version"] is None else _appeared(directory, told["version"], processes.rank)
    return _outcome(request, found, told)


def _appeared(directory: Path, version: int, rank: int) -> Artifact:
    """The version that the leader committed, as soon as this machine sees it; file servers take their time."""
    deadline = time.monotonic() + SIGHT_SECONDS
    while version not in artifact_versions(directory):
        if time.monotonic() > deadline:
            raise DbcError(
                f"{directory}: process {rank} does not see v{version}, which process 0 wrote; put --run on storage "
                f"that all machines share"
            )
        time.sleep(0.1)
    return open_artifact(directory, version)


def request_key(request: Request) -> str:
    """The content key of the artifact that `request` asks for."""
    return content_key(
        request.kind,
        schema_version=SCHEMA_VERSIONS[request.kind],
        parameters=request.parameters.request(),
        parent_ids=[parent.manifest.id for parent in request.parents],
    )


def require_own_dataset(run: RunDirectory, request: Request, *, context: Context, new_dataset: bool) -> None:
    """Raise UsageError if `request` asks for another dataset than a run has made stages from, without `new_dataset`.

    With it, a warning says how to go on with the stages that are there, and one that is there already is taken again.
    Without stages a note says which dataset is taken.
    """
    versions = run.versions("dataset")
    found = _found(run, request)
    if found is not None and found.version != versions[-1]:
        context.reporter.note(
            f"dataset v{found.version} is taken again, with the stages that were made from it; `dbc run --dataset "
            f"v{versions[-1]}` goes on with the one taken until now"
            if new_dataset
            else f"commands take dataset v{versions[-1]}, the newest, and not v{found.version}, which this is; `dbc run "
            f"--dataset v{found.version}` goes on with that, and `new_dataset=True` takes it from now on"
        )
    if not versions or found is not None:
        return
    there = _with_stages(run)
    if not (run.all_stages("model") or run.all_stages("features")):
        context.reporter.note(
            f"{run.root} has dataset v{there.version} already, and this is another one, which is taken from now on; "
            "`add=True` would join its pictures to those there"
        )
        return
    if not new_dataset:
        raise UsageError(
            f"{run.root} has stages made from dataset v{there.version}, and this is another dataset; give another `run`, or "
            f"begin new stages in this one with `new_dataset=True`"
        )
    context.reporter.warn(
        f"stages from now on are made from the new dataset; `dbc run --dataset v{there.version}` goes on with those before"
    )


def _with_stages(run: RunDirectory) -> Artifact:
    """The newest dataset that features were made from; the newest if there are none."""
    for dataset in every_version(run.directory("dataset", 0)):
        if RunDirectory(run.root).choose(dataset, 0).stages("features"):
            return dataset
    return run.require("dataset")


def _found(run: RunDirectory, request: Request) -> Artifact | None:
    """The newest artifact that is what `request` asks for."""
    key, there = request_key(request), every_version(run.directory(request.kind, request.stage))
    return next((artifact for artifact in there if artifact.manifest.key == key), None)


def _compute(
    run: RunDirectory, request: Request, compute: Compute, *, writer: Writer, key: str, context: Context
) -> tuple[Artifact, ArtifactStatus]:
    started = time.perf_counter()
    with _naming_files():
        computed = compute(writer)
    if isinstance(computed, Artifact):
        return computed, "up to date"
    arrays = dict(sorted(writer.arrays.items()))
    if lacking := ARRAYS.get(request.kind, frozenset()) - arrays.keys():
        raise TypeError(f"{request.kind} must have {', '.join(sorted(lacking))}, as `schemas.manifest.ARRAYS` says")
    manifest = request.manifest(
        kind=request.kind,
        schema_version=SCHEMA_VERSIONS[request.kind],
        id=artifact_id(key, arrays),
        key=key,
        parents=tuple(run.as_parent(parent) for parent in request.parents),
        command=context.command,
        parameters=request.parameters,
        seeds=dict(request.seeds or {}),
        execution=computed.execution,
        versions=dict(library_versions()),
        created=_now(),
        wall_seconds=round(time.perf_counter() - started, 3),
        notes=computed.notes,
        arrays=arrays,
        summary=computed.summary,
        **(request.extra or {}),
    )
    grown = next(
        (parent.version for parent in request.parents if parent.manifest.kind == request.kind == "dataset"), None
    )
    artifact, is_new = commit(writer, run.directory(request.kind, request.stage), manifest, after=grown)
    return artifact, "created" if is_new else "identical"


def _taken_again(run: RunDirectory, request: Request, found: Artifact, context: Context) -> tuple[Artifact, int | None]:
    """Make `found` the version that commands take; returns it and its number before. Warns and leaves it if that fails.

    Datasets stay as they are unless that is asked for: all stages would be made anew.
    """
    taken = None if request.stays else _taken(run, request)
    if taken is None or taken.manifest.id == found.manifest.id:
        return found, None
    if context.dry_run:
        return found, found.version
    said = {"created": _now(), "command": context.command or found.manifest.command}
    try:
        again = take_again(found, said=said)
    except DbcError as error:
        context.reporter.warn(f"commands go on with v{taken.version} and not with v{found.version}: {error}")
        return found, None
    _tell_followers(run, request, again, context)
    return again, found.version


def _taken(run: RunDirectory, request: Request) -> Artifact | None:
    """The version that commands take by default, if they work on the dataset of `request`."""
    own = RunDirectory(run.root)
    for parent in request.parents:
        if request.kind != "dataset" and parent.path.parent == own.directory("dataset", 0):
            own = own.choose(parent, 0)
    return own.find(request.kind, request.stage)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def _tell_followers(run: RunDirectory, request: Request, artifact: Artifact, context: Context) -> None:
    try:
        record_event(run.root, artifact, None if request.kind in WITHOUT_STAGE else request.stage)
    except OSError as error:
        context.reporter.warn(
            f"{EVENTS} has no line about {artifact.path}: {error.strerror or error}; nothing else is lost"
        )


@contextmanager
def _naming_files() -> Iterator[None]:
    """Turn an OSError about a file into a DbcError that names it."""
    try:
        yield
    except OSError as error:
        if error.filename is None:
            raise
        raise DbcError(file_problem(error)) from error


def _outcome(request: Request, artifact: Artifact | None, told: Mapping[str, Any]) -> Made:
    return Made(
        status=told["status"],
        kind=request.kind,
        stage=request.stage,
        artifact=artifact,
        newest_version=told["newest"],
        parameters=request.parameters.model_dump(mode="json", by_alias=True),
        found_version=told["found"],
        notes=(*request.notes, *(() if artifact is None else artifact.manifest.notes)),
    )
