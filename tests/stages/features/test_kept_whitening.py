"""A whitening is fitted once per features artifact, ridge and centring, and read from then on."""

from types import SimpleNamespace

import numpy as np
import pytest

from stages.arrays.backend import Backend
from stages.features import kept_whitening, prepared
from stages.features.kept_whitening import whitening_of
from stages.runs.store.checkpoint import keep, read_checkpoint
from stages.runs.unreferenced import bytes_in, kept_whitenings, remove_whitenings


@pytest.fixture
def fitted(monkeypatch):
    """The ridges that were fitted, one an entry."""
    ridges, plain = [], kept_whitening.fit_whitening

    def noted(rows, *, ridge):
        ridges.append(ridge)
        return plain(rows, ridge=ridge)

    monkeypatch.setattr(kept_whitening, "fit_whitening", noted)
    monkeypatch.setattr(kept_whitening, "IN_MEMORY", 0)
    return ridges


def features_at(folder, name="a", *, pooled=None, dataset="d"):
    """Features of the id `name`, whose rows have the digest `pooled` (by default another for each name)."""
    arrays = {"pooled": SimpleNamespace(sha256=pooled or name)}
    parents = (SimpleNamespace(kind="dataset", id=dataset), SimpleNamespace(kind="model", id=name))
    return SimpleNamespace(
        path=folder / "v1.zarr", manifest=SimpleNamespace(id=name * 64, arrays=arrays, parents=parents)
    )


def rows():
    return np.random.default_rng(0).standard_normal((20, 6)).astype(np.float32)


def test_the_same_request_is_read_and_another_fitted(tmp_path, fitted):
    first = whitening_of(features_at(tmp_path), rows(), ridge=3.0)
    again = whitening_of(features_at(tmp_path), rows(), ridge=3.0)
    assert fitted == [3.0]
    assert np.array_equal(first.matrix, again.matrix)
    assert np.array_equal(first.mean, again.mean)
    assert first.grid == again.grid
    whitening_of(features_at(tmp_path), rows(), ridge=1.0)
    whitening_of(features_at(tmp_path, "b"), rows(), ridge=3.0)
    whitening_of(features_at(tmp_path), rows(), ridge=3.0, part="centred")
    assert fitted == [3.0, 1.0, 3.0, 3.0]


def test_what_a_gpu_fits_is_not_kept_on_disk(tmp_path, monkeypatch):
    strict = Backend(pytest.importorskip("array_api_strict"), "strict", "cuda:0")
    asked = []

    def elsewhere(device, *, pays):
        asked.append((device, pays))
        return strict

    monkeypatch.setattr(kept_whitening, "_newest", {})
    monkeypatch.setattr(kept_whitening, "elsewhere", elsewhere)
    here = whitening_of(features_at(tmp_path, "b"), rows(), ridge=3.0, device="cuda:0")
    assert (here.backend, asked) == (strict, [("cuda:0", False)])
    assert not list(tmp_path.glob(".checkpoint-*"))
    monkeypatch.setattr(kept_whitening, "elsewhere", lambda *_, **__: None)
    assert np.array_equal(here.matrix, whitening_of(features_at(tmp_path, "b"), rows(), ridge=3.0).matrix)
    assert list(tmp_path.glob(".checkpoint-*"))


def test_what_is_damaged_is_fitted_again(tmp_path, fitted):
    whitening_of(features_at(tmp_path), rows(), ridge=3.0)
    for path in tmp_path.glob(".checkpoint-*/float64/c/*"):
        path.write_bytes(path.read_bytes()[:-9] + b"damaged!!")
    whitening_of(features_at(tmp_path), rows(), ridge=3.0)
    assert fitted == [3.0, 3.0]


def test_a_folder_that_cannot_be_written_only_costs_the_time(tmp_path, fitted):
    (tmp_path / "file").touch()
    for _ in range(2):
        whitening_of(features_at(tmp_path / "file"), rows(), ridge=3.0)
    assert fitted == [3.0, 3.0]


def test_the_whitenings_of_many_cameras_are_kept_beside_each_other(tmp_path, fitted):
    parts = ["all", *(f"camera {camera}" for camera in range(7))]
    for part in parts * 2:
        whitening_of(features_at(tmp_path), rows(), ridge=3.0, part=part)
    assert fitted == [3.0] * len(parts)


def test_features_that_are_handed_on_are_not_fitted_again_while_there_is_room_in_memory(tmp_path, fitted, monkeypatch):
    monkeypatch.setattr(kept_whitening, "IN_MEMORY", 2 * 6 * 6 * 8 + 100)
    monkeypatch.setattr(kept_whitening, "_newest", {})
    first = whitening_of(features_at(tmp_path, pooled="x"), rows(), ridge=3.0)
    assert whitening_of(features_at(tmp_path / "other", "b", pooled="x"), rows(), ridge=3.0) is first
    whitening_of(features_at(tmp_path, "c", pooled="y"), rows()[:6], ridge=3.0)
    assert whitening_of(features_at(tmp_path, "d", pooled="x"), rows(), ridge=3.0) is first
    assert fitted == [3.0, 3.0]
    whitening_of(features_at(tmp_path, "e", pooled="z"), rows()[:7], ridge=3.0)
    assert len(kept_whitening._newest) == 2
    whitening_of(features_at(tmp_path, "c", pooled="y"), rows()[:6], ridge=1.0)
    assert fitted == [3.0, 3.0, 3.0, 1.0]


@pytest.mark.parametrize(("n_processes", "n_kept"), [("", 1), ("2", 0)])
def test_processes_that_share_a_memory_share_what_may_stay_in_it(tmp_path, monkeypatch, n_processes, n_kept):
    monkeypatch.setenv("LOCAL_WORLD_SIZE", n_processes)
    monkeypatch.setattr(prepared, "_newest", {})
    own, camid = rows(), np.zeros(20, dtype=np.int32)
    enough = int(5 * own.nbytes / prepared.SHARE_IN_MEMORY)
    prepared.found_by_camera(features_at(tmp_path), own, camid, ridge=0.0, memory_limit=enough)
    assert len(prepared._newest) == n_kept


def test_the_same_rows_of_another_data_set_or_part_are_fitted_again(tmp_path, fitted, monkeypatch):
    monkeypatch.setattr(kept_whitening, "IN_MEMORY", 2**20)
    monkeypatch.setattr(kept_whitening, "_newest", {})
    whitening_of(features_at(tmp_path, pooled="x"), rows(), ridge=3.0)
    whitening_of(features_at(tmp_path, "b", pooled="x", dataset="e"), rows()[:9], ridge=3.0)
    whitening_of(features_at(tmp_path, "c", pooled="x"), rows()[:9], ridge=3.0, part="camera 1")
    assert fitted == [3.0, 3.0, 3.0]


def test_a_fit_frees_the_whitenings_of_other_stages_and_nothing_else_that_is_kept(tmp_path, fitted):
    first, second = (tmp_path / f"stage-{name}" / "features" for name in ("init", "01"))
    for folder in (first, second):
        folder.mkdir(parents=True)
    for part in ("all", "camera 1"):
        whitening_of(features_at(first), rows(), ridge=3.0, part=part)
    keep(first, "c" * 64, {}, about={"holds": "measures"})
    assert [path.parent for path in kept_whitenings(tmp_path)] == [first, first]
    for part in ("all", "camera 1"):
        whitening_of(features_at(second, "b"), rows(), ridge=3.0, part=part)
    assert [path.parent for path in kept_whitenings(tmp_path)] == [second, second]
    assert read_checkpoint(first, "c" * 64) is not None
    # reading what is kept frees nothing
    whitening_of(features_at(first), rows(), ridge=3.0)
    whitening_of(features_at(second, "b"), rows(), ridge=3.0)
    whitening_of(features_at(first), rows(), ridge=3.0)
    assert len(fitted) == 7
    assert bytes_in(kept_whitenings(tmp_path)) > 6 * 6 * 8
    remove_whitenings(tmp_path)
    assert kept_whitenings(tmp_path) == []
    assert read_checkpoint(first, "c" * 64) is not None


def test_what_was_kept_beside_one_stage_is_read_for_another_with_the_same_rows(tmp_path, fitted):
    first, second = (features_at(tmp_path / f"stage-{name}" / "features", name, pooled="x") for name in ("init", "01"))
    for features in (first, second):
        features.path.parent.mkdir(parents=True)
    matrix = whitening_of(first, rows(), ridge=3.0).matrix
    assert np.array_equal(whitening_of(second, rows(), ridge=3.0).matrix, matrix)
    assert [path.parent for path in kept_whitenings(tmp_path)] == [first.path.parent]
    whitening_of(second, rows(), ridge=1.0)
    assert fitted == [3.0, 1.0]
