"""Artifacts appear whole or not at all, whoever else writes and whenever the writer dies."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import zarr

from schemas.manifest import ATTRIBUTE, DatasetManifest, Execution
from schemas.parameters import IngestParameters
from schemas.summaries import DatasetSummary
from stages.errors import DbcError
from stages.runs.context import Context
from stages.runs.making import Computed, Request, make_artifact
from stages.runs.run_directory import RunDirectory
from stages.runs.store import (
    CHUNK_BYTES,
    SHARD_BYTES,
    TEMPORARY_PREFIX,
    Writer,
    chunk_grid,
    open_artifact,
    remove_stale,
    temporary_directory,
)
from stages.runs.store.artifact import CHECKSUMS
from stages.runs.store.root import read_root, write_root

SUMMARY = DatasetSummary(
    n_images=3, n_samples=3, n_train=3, n_query=0, n_gallery=0, n_identities=0, n_cameras=0, height=8, width=8
)


def request(seed: int = 0) -> Request:
    return Request(
        kind="dataset",
        stage=0,
        manifest=DatasetManifest,
        parameters=IngestParameters(seed=seed),
        seeds={"order": seed},
    )


def fill(writer: Writer) -> Computed:
    writer.array("pid", np.array([3, 1, 2], dtype=np.int32))
    writer.array("path", np.array(["a.jpg", "ö.jpg", ""], dtype=object))
    with writer.stream("images", row_shape=(8, 8, 3), dtype="uint8", max_rows=5) as stream:
        stream.append(np.full((2, 8, 8, 3), 7, dtype=np.uint8))
        stream.append(np.full((1, 8, 8, 3), 9, dtype=np.uint8))
    return Computed(SUMMARY, Execution(backend="test", device="cpu"))


def files_under(root: Path) -> set[str]:
    return {path.relative_to(root).as_posix() for path in root.rglob("*")}


def test_what_was_written_reads_back_through_plain_zarr(tmp_path: Path) -> None:
    outcome = make_artifact(RunDirectory(tmp_path), request(), fill, context=Context())
    assert outcome.artifact is not None
    group = zarr.open_group(tmp_path / "dataset" / "v1.zarr", mode="r")
    np.testing.assert_array_equal(group["pid"][:], [3, 1, 2])
    assert list(group["path"][:]) == ["a.jpg", "ö.jpg", ""]
    assert group["images"].shape == (3, 8, 8, 3)
    assert group["images"][2].max() == 9
    assert group.metadata.zarr_format == 3
    assert group.attrs["dbc"]["kind"] == "dataset"
    assert outcome.artifact.damaged() == ()


def test_the_same_request_is_up_to_date_and_writes_nothing(tmp_path: Path) -> None:
    run = RunDirectory(tmp_path)
    first = make_artifact(run, request(), fill, context=Context())
    before = files_under(tmp_path)
    again = make_artifact(run, request(), fill, context=Context())
    assert again.status == "up to date"
    assert again.artifact is not None
    assert first.artifact is not None
    assert again.artifact.manifest == first.artifact.manifest
    assert files_under(tmp_path) == before


def test_notes_on_parents_are_of_now_and_not_kept(tmp_path: Path) -> None:
    run, asked = RunDirectory(tmp_path), request()
    first = make_artifact(run, replace(asked, notes=("mixed",)), fill, context=Context())
    assert first.artifact is not None
    assert (first.artifact.manifest.notes, first.notes) == ((), ("mixed",))
    for force in (False, True):
        again = make_artifact(run, replace(asked, notes=("other",)), fill, context=Context(force=force))
        assert (again.artifact, again.notes) == (first.artifact, ("other",))
    assert make_artifact(run, asked, fill, context=Context()).notes == ()


def test_other_parameters_make_a_new_version_beside_the_old(tmp_path: Path) -> None:
    run = RunDirectory(tmp_path)
    make_artifact(run, request(seed=0), fill, context=Context())
    outcome = make_artifact(run, request(seed=1), fill, context=Context())
    assert outcome.status == "created"
    assert run.versions("dataset") == [1, 2]
    back = make_artifact(run, request(seed=0), fill, context=Context())
    assert (back.status, back.found_version, back.newest_version) == ("up to date", 1, 3)


def test_force_computes_again_and_keeps_one_of_two_identical_versions(tmp_path: Path) -> None:
    run = RunDirectory(tmp_path)
    make_artifact(run, request(), fill, context=Context())
    assert make_artifact(run, request(), fill, context=Context(force=True)).status == "identical"
    assert run.versions("dataset") == [1]


def test_ids_are_the_same_in_another_directory(tmp_path: Path) -> None:
    ids = {
        make_artifact(RunDirectory(tmp_path / name), request(), fill, context=Context()).artifact.manifest.id  # type: ignore[union-attr]
        for name in ("a", "b")
    }
    assert len(ids) == 1


def test_a_dry_run_writes_nothing(tmp_path: Path) -> None:
    outcome = make_artifact(RunDirectory(tmp_path / "run"), request(), fill, context=Context(dry_run=True))
    assert outcome.status == "would create"
    assert not (tmp_path / "run").exists()


def test_a_computation_that_fails_leaves_nothing(tmp_path: Path) -> None:
    def fail(writer: Writer) -> Computed:
        fill(writer)
        raise DbcError("no")

    with pytest.raises(DbcError, match="no"):
        make_artifact(RunDirectory(tmp_path / "run"), request(), fail, context=Context())
    assert not (tmp_path / "run").exists()


def test_a_manifest_of_a_newer_version_is_refused(tmp_path: Path) -> None:
    make_artifact(RunDirectory(tmp_path), request(), fill, context=Context())
    path = tmp_path / "dataset" / "v1.zarr"
    attributes, _ = read_root(path, known=frozenset({ATTRIBUTE, CHECKSUMS}))
    attributes[ATTRIBUTE]["schema_version"] = 99
    write_root(path, attributes)
    with pytest.raises(DbcError, match=r"schema version 99 found, this release reads up to 1: upgrade dbc-reid$"):
        open_artifact(tmp_path / "dataset", 1)


def test_a_root_is_checked_once_and_again_when_a_byte_of_it_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_artifact(RunDirectory(tmp_path), request(), fill, context=Context())
    opened = open_artifact(tmp_path / "dataset", 1)
    with monkeypatch.context() as patched:
        patched.setattr("stages.runs.store.artifact.parse_manifest", None)
        assert open_artifact(tmp_path / "dataset", 1) == opened
    root = tmp_path / "dataset" / "v1.zarr" / "zarr.json"
    content = root.read_bytes()
    for changed in (content.replace(b'"key": "', b'"key": "0', 1), content[:-1]):
        root.write_bytes(changed)
        with pytest.raises(DbcError, match="is not a readable artifact"):
            open_artifact(tmp_path / "dataset", 1)
    root.write_bytes(content)
    assert open_artifact(tmp_path / "dataset", 1) == opened


def test_a_group_without_a_manifest_is_no_artifact(tmp_path: Path) -> None:
    zarr.create_group(tmp_path / "dataset" / "v1.zarr")
    with pytest.raises(DbcError, match="holds no manifest"):
        open_artifact(tmp_path / "dataset", 1)


def test_a_changed_array_is_found_by_its_digest(tmp_path: Path) -> None:
    outcome = make_artifact(RunDirectory(tmp_path), request(), fill, context=Context())
    group = zarr.open_group(tmp_path / "dataset" / "v1.zarr", mode="r+")
    group["pid"][0] = 8
    assert outcome.artifact is not None
    assert outcome.artifact.damaged() == ("pid",)


def test_rows_come_in_the_order_asked_for(tmp_path: Path) -> None:
    run = RunDirectory(tmp_path)
    data = np.arange(200 * 8 * 8 * 3, dtype=np.uint8).reshape(200, 8, 8, 3)

    def compute(writer: Writer) -> Computed:
        with writer.stream("images", row_shape=(8, 8, 3), dtype="uint8", max_rows=200) as stream:
            for start in range(0, 200, 37):
                stream.append(data[start : start + 37])
        return Computed(SUMMARY, Execution(backend="test", device="cpu"))

    artifact = make_artifact(run, request(), compute, context=Context()).artifact
    assert artifact is not None
    rows = artifact.rows("images")
    index = np.array([5, 199, 0, 5, 100])
    np.testing.assert_array_equal(rows[index], data[index])
    np.testing.assert_array_equal(rows[10:20], data[10:20])
    assert artifact.damaged() == ()


@pytest.mark.parametrize("shape", [(12936, 256, 128, 3), (10, 256, 128, 3), (40000, 2048), (3, 0), (0, 4), (7,), ()])
def test_chunks_are_of_1_to_16_mb_and_shards_hold_whole_chunks(shape: tuple[int, ...]) -> None:
    chunks, shards = chunk_grid(shape, item_bytes=1)
    assert len(chunks) == len(shape)
    n_bytes = int(np.prod(chunks)) if chunks else 1
    assert n_bytes <= 16 << 20
    if shards is not None:
        assert n_bytes >= CHUNK_BYTES // 8
        assert shards[0] % chunks[0] == 0
        assert np.prod(shards) <= SHARD_BYTES


def test_a_live_writer_is_left_alone_and_a_dead_one_removed(tmp_path: Path) -> None:
    directory = tmp_path / "dataset"
    with temporary_directory(directory) as path:
        assert remove_stale(directory) == 0
        assert path.is_dir()
    (directory / f"{TEMPORARY_PREFIX}0123").mkdir(parents=True)
    assert remove_stale(directory) == 1
    assert list(directory.iterdir()) == []


WRITER = """
import sys, time
from dataclasses import replace
from pathlib import Path
sys.path.insert(0, {tests!r})
from test_store import fill, request
from stages.runs import making
from stages.runs.context import Context
from stages.runs.run_directory import RunDirectory

making.ARRAYS = {{}}

def slow(writer):
    produced = fill(writer)
    print("filled", flush=True)
    time.sleep({seconds})
    return produced

print(making.make_artifact(RunDirectory(Path(sys.argv[1])), request(), slow, context=Context()).status, flush=True)
"""


def start_writer(root: Path, *, seconds: float) -> subprocess.Popen[str]:
    code = WRITER.format(tests=str(Path(__file__).parent), seconds=seconds)
    return subprocess.Popen([sys.executable, "-c", code, str(root)], stdout=subprocess.PIPE, text=True)


def test_a_killed_writer_leaves_the_run_as_it_was_and_the_next_call_cleans_up(tmp_path: Path) -> None:
    process = start_writer(tmp_path, seconds=60)
    assert process.stdout is not None
    assert process.stdout.readline() == "filled\n"
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()
    assert len(list((tmp_path / "dataset").iterdir())) == 1
    assert RunDirectory(tmp_path).find("dataset") is None
    make_artifact(RunDirectory(tmp_path), request(), fill, context=Context())
    assert [path.name for path in (tmp_path / "dataset").iterdir()] == ["v1.zarr"]


def test_two_writers_of_the_same_artifact_at_once_agree_on_one_version(tmp_path: Path) -> None:
    processes = [start_writer(tmp_path, seconds=0.5) for _ in range(2)]
    told = [process.communicate(timeout=60)[0].split() for process in processes]
    assert sorted(words[-1] for words in told) in (["created", "identical"], ["created", "date"])
    assert [path.name for path in (tmp_path / "dataset").iterdir()] == ["v1.zarr"]
    artifact = RunDirectory(tmp_path).find("dataset")
    assert artifact is not None
    assert artifact.damaged() == ()


def test_a_lock_does_not_outlive_its_process(tmp_path: Path) -> None:
    child = os.fork()
    if child == 0:
        with temporary_directory(tmp_path / "dataset"):
            os._exit(0)
    os.waitpid(child, 0)
    deadline = time.monotonic() + 5
    while remove_stale(tmp_path / "dataset") == 0 and time.monotonic() < deadline:
        time.sleep(0.01)
    assert list((tmp_path / "dataset").iterdir()) == []
