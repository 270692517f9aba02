"""Rows that others put into the files of an array: read back by Zarr, whatever is left out, and nothing else beside."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import zarr
from google_crc32c import value as crc32c
from test_store import SUMMARY, request

from schemas.manifest import Execution
from stages.runs.context import Context
from stages.runs.making import Computed, make_artifact
from stages.runs.run_directory import RunDirectory
from stages.runs.store import Artifact, Writer, grid
from stages.runs.store.row_files import shard_index

ROW = (8, 8, 3)
ROW_BYTES = 192
RNG = np.random.default_rng(0)


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Chunks of four rows, shards of eight."""
    monkeypatch.setattr(grid, "CHUNK_BYTES", 4 * 4 * ROW_BYTES)
    monkeypatch.setattr(grid, "SHARD_BYTES", 8 * ROW_BYTES)


def written(root: Path, rows: np.ndarray, good: np.ndarray, *, step: int) -> Artifact:
    """The artifact of the good ones of `rows`, each written by its place before it is taken in `step` at a time."""

    def compute(writer: Writer) -> Computed:
        with writer.row_files("images", row_shape=ROW, max_rows=len(rows)) as files:
            for first in range(0, len(rows), step):
                some = range(first, min(first + step, len(rows)))
                for row in some:
                    place = files.place(row)
                    with place.path.open("r+b") as file:
                        file.seek(place.offset)
                        file.write(rows[row].tobytes())
                files.keep(len(some), without=[row - first for row in some if not good[row]])
        return Computed(SUMMARY, Execution(backend="test", device="cpu"))

    made = make_artifact(RunDirectory(root), request(), compute, context=Context()).artifact
    assert made is not None
    return made


def streamed(root: Path, rows: np.ndarray) -> Artifact:
    """The artifact of the same rows through Zarr's own writing."""

    def compute(writer: Writer) -> Computed:
        with writer.stream("images", row_shape=ROW, dtype="uint8", max_rows=len(rows)) as stream:
            stream.append(rows)
        return Computed(SUMMARY, Execution(backend="test", device="cpu"))

    made = make_artifact(RunDirectory(root), request(), compute, context=Context()).artifact
    assert made is not None
    return made


@pytest.mark.parametrize("n_rows", [1, 4, 5, 8, 9, 16, 21])
@pytest.mark.parametrize("left_out", ["none", "first", "last", "middle", "half", "all but one", "a whole file"])
def test_what_is_kept_reads_back_through_plain_zarr_and_has_the_id_of_a_stream(
    tmp_path: Path, n_rows: int, left_out: str
) -> None:
    rows = RNG.integers(0, 256, (n_rows, *ROW), dtype=np.uint8)
    bad = {
        "none": [],
        "first": [0],
        "last": [n_rows - 1],
        "middle": [n_rows // 2],
        "half": list(range(0, n_rows, 2)),
        "all but one": [row for row in range(n_rows) if row != n_rows // 2],
        "a whole file": list(range(8, min(16, n_rows))),
    }[left_out]
    good = ~np.isin(np.arange(n_rows), bad)
    backwards = np.arange(good.sum())[::-1]
    for step in (3, 8):
        artifact = written(tmp_path / str(step), rows, good, step=step)
        stored = zarr.open_array(artifact.path, path="images", mode="r")
        np.testing.assert_array_equal(stored[:], rows[good])
        np.testing.assert_array_equal(artifact.rows("images")[backwards], rows[good][::-1])
        assert artifact.damaged() == ()
        assert artifact.manifest.id == streamed(tmp_path / f"{step} streamed", rows[good]).manifest.id
        files = [path for path in (artifact.path / "images").rglob("*") if path.is_file() and path.name == "0"]
        assert len(files) == -(-good.sum() // (stored.shards or stored.chunks)[0])


def test_files_are_what_zarr_itself_would_have_written(tmp_path: Path) -> None:
    rows = RNG.integers(0, 256, (21, *ROW), dtype=np.uint8)
    ours = written(tmp_path, rows, np.ones(21, dtype=bool), step=7).path / "images"
    like = zarr.open_array(ours, mode="r")
    theirs = zarr.create_array(
        tmp_path / "theirs", shape=like.shape, dtype="uint8", chunks=like.chunks, shards=like.shards, compressors=None
    )
    theirs[:] = rows
    assert (tmp_path / "theirs" / "zarr.json").read_text() == (ours / "zarr.json").read_text()
    for number in range(3):
        name = Path("c") / str(number) / "0" / "0" / "0"
        assert (tmp_path / "theirs" / name).read_bytes() == (ours / name).read_bytes()


def test_nothing_kept_is_an_empty_array(tmp_path: Path) -> None:
    artifact = written(tmp_path, np.ones((20, *ROW), dtype=np.uint8), np.zeros(20, dtype=bool), step=6)
    assert artifact.read("images").shape == (0, *ROW)
    assert [path.name for path in (artifact.path / "images").rglob("*") if path.is_file()] == ["zarr.json"]


def test_a_place_tells_how_many_rows_its_file_takes(tmp_path: Path) -> None:
    with Writer(tmp_path / "group").row_files("images", row_shape=ROW, max_rows=20) as files:
        assert files.place(0) == (tmp_path / "group/images/c/0/0/0/0", 0, 8)
        assert files.place(13) == (tmp_path / "group/images/c/1/0/0/0", 5 * ROW_BYTES, 3)
        assert (tmp_path / "group/images/c/1/0/0/0").stat().st_size == 8 * ROW_BYTES


def test_rows_far_apart_are_read_while_they_are_written_and_no_chunk_between_is(tmp_path: Path) -> None:
    rows, wanted = RNG.integers(0, 256, (40, *ROW), dtype=np.uint8), np.array([0, 3, 4, 33, 38, 39])
    writer = Writer(tmp_path / "group")
    with writer.stream("images", row_shape=ROW, dtype="uint8", max_rows=len(rows)) as stream:
        stream.append(rows)
    for shard in (1, 2, 3):
        (tmp_path / f"group/images/c/{shard}/0/0/0").write_bytes(b"damaged")
    assert np.array_equal(writer.rows("images")(wanted), rows[wanted])


def test_the_checksum_is_the_published_one() -> None:
    # RFC 3720, B.4
    assert crc32c(bytes(32)) == 0x8A9136AA
    assert crc32c(b"\xff" * 32) == 0x62A8AB43
    assert crc32c(bytes(range(32))) == 0x46DD794E


def test_an_index_tells_places_lengths_and_gaps() -> None:
    index = shard_index(1, of=2, chunk_bytes=5)
    assert index[:32] == bytes(8) + b"\5" + bytes(7) + b"\xff" * 16
    assert index[32:] == crc32c(index[:32]).to_bytes(4, "little")
