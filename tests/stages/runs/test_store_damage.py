"""Arrays that lost a file or part of one are refused by name, never read as zeros."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import zarr
from test_store import SUMMARY
from test_store import request as dataset_request

from schemas.manifest import Execution
from stages.errors import DbcError, UsageError
from stages.runs.context import Context
from stages.runs.listing import check
from stages.runs.making import Computed, make_artifact
from stages.runs.run_directory import RunDirectory
from stages.runs.store import Artifact, Writer, grid, open_artifact

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

    def compute(writer: Writer) -> Computed:
        for name, data in ARRAYS.items():
            writer.array(name, data)
        with writer.stream("images", row_shape=(8, 8, 3), dtype="uint8", max_rows=50) as stream:
            for start in range(0, 40, 7):
                stream.append(IMAGES[start : start + 7])
        return Computed(SUMMARY, Execution(backend="test", device="cpu"))

    context = Context(command=("dbc", "ingest", "my photos"))
    made = make_artifact(RunDirectory(tmp_path), dataset_request(), compute, context=context).artifact
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


@pytest.mark.parametrize("read", [Artifact.read, Artifact.rows])
def test_an_array_that_was_never_there_is_a_slip_and_no_damage(
    artifact: Artifact, read: Callable[[Artifact, str], object]
) -> None:
    with pytest.raises(UsageError) as caught:
        read(artifact, "label")
    told = str(caught.value)
    assert "has no array 'label', it has images, labels, nothing, path, pooled, rate;" in told
    assert "remove" not in told


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


def by_stream(writer: Writer) -> None:
    with writer.stream("images", row_shape=(8, 8, 3), dtype="uint8", max_rows=50) as stream:
        stream.append(IMAGES[:17])
        stream.append(IMAGES[17:])


def by_row_files(writer: Writer) -> None:
    with writer.row_files("images", row_shape=(8, 8, 3), max_rows=42) as files:
        # two more, which are dropped
        for row, image in enumerate([IMAGES[0], *IMAGES, IMAGES[1]]):
            place = files.place(row)
            with place.path.open("r+b") as file:
                file.seek(place.offset)
                file.write(image.tobytes())
            files.keep(1, without=[0] if row in (0, 41) else [])


@pytest.fixture(params=[by_stream, by_row_files], ids=["stream", "row files"])
def images(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Artifact:
    """Images in shards of two chunks of four, but the last of one, by each way of writing them."""
    monkeypatch.setattr(grid, "CHUNK_BYTES", 4 * 4 * 192)
    monkeypatch.setattr(grid, "SHARD_BYTES", 8 * 192)

    def compute(writer: Writer) -> Computed:
        request.param(writer)
        return Computed(SUMMARY, Execution(backend="test", device="cpu"))

    made = make_artifact(RunDirectory(tmp_path), dataset_request(), compute, context=Context()).artifact
    assert made is not None
    return made


def test_every_changed_byte_of_images_is_named_before_a_row_of_its_chunk_is_used(images: Artifact) -> None:
    np.testing.assert_array_equal(images.rows("images")[:], IMAGES)
    files = [*pieces_of(images, "images"), images.path / "images" / "zarr.json"]
    generator = np.random.default_rng(0)
    n_named = n_tried = 0
    for file in files:
        whole = file.read_bytes()
        content = bytearray(whole)
        for place in generator.choice(len(content), 6):
            content[place] ^= 1 << int(generator.integers(8))
            file.write_bytes(content)
            n_tried += 1
            n_named += _is_named(images, "images")
            content = bytearray(whole)
        file.write_bytes(whole)
    # what is not named is padding, or words of a description that say the same
    assert n_named > 0.6 * n_tried


def _is_named(artifact: Artifact, name: str) -> bool:
    try:
        rows = artifact.rows(name)
        every = [rows[np.array([first])] for first in range(len(IMAGES))]
    except DbcError as error:
        return "array 'images' cannot be read" in str(error)
    np.testing.assert_array_equal(np.concatenate(every), IMAGES)
    return False


@pytest.mark.parametrize("index", [slice(0, 1), slice(3, 9), slice(39, 40), slice(5, 5), slice(None, None, 3)])
def test_slices_are_rows_of_checked_chunks(images: Artifact, index: slice) -> None:
    np.testing.assert_array_equal(images.rows("images")[index], IMAGES[index])


def test_files_of_an_array_that_change_places_are_named(images: Artifact) -> None:
    first, second = pieces_of(images, "images")[:2]
    first.rename(first.with_name("aside"))
    second.rename(first)
    first.with_name("aside").rename(second)
    with pytest.raises(DbcError, match="rows 0 to 3 are not what was written"):
        images.rows("images")[:1]
    assert images.damaged() == ("images",)


def test_images_of_another_data_set_in_their_place_are_named(images: Artifact, tmp_path: Path) -> None:
    def compute(writer: Writer) -> Computed:
        with writer.stream("images", row_shape=(8, 8, 3), dtype="uint8", max_rows=50) as stream:
            stream.append(IMAGES[::-1])
        return Computed(SUMMARY, Execution(backend="test", device="cpu"))

    other = make_artifact(RunDirectory(tmp_path), dataset_request(seed=1), compute, context=Context()).artifact
    assert other is not None
    shutil.rmtree(images.path / "images")
    shutil.copytree(other.path / "images", images.path / "images")
    with pytest.raises(DbcError, match="array 'images' cannot be read"):
        images.rows("images")[:1]


@pytest.mark.parametrize("code", [errno.EACCES, errno.EIO, errno.EMFILE])
def test_what_cannot_be_read_for_now_is_not_called_damaged(
    artifact: Artifact, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(code, os.strerror(code), "c/0")

    monkeypatch.setattr("zarr.open_array", refuse)
    with pytest.raises(DbcError) as caught:
        artifact.read("labels")
    checked = check(RunDirectory(artifact.path.parents[1]), artifact)
    assert checked.damaged == ()
    for told in (str(caught.value), *checked.problems):
        assert os.strerror(code) in told
        assert "remove" not in told
    assert len(checked.problems) == 1


def test_a_folder_without_a_root_is_told_with_a_way_out(tmp_path: Path) -> None:
    (tmp_path / "features" / "v2.zarr").mkdir(parents=True)
    with pytest.raises(
        DbcError, match=r"v2.zarr has no zarr.json, so it is no artifact: .*; copy it again, or move it away"
    ):
        open_artifact(tmp_path / "features", 2)
    with pytest.raises(DbcError, match=r"v3.zarr/zarr.json: No such file"):
        open_artifact(tmp_path / "features", 3)
