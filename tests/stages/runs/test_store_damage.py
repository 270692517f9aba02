"""Arrays that lost a file or part of one are refused by name, never read as zeros."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import zarr
from test_store import SUMMARY, request

from schemas.manifest import Execution
from stages.errors import DbcError
from stages.runs.making import How, Produced, produce
from stages.runs.run_directory import RunDirectory
from stages.runs.store import Artifact, Writer, grid

ARRAYS = {
    "labels": np.zeros(5, dtype=np.int64),
    "pooled": np.arange(24, dtype=np.float32).reshape(6, 4),
    "path": np.array(["a.jpg", "ö.jpg", ""], dtype=object),
    "rate": np.array(0.0),
    "nothing": np.zeros((0, 4), dtype=np.float32),
}
IMAGES = np.arange(40 * 8 * 8 * 3, dtype=np.uint8).reshape(40, 8, 8, 3)
IMAGES[8:16] = 0


@pytest.fixture
def artifact(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Artifact:
    """Five shards of two chunks of four images; shard 1 is black."""
    monkeypatch.setattr(grid, "CHUNK_BYTES", 4 * 4 * 192)
    monkeypatch.setattr(grid, "SHARD_BYTES", 8 * 192)

    def compute(writer: Writer) -> Produced:
        for name, data in ARRAYS.items():
            writer.array(name, data)
        with writer.stream("images", row_shape=(8, 8, 3), dtype="uint8", max_rows=50) as stream:
            for start in range(0, 40, 7):
                stream.append(IMAGES[start : start + 7])
        return Produced(SUMMARY, Execution(backend="test", device="cpu"))

    how = How(command=("dbc", "ingest", "my photos"))
    made = produce(RunDirectory(tmp_path), request(), compute, how=how).artifact
    assert made is not None
    return made


def pieces_of(artifact: Artifact, name: str) -> list[Path]:
    return sorted(path for path in (artifact.path / name / "c").rglob("*") if path.is_file())


def one_piece(artifact: Artifact, name: str) -> Path:
    whole = artifact.path / name / "c"
    return whole if whole.is_file() else pieces_of(artifact, name)[-1]


def remove(path: Path) -> None:
    path.unlink()


def empty(path: Path) -> None:
    path.write_bytes(b"")


def halve(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def garble(path: Path) -> None:
    path.write_bytes(bytes(byte ^ 0x5A for byte in path.read_bytes()))


def test_an_intact_artifact_reads_back_whole_and_by_rows(artifact: Artifact) -> None:
    assert artifact.damaged() == ()
    for name, data in (ARRAYS | {"images": IMAGES}).items():
        np.testing.assert_array_equal(artifact.read(name), data)
    np.testing.assert_array_equal(artifact.rows("images")[np.array([39, 9, 0])], IMAGES[[39, 9, 0]])


def test_chunks_of_zeros_are_written_too(artifact: Artifact) -> None:
    assert zarr.open_array(artifact.path, path="images", mode="r").shards == (8, 8, 8, 3)
    assert len(pieces_of(artifact, "images")) == 5
    assert len(pieces_of(artifact, "labels")) == 1


@pytest.mark.parametrize("harm", [remove, empty, halve, garble])
@pytest.mark.parametrize("name", ["labels", "pooled", "path", "rate", "images"])
def test_a_harmed_array_is_refused_in_one_line_that_names_it_and_the_way_out(
    artifact: Artifact, name: str, harm: Callable[[Path], None]
) -> None:
    harm(one_piece(artifact, name))
    with pytest.raises(DbcError) as caught:
        artifact.read(name)
    told = str(caught.value)
    assert told.startswith(f"{artifact.path}: array '{name}' cannot be read (")
    assert told.endswith("remove this directory and run again: dbc ingest 'my photos'")
    assert "\n" not in told
    assert artifact.damaged() == (name,)


@pytest.mark.parametrize("index", [slice(None), slice(8, 16), np.array([12, 0, 12])])
@pytest.mark.parametrize("harm", [remove, empty, halve, garble])
def test_rows_of_a_harmed_shard_are_refused(
    artifact: Artifact, harm: Callable[[Path], None], index: slice | np.ndarray
) -> None:
    harm(pieces_of(artifact, "images")[1])
    with pytest.raises(DbcError, match="array 'images' cannot be read"):
        artifact.rows("images")[index]


def test_a_lost_shard_is_named_before_any_row_is_read(artifact: Artifact) -> None:
    pieces_of(artifact, "images")[3].unlink()
    with pytest.raises(DbcError, match=r"its file c/3/0/0/0 is missing or empty"):
        artifact.rows("images")


@pytest.mark.parametrize("text", ["", "{", "[]", "{}"])
def test_an_array_whose_description_is_damaged_is_refused(artifact: Artifact, text: str) -> None:
    (artifact.path / "pooled" / "zarr.json").write_text(text)
    with pytest.raises(DbcError, match="array 'pooled' cannot be read"):
        artifact.rows("pooled")
    assert artifact.damaged() == ("pooled",)


def test_whole_reading_notices_a_changed_value(artifact: Artifact) -> None:
    zarr.open_group(artifact.path, mode="r+")["labels"][2] = 1
    with pytest.raises(DbcError, match="its content is not what was written"):
        artifact.read("labels")
