"""The features that an evaluation measures: every row is whitened once, by one map."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from schemas.parameters import EvaluateParameters
from stages.evaluate.stage import measured_features
from stages.features import camera_whitening
from stages.features.camera_finding import ByCamera
from stages.features.whitening import fit_whitening
from stages.samples import TRAIN


@pytest.mark.parametrize("look", [0.0, 2.0])
def test_train_rows_and_others_are_whitened_by_one_map_and_once(tmp_path: Path, monkeypatch, look: float) -> None:
    generator = np.random.default_rng(0)
    camid = (np.arange(300) % 3).astype(np.int32)
    rows = generator.standard_normal((300, 16)) + look * generator.standard_normal((3, 16))[camid]
    rows = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
    split = generator.integers(0, 3, 300).astype(np.uint8)
    is_train = split == TRAIN
    manifest = SimpleNamespace(
        id=f"{look}",
        arrays={"pooled": SimpleNamespace(sha256=f"{look}")},
        parents=(SimpleNamespace(kind="dataset", id="m"),),
    )
    features = SimpleNamespace(path=tmp_path / "v1.zarr", manifest=manifest, read=lambda _: rows)
    n_whitened, plain = [], camera_whitening.whitened
    monkeypatch.setattr(camera_whitening, "whitened", lambda x, by: n_whitened.append(len(x)) or plain(x, by))
    found = measured_features(features, camid, split, EvaluateParameters(whiten=3, camera="auto"))
    assert found.finding is not None
    assert found.finding.by_camera == (look > 0)
    # by all once, and by the camera once
    assert sum(n_whitened) == len(rows) * (2 if look else 1)
    by_camera = ByCamera(rows[is_train], camid[is_train], lambda some, _: fit_whitening(some, ridge=3))
    _, whitenings, _ = by_camera.find(metric=None, for_new=True)
    np.testing.assert_array_equal(found.in_order(split), whitenings.of(rows, camid))
