"""Centring by camera: what it removes, what it leaves, and what it refuses."""

import numpy as np
import pytest

from stages.errors import DbcError
from stages.features.centring import centred_by_camera


def test_what_a_camera_adds_to_all_its_images_is_gone():
    generator = np.random.default_rng(0)
    people = generator.normal(size=(10, 6))
    seen = np.concatenate([people + 5 * generator.normal(size=6) for _ in range(3)])
    camid = np.repeat([1, 2, 7], 10).astype(np.int32)
    centred = centred_by_camera(seen.astype(np.float32), camid)
    assert np.allclose(centred[:10], centred[10:20], atol=1e-5)
    assert np.allclose(centred[:10], centred[20:], atol=1e-5)
    assert np.allclose(np.linalg.norm(centred, axis=1), 1, atol=1e-6)


def test_the_order_of_the_samples_changes_no_bit():
    generator = np.random.default_rng(1)
    features = generator.normal(size=(300, 9)).astype(np.float32)
    camid = generator.integers(4, size=300).astype(np.int32)
    order = generator.permutation(300)
    assert np.array_equal(centred_by_camera(features, camid)[order], centred_by_camera(features[order], camid[order]))


def test_an_unknown_camera_is_refused():
    camid = np.array([0, 1, -2, 1], dtype=np.int32)
    with pytest.raises(DbcError, match="1 of 4 train samples have no camera id"):
        centred_by_camera(np.eye(4, dtype=np.float32), camid)
