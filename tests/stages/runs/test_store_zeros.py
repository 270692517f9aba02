"""Arrays of zeros have all their files: one that is absent was lost, whichever way an array is written."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import zarr
from test_store import SUMMARY, request

from schemas.manifest import Execution
from stages.errors import DbcError
from stages.runs.context import Context
from stages.runs.making import Computed, make_artifact
from stages.runs.run_directory import RunDirectory
from stages.runs.store import Writer, grid
from stages.runs.store.checkpoint import read_checkpoint, write_checkpoint

N, ROW = 16, (8, 8, 3)
ROW_BYTES = 192


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Chunks of four rows, shards of eight."""
    monkeypatch.setattr(grid, "CHUNK_BYTES", 4 * 4 * ROW_BYTES)
    monkeypatch.setattr(grid, "SHARD_BYTES", 8 * ROW_BYTES)


def whole(writer: Writer, rows: np.ndarray) -> None:
    writer.array("images", rows)


def streamed(writer: Writer, rows: np.ndarray) -> None:
    with writer.stream("images", row_shape=ROW, dtype="uint8", max_rows=N + 20) as stream:
        for start in range(0, N, 3):
            stream.append(rows[start : start + 3])


def in_row_files(writer: Writer, rows: np.ndarray) -> None:
    with writer.row_files("images", row_shape=ROW, max_rows=N) as files:
        for row in rows:
            place = files.place(files._n_seen)
            with place.path.open("r+b") as file:
                file.seek(place.offset)
                file.write(row.tobytes())
            files.keep(1)


def by_pieces(rows_per_piece: int) -> Callable[[Writer, np.ndarray], None]:
    def write(writer: Writer, rows: np.ndarray) -> None:
        with writer.table("images", shape=rows.shape, dtype="uint8", rows_per_piece=rows_per_piece) as table:
            for first in reversed(range(0, N, rows_per_piece)):
                table.write(first, rows[first : first + rows_per_piece])

    return write


WRITERS = {
    "whole": whole,
    "stream": streamed,
    "row files": in_row_files,
    "table": by_pieces(4),
    "table in shards": by_pieces(16),
}


@pytest.mark.parametrize("value", [0, 1])
@pytest.mark.parametrize("write", WRITERS.values(), ids=WRITERS)
def test_every_file_is_there_and_the_artifact_is_intact(
    tmp_path: Path, write: Callable[[Writer, np.ndarray], None], value: int
) -> None:
    rows = np.full((N, *ROW), value, dtype=np.uint8)

    def compute(writer: Writer) -> Computed:
        write(writer, rows)
        return Computed(SUMMARY, Execution(backend="test", device="cpu"))

    artifact = make_artifact(RunDirectory(tmp_path), request(), compute, context=Context()).artifact
    assert artifact is not None
    stored = zarr.open_array(artifact.path, path="images", mode="r")
    n_files = -(-N // (stored.shards or stored.chunks)[0])
    files = [path for path in (artifact.path / "images" / "c").rglob("*") if path.is_file()]
    assert len(files) == n_files
    assert all(path.stat().st_size for path in files)
    assert artifact.damaged() == ()
    np.testing.assert_array_equal(artifact.read("images"), rows)


@pytest.mark.parametrize("dtype", ["float32", "float64", "int64", "int32", "uint8", "bool", "object"])
@pytest.mark.parametrize("shape", [(), (3,), (100, 7)])
def test_zeros_of_every_type_are_written(tmp_path: Path, dtype: str, shape: tuple[int, ...]) -> None:
    data = np.full(shape, "" if dtype == "object" else 0, dtype=dtype)

    def compute(writer: Writer) -> Computed:
        writer.array("pid", data)
        return Computed(SUMMARY, Execution(backend="test", device="cpu"))

    artifact = make_artifact(RunDirectory(tmp_path), request(), compute, context=Context()).artifact
    assert artifact is not None
    np.testing.assert_array_equal(artifact.read("pid"), data)


def test_a_checkpoint_of_zeros_is_taken_up(tmp_path: Path) -> None:
    write_checkpoint(tmp_path, "a" * 64, 3, {"memory": np.zeros((500, 40), dtype=np.float32)}, about={})
    found = read_checkpoint(tmp_path, "a" * 64)
    assert found is not None
    assert not found.arrays["memory"].any()
    (chunks,) = tmp_path.glob(".checkpoint-*/float32/c")
    assert len(list(chunks.iterdir())) > 1


def test_a_file_that_zarr_leaves_out_ends_the_writing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # as it did where the configuration was ignored
    monkeypatch.setattr("stages.runs.store.one_chunk.WRITE_ZEROS", {"write_empty_chunks": False})
    with pytest.raises(DbcError, match="Zarr did not write images/c/0"):
        make_artifact(
            RunDirectory(tmp_path), request(), lambda writer: whole(writer, np.zeros((N, *ROW))), context=Context()
        )  # type: ignore[arg-type,return-value]
    assert not (tmp_path / "dataset").exists()
