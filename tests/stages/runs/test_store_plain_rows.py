"""Rows read from their files as they lie there, beside Zarr's reading of the same arrays."""

from pathlib import Path
from threading import Thread
from types import SimpleNamespace

import numpy as np
import pytest
import zarr

from stages.errors import DbcError
from stages.runs.store.artifact import Rows
from stages.runs.store.plain_rows import PlainRows

N, SHAPE = 23, (3, 2)


def stored(folder: Path, *, chunks: int, shards: int | None, dtype: str = "uint8", **options: object) -> tuple:
    generator = np.random.default_rng(0)
    rows = generator.integers(0, 200, (N, *SHAPE)).astype(dtype)
    array = zarr.create_array(
        folder / "a.zarr",
        shape=rows.shape,
        dtype=dtype,
        chunks=(chunks, *SHAPE),
        shards=None if shards is None else (shards, *SHAPE),
        **{"compressors": None, **options},
    )
    array[...] = rows
    return zarr.open_array(folder / "a.zarr", mode="r"), rows


@pytest.mark.parametrize(("chunks", "shards"), [(4, None), (23, None), (4, 8), (2, 24), (1, 5)])
@pytest.mark.parametrize("dtype", ["uint8", "float32", "int64"])
def test_rows_are_those_that_zarr_reads(tmp_path: Path, chunks: int, shards: int | None, dtype: str) -> None:
    array, rows = stored(tmp_path, chunks=chunks, shards=shards, dtype=dtype)
    plain = PlainRows.of(array, tmp_path / "a.zarr")
    assert plain is not None
    for first in range(-(-N // chunks)):
        for stop in range(first * chunks + 1, N + 1):
            np.testing.assert_array_equal(plain.read(first, stop - first * chunks), rows[first * chunks : stop])


def test_chunks_that_zarr_wrote_out_of_order_are_found_by_the_index(tmp_path: Path) -> None:
    array, rows = stored(tmp_path, chunks=2, shards=12)
    zarr.open_array(tmp_path / "a.zarr", mode="r+")[2:6] = rows[4:8]
    expected = rows.copy()
    expected[2:6] = rows[4:8]
    plain = PlainRows.of(array, tmp_path / "a.zarr")
    assert plain is not None
    np.testing.assert_array_equal(plain.read(0, N), expected)


def test_arrays_that_are_compressed_or_cut_across_are_left_to_zarr(tmp_path: Path) -> None:
    for number, options in enumerate(
        ({"compressors": "auto"}, {"chunks": (4, 1, 2)}, {"dtype": ">f4"}, {"shape": (0, 3)})
    ):
        given = {"shape": (8, 3, 2), "chunks": (4, 3, 2), "dtype": "uint8", "compressors": None, **options}
        if given["shape"] == (0, 3):
            given["chunks"] = (4, 3)
        array = zarr.create_array(tmp_path / f"{number}.zarr", **given)
        assert PlainRows.of(array, tmp_path / f"{number}.zarr") is None


@pytest.mark.parametrize("shards", [None, 8])
def test_a_file_that_was_cut_is_named(tmp_path: Path, shards: int | None) -> None:
    array, _ = stored(tmp_path, chunks=4, shards=shards)
    artifact = SimpleNamespace(path=tmp_path, checksums={}, manifest=SimpleNamespace(command=("dbc", "ingest")))
    rows = Rows(array, artifact=artifact, name="a.zarr")
    for path in (tmp_path / "a.zarr" / "c").rglob("*"):
        if path.is_file():
            path.write_bytes(path.read_bytes()[:-5])
    with pytest.raises(DbcError, match=r"array 'a\.zarr' cannot be read"):
        rows[:]


def test_threads_read_one_array_at_once(tmp_path: Path) -> None:
    array, rows = stored(tmp_path, chunks=2, shards=6)
    plain = PlainRows.of(array, tmp_path / "a.zarr")
    assert plain is not None
    wrong = []

    def read() -> None:
        for first in range(0, 12, 2):
            if not np.array_equal(plain.read(first, 3), rows[2 * first : 2 * first + 3][:3]):
                wrong.append(first)

    threads = [Thread(target=read) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
