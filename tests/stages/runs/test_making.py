"""What goes wrong while an artifact is made is told by its cause; what is there already is not made twice."""

from __future__ import annotations

import errno
import json
import resource
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from test_run_directory import EXECUTION, FEATURES, dataset, features
from test_store import SUMMARY, fill, request

from schemas.manifest import Execution, FeaturesManifest
from schemas.parameters import ExtractParameters
from stages.errors import DbcError
from stages.processes import OneProcess
from stages.reporting import Silent
from stages.runs.context import Context
from stages.runs.events import EVENTS
from stages.runs.making import Computed, Made, Request, make_artifact, require_own_dataset
from stages.runs.run_directory import RunDirectory
from stages.runs.store import Artifact, Writer, open_artifact
from stages.runs.store.digests import library_versions

PRODUCED = Computed(SUMMARY, Execution(backend="test", device="cpu"))


@contextmanager
def files_of_at_most(n_bytes: int) -> Iterator[None]:
    """The system refuses to write larger files, as it does on a full disk; Python ignores the signal that comes along."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (n_bytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def write_whole(writer: Writer) -> Computed:
    writer.array("pooled", np.ones((1000, 100), dtype=np.float32))
    return PRODUCED


def write_rows(writer: Writer) -> Computed:
    with writer.stream("pooled", row_shape=(100,), dtype="float32", max_rows=1000) as stream:
        stream.append(np.ones((1000, 100), dtype=np.float32))
    return PRODUCED


@pytest.mark.parametrize("compute", [write_whole, write_rows])
def test_a_write_that_the_system_refuses_is_told_in_one_line_and_leaves_nothing(
    tmp_path: Path, compute: Callable[[Writer], Computed]
) -> None:
    with files_of_at_most(20_000), pytest.raises(DbcError, match="dataset cannot be written: File too large") as caught:
        make_artifact(RunDirectory(tmp_path / "run"), request(), compute, context=Context())
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "run").exists()


def test_a_refused_commit_is_told_as_a_write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(path: Path, target: Path) -> Path:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "rename", full)
    with pytest.raises(DbcError, match="cannot be written: No space left on device; free space"):
        make_artifact(RunDirectory(tmp_path / "run"), request(), fill, context=Context())
    assert not (tmp_path / "run").exists()


def test_a_place_that_cannot_hold_a_run_is_told_in_one_line(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("not a folder")
    with pytest.raises(DbcError, match="`run` must be a folder, got the file"):
        make_artifact(RunDirectory(blocked), request(), fill, context=Context())


def test_a_file_that_cannot_be_read_is_named_and_not_taken_for_a_write(tmp_path: Path) -> None:
    source = tmp_path / "photos" / "1.jpg"

    def compute(writer: Writer) -> Computed:
        fill(writer)
        source.read_bytes()
        return PRODUCED

    with pytest.raises(DbcError) as caught:
        make_artifact(RunDirectory(tmp_path / "run"), request(), compute, context=Context())
    told = str(caught.value)
    assert told.startswith(f"{source}: No such file or directory; ")
    assert "free space" not in told
    assert not (tmp_path / "run").exists()


def test_an_error_about_no_file_is_not_given_a_cause_it_may_not_have(tmp_path: Path) -> None:
    def compute(writer: Writer) -> Computed:
        raise TimeoutError(errno.ETIMEDOUT, "Connection timed out")

    with pytest.raises(TimeoutError):
        make_artifact(RunDirectory(tmp_path / "run"), request(), compute, context=Context())
    assert not (tmp_path / "run").exists()


def test_content_that_any_version_has_is_not_added_again(tmp_path: Path) -> None:
    run = RunDirectory(tmp_path)
    first = make_artifact(run, request(seed=0), fill, context=Context())
    make_artifact(run, request(seed=1), fill, context=Context())
    again = make_artifact(run, replace(request(seed=0), stays=True), fill, context=Context(force=True))
    assert (again.status, again.artifact, again.newest_version) == ("identical", first.artifact, 2)
    assert run.versions("dataset") == [1, 2]


class Beside(OneProcess):
    """One of two processes; what the first tells is kept for the other."""

    size = 2

    def __init__(self, rank: int, told: list[Any]) -> None:
        self.rank, self._told = rank, told

    def from_leader(self, value: Any) -> Any:
        if self.rank > 0:
            return self._told.pop(0)
        self._told.append(value)
        return value


class Warned(Silent):
    """Keeps notes and warnings."""

    def __init__(self) -> None:
        self.told: list[str] = []

    def note(self, message: str) -> None:
        self.told.append(message)

    warn = note


def test_what_else_is_made_with_is_told_once_where_parents_are_the_same(tmp_path: Path) -> None:
    run, reporter = RunDirectory(tmp_path), Warned()
    root, context = dataset(run, 0), Context(tells_anew=True, dry_run=True, reporter=reporter)
    first = features(run, 0, 0.0, root)

    def ask(parameters: ExtractParameters, *parents: Artifact) -> None:
        request = Request("features", 0, FeaturesManifest, parameters, parents)
        make_artifact(run, request, lambda _: Computed(FEATURES, EXECUTION), context=context)

    ask(ExtractParameters(), root)
    ask(ExtractParameters(flip=True), first)
    assert reporter.told == []
    ask(ExtractParameters(flip=True), root)
    assert reporter.told == [
        "features that are there were made with `flip=False`; all that follows is made anew with `flip=True`"
    ]
    features(run, 0, 1.0, root, flip=True)
    reporter.told.clear()
    ask(ExtractParameters(), root)
    assert reporter.told == [
        "features that commands take were made with `flip=True`; those with `flip=False`, which are there, are taken again"
    ]


def test_a_dataset_stays_what_it_was_and_that_is_told(tmp_path: Path) -> None:
    run, reporter = RunDirectory(tmp_path), Warned()
    for seed in (0, 1):
        dataset(run, seed)
        require_own_dataset(run, request(seed=seed), context=Context(reporter=reporter), new_dataset=False)
    assert reporter.told == []
    require_own_dataset(run, request(seed=0), context=Context(reporter=reporter), new_dataset=False)
    assert reporter.told == [
        "commands take dataset v2, the newest, and not v1, which this is; `dbc run --dataset v1` goes on with that, and "
        "`new_dataset=True` takes it from now on"
    ]
    stays = replace(request(seed=0), stays=True)
    assert make_artifact(run, stays, fill, context=Context()).found_version is None
    reporter.told.clear()
    require_own_dataset(run, request(seed=0), context=Context(reporter=reporter), new_dataset=True)
    assert reporter.told == [
        "dataset v1 is taken again, with the stages that were made from it; `dbc run --dataset v2` goes on with the one taken "
        "until now"
    ]


def test_what_was_asked_for_last_is_what_commands_take(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run, reporter = RunDirectory(tmp_path), Warned()
    parents = [dataset(run, 0), dataset(run, 1)]

    def asked(size: int, parent: int = 0, **context: Any) -> Made:
        request = Request("features", 0, FeaturesManifest, ExtractParameters(batch_size=size), (parents[parent],))
        return make_artifact(run, request, compute, context=Context(reporter=reporter, **context))

    def compute(writer: Writer) -> Computed:
        return replace(write_whole(writer), summary=FEATURES)

    first, second, other = asked(1), asked(2), asked(3, 1)
    assert [made.newest_version for made in (first, second, other)] == [1, 2, 3]
    dry = asked(1, dry_run=True)
    assert (dry.status, dry.found_version, dry.newest_version) == ("up to date", 1, 3)
    again = asked(1, command=("dbc", "extract"))
    assert (again.status, again.found_version, again.newest_version) == ("up to date", 1, 4)
    before, now = first.artifact, again.artifact
    assert before is not None
    assert now is not None
    assert (now.version, now.manifest.id, now.manifest.command) == (4, before.manifest.id, ("dbc", "extract"))
    assert now.manifest.created >= other.artifact.manifest.created >= before.manifest.created  # type: ignore[union-attr]
    assert open_artifact(before.path.parent, 1) == before
    assert not now.damaged()
    linked = [path.stat().st_nlink for path in (now.path / "pooled").rglob("*") if path.is_file()]
    assert linked
    assert set(linked) == {2}
    assert json.loads((tmp_path / EVENTS).read_text().splitlines()[-1])["artifact"].endswith("v4.zarr")
    # the newest of its dataset is taken already, and so is what was taken again
    for one, version in ((asked(3, 1), 3), (asked(1), 4), (asked(1, force=True), 4)):
        assert (one.found_version, one.artifact.version) == (None, version)  # type: ignore[union-attr]
    assert asked(2, force=True).found_version == 2
    told: list[Any] = []
    for rank in (0, 1):
        with monkeypatch.context() as patch:
            patch.setattr("stages.runs.context.all_processes", lambda rank=rank: Beside(rank, told))
            one = asked(1)
        assert (one.status, one.found_version, one.artifact.version) == ("up to date", 4, 6)  # type: ignore[union-attr]
    assert asked(2).found_version == 5
    monkeypatch.setattr(Path, "rename", refuse)
    assert asked(1).artifact.version == 6  # type: ignore[union-attr]
    assert "commands go on with v7 and not with v6" in reporter.told[-1]
    assert run.versions("features", 0) == [1, 2, 3, 4, 5, 6, 7]


def refuse(source: Path, target: Path) -> None:
    raise PermissionError(errno.EACCES, "Permission denied", str(target))


def test_libraries_that_decide_results_are_recorded() -> None:
    found = library_versions()
    assert {"numpy", "numba", "array-api-compat", "torch", "zarr"} <= set(found)
