"""Neighbours by camera are looked for once per features artifact, ridge and strength if that pays, and read from then on."""

from types import SimpleNamespace

import numpy as np
import pytest

from stages.features import kept_neighbours
from stages.features.camera_finding import ByCamera, nearest_by_camera
from stages.features.kept_neighbours import kept_look
from stages.features.whitening import fit_whitening


@pytest.fixture
def looked(monkeypatch):
    """The rows that neighbours were looked for among, one an entry."""
    among = []

    def noted(rows, camid):
        among.append(rows)
        return nearest_by_camera(rows, camid)

    monkeypatch.setattr(kept_neighbours, "nearest_by_camera", noted)
    monkeypatch.setattr(kept_neighbours, "KEEPING_PAYS", 1)
    return among


def taken_by_three(seed=0):
    generator = np.random.default_rng(seed)
    camid = (np.arange(90) % 3).astype(np.int32)
    rows = generator.standard_normal((90, 8)) + 2 * generator.standard_normal((3, 8))[camid]
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32), camid


def look_of(folder, camid, *, name="a", ridge=3.0):
    manifest = SimpleNamespace(arrays={"pooled": SimpleNamespace(sha256=name)}, parents=())
    features = SimpleNamespace(path=folder / "v1.zarr", manifest=manifest)
    return kept_look(features, camid, shape=(90, 8), ridge=ridge)


def fit(rows, _camera):
    return fit_whitening(rows, ridge=3)


@pytest.mark.parametrize(("metric", "for_new"), [("euclidean", False), (None, False), (None, True)])
def test_what_is_found_with_kept_neighbours_is_what_is_found_without(tmp_path, looked, metric, for_new):
    rows, camid = taken_by_three()
    expected = ByCamera(rows, camid, fit).find(metric=metric, for_new=for_new)
    for is_first in (True, False):
        looked.clear()
        found = ByCamera(rows, camid, fit, look_of(tmp_path, camid)).find(metric=metric, for_new=for_new)
        assert found[0] == expected[0]
        assert found[0].by_camera
        np.testing.assert_array_equal(found[2](), expected[2]())
        np.testing.assert_array_equal(found[1].of(rows, camid), expected[1].of(rows, camid))
        assert bool(looked) == is_first


def test_other_features_cameras_and_ridges_are_looked_at_anew(tmp_path, looked):
    rows, camid = taken_by_three()
    for look in (
        look_of(tmp_path, camid),
        look_of(tmp_path, camid, name="b"),
        look_of(tmp_path, camid, ridge=1.0),
        look_of(tmp_path, camid[::-1].copy()),
    ):
        for _ in range(2):
            look(lambda: rows)
    assert len(looked) == 4


def test_few_rows_are_looked_at_again_and_nothing_is_written(tmp_path, looked, monkeypatch):
    monkeypatch.setattr(kept_neighbours, "KEEPING_PAYS", 90 * 90 * 8 + 1)
    rows, camid = taken_by_three()
    for _ in range(2):
        look_of(tmp_path, camid)(lambda: rows)
    assert len(looked) == 2
    assert not list(tmp_path.iterdir())
