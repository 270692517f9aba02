"""Checkpoints are whole or not there, belong to one request, and go when nobody needs them."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from stages.errors import DbcError
from stages.runs.store import artifact_versions, remove_stale
from stages.runs.store.checkpoint import KEYS_KEPT, read_checkpoint, remove_checkpoints, write_checkpoint

KEY, OTHER = "a" * 64, "b" * 64
ARRAYS = {
    "weights": np.arange(12, dtype=np.float32).reshape(3, 4) / 7,
    "count": np.array(3, dtype=np.int64),
    "state": np.arange(5, dtype=np.uint8),
    "more": np.full((2, 1, 2), -np.float32(0)),
    "none": np.zeros((0, 2), dtype=np.float32),
}


def write(directory: Path, step: int, *, key: str = KEY, shift: float = 0) -> None:
    arrays = {**ARRAYS, "weights": ARRAYS["weights"] + np.float32(shift)}
    write_checkpoint(directory, key, step, arrays, about={"torch": "9"})


def names(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.iterdir())


def test_every_array_comes_back_to_the_last_bit(tmp_path: Path) -> None:
    write(tmp_path, 7)
    found = read_checkpoint(tmp_path, KEY)
    assert found is not None
    assert (found.step, found.about) == (7, {"torch": "9"})
    assert found.arrays.keys() == ARRAYS.keys()
    for name, array in ARRAYS.items():
        assert (found.arrays[name].dtype, found.arrays[name].shape) == (array.dtype, array.shape)
        assert found.arrays[name].tobytes() == array.tobytes()


def test_a_later_state_takes_the_place_of_an_earlier_one_and_neither_is_an_artifact(tmp_path: Path) -> None:
    write(tmp_path, 7)
    write(tmp_path, 8, shift=1)
    found = read_checkpoint(tmp_path, KEY)
    assert found is not None
    assert found.step == 8
    np.testing.assert_array_equal(found.arrays["weights"], ARRAYS["weights"] + np.float32(1))
    assert names(tmp_path) == [f".checkpoint-{'a' * 16}-000000008.zarr"]
    assert artifact_versions(tmp_path) == []
    assert remove_stale(tmp_path) == 0


def test_the_same_step_may_be_kept_twice(tmp_path: Path) -> None:
    write(tmp_path, 7)
    write(tmp_path, 7)
    assert len(names(tmp_path)) == 1


def test_a_damaged_one_of_the_same_step_makes_place(tmp_path: Path) -> None:
    write(tmp_path, 9)
    next((tmp_path / names(tmp_path)[0] / "float32" / "c").rglob("0")).write_bytes(b"")
    write(tmp_path, 8)
    write(tmp_path, 9, shift=1)
    found = read_checkpoint(tmp_path, KEY)
    assert found is not None
    assert found.step == 9
    np.testing.assert_array_equal(found.arrays["weights"], ARRAYS["weights"] + np.float32(1))


def test_a_checkpoint_of_another_request_is_never_taken(tmp_path: Path) -> None:
    write(tmp_path, 7)
    assert read_checkpoint(tmp_path, OTHER) is None
    # a directory under another's name is looked into
    (tmp_path / f".checkpoint-{'a' * 16}-000000007.zarr").rename(tmp_path / f".checkpoint-{'b' * 16}-000000007.zarr")
    assert read_checkpoint(tmp_path, OTHER) is None


@pytest.mark.parametrize("damage", ["cut", "emptied", "missing", "rootless", "no JSON"])
def test_a_damaged_checkpoint_is_passed_over_for_the_one_before(tmp_path: Path, damage: str) -> None:
    write(tmp_path / "later", 9)
    write(tmp_path, 8)
    damaged = tmp_path / f".checkpoint-{'a' * 16}-000000009.zarr"
    (tmp_path / "later" / damaged.name).rename(damaged)
    chunk = next(path for path in (damaged / "float32" / "c").rglob("*") if path.is_file())
    if damage == "cut":
        chunk.write_bytes(chunk.read_bytes()[:-8] + b"\1" * 8)
    elif damage == "emptied":
        chunk.write_bytes(b"")
    elif damage == "missing":
        chunk.unlink()
    elif damage == "rootless":
        (damaged / "zarr.json").unlink()
    else:
        (damaged / "zarr.json").write_text("{")
    found = read_checkpoint(tmp_path, KEY)
    assert found is not None
    assert found.step == 8


def test_those_of_finished_requests_go_and_others_stay(tmp_path: Path) -> None:
    write(tmp_path, 7)
    write(tmp_path, 3, key=OTHER)
    assert remove_checkpoints(tmp_path, [KEY]) == 1
    assert read_checkpoint(tmp_path, KEY) is None
    assert read_checkpoint(tmp_path, OTHER) is not None
    assert remove_checkpoints(tmp_path / "nothing here", [KEY]) == 0


def test_only_the_newest_requests_are_kept(tmp_path: Path) -> None:
    keys = [digit * 64 for digit in "0123456"]
    for age, key in enumerate(keys):
        write(tmp_path, 1, key=key)
        os.utime(tmp_path / f".checkpoint-{key[:16]}-000000001.zarr", (1000 + age, 1000 + age))
    write(tmp_path, 2, key=keys[-1])
    assert [key for key in keys if read_checkpoint(tmp_path, key)] == keys[-KEYS_KEPT:]


def test_a_place_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(DbcError, match="cannot be written"):
        write(tmp_path / "file" / "model", 1)
