"""Small arrays are the files that Zarr writes, read as Zarr reads them; whatever else lies there goes through Zarr."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import zarr
from numpy.typing import NDArray

from stages.runs.store import Writer, one_chunk
from stages.runs.store.one_chunk import OneChunk, create_array

ARRAYS = {
    "number": np.array(7),
    "flag": np.array(True),
    "scalar": np.array(2.5, dtype=np.float32),
    "kernel": np.arange(54, dtype=np.float32).reshape(2, 3, 3, 3)[:, :, ::-1],
    "half": np.ones((3, 2), dtype=np.float16),
    "swapped": np.arange(5, dtype=">f8"),
    "zeros": np.zeros(4),
}


def files_of(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def by_zarr(folder: Path, name: str, data: NDArray[np.generic]) -> None:
    create_array(folder, name, shape=data.shape, dtype=data.dtype)[...] = data


@pytest.mark.parametrize("name", ARRAYS)
def test_the_files_are_those_of_zarr_and_both_read_them(tmp_path: Path, name: str) -> None:
    data = ARRAYS[name]
    by_zarr(tmp_path, "group/by_zarr", data)
    plain = OneChunk.of(data.shape, data.dtype)
    assert plain is not None
    plain.write(tmp_path / "group" / "ours", data)
    assert files_of(tmp_path / "group" / "ours") == files_of(tmp_path / "group" / "by_zarr")
    np.testing.assert_array_equal(zarr.open_array(tmp_path, path="group/ours", mode="r")[...], data)
    found = plain.read(tmp_path / "group" / "by_zarr", data.shape, data.dtype)
    assert found is not None
    assert found.dtype == data.dtype
    assert found.flags.writeable
    np.testing.assert_array_equal(found, data)


@pytest.mark.parametrize(
    "data",
    [np.arange(3), np.array("a"), np.empty((0, 3)), np.zeros((1 << 20, 3))],
    ids=["many", "text", "none", "large"],
)
def test_what_zarr_compresses_or_cuts_is_left_to_it(data: NDArray[np.generic]) -> None:
    assert OneChunk.of(data.shape, data.dtype) is None


@pytest.mark.parametrize("damage", ["described otherwise", "cut", "lost"])
def test_a_file_that_is_another_is_left_to_zarr(tmp_path: Path, damage: str) -> None:
    data = ARRAYS["kernel"]
    by_zarr(tmp_path, "array", data)
    folder = tmp_path / "array"
    if damage == "described otherwise":
        (folder / "zarr.json").write_text((folder / "zarr.json").read_text() + "\n")
    elif damage == "cut":
        (folder / "c/0/0/0/0").write_bytes(b"123")
    else:
        (folder / "c/0/0/0/0").unlink()
    plain = OneChunk.of(data.shape, data.dtype)
    assert plain is not None
    assert plain.read(folder, data.shape, data.dtype) is None


def test_a_writer_leaves_the_first_array_of_a_group_to_zarr_and_writes_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written: list[str] = []
    plain = OneChunk.write
    monkeypatch.setattr(
        one_chunk.OneChunk, "write", lambda self, folder, data: written.append(folder.name) or plain(self, folder, data)
    )
    writer = Writer(tmp_path / "made")
    for name in ("a", "group/b", "group/c", "d"):
        writer.array(name, ARRAYS["kernel"])
    assert written == ["c", "d"]
    group = zarr.open_group(tmp_path / "made", mode="r")
    assert sorted(group.array_keys()) == ["a", "d"]
    assert sorted(group["group"].array_keys()) == ["b", "c"]
