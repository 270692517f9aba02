"""Statistics of the first batch norm for each camera, beside networks that have them stored."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch

from schemas.parameters import InitParameters
from stages.extract.camera_statistics import looks_follow
from stages.extract.forward import compute_features
from stages.nn.camera_norm import (
    CameraStatistics,
    by_camera,
    camera_norm_of,
    chosen_samples,
    first_norm,
    measure_looks,
    statistics_of,
)
from stages.nn.images import network_input
from stages.nn.model.network import ReidModel, build_model
from stages.samples import UNKNOWN
from stages.typing import Float32Array, Int32Array, UInt8Array

CPU = torch.device("cpu")
N = 48


@pytest.fixture(scope="module")
def model() -> ReidModel:
    found = build_model(InitParameters(backbone="resnet10", weights="none", embedding_dim=8)).eval()
    norm = first_norm(found.backbone)
    assert norm is not None
    assert norm.running_mean is not None
    assert norm.running_var is not None
    norm.running_mean.copy_(torch.linspace(-0.5, 0.5, 64))
    norm.running_var.copy_(torch.linspace(0.2, 2.0, 64))
    return found


@pytest.fixture(scope="module")
def camid() -> Int32Array:
    return np.arange(N, dtype=np.int32) % 2 * 3 + 1


@pytest.fixture(scope="module")
def images(camid: Int32Array) -> UInt8Array:
    """Noise, darker and of less contrast before camera 4."""
    noise = np.random.default_rng(0).integers(0, 256, (N, 32, 16, 3))
    return np.where(camid[:, None, None, None] == 4, noise // 4 + 10, noise).astype(np.uint8)


def statistics(model: ReidModel, images: UInt8Array, camid: Int32Array, strength: float = 1.0) -> CameraStatistics:
    looks = measure_looks(model, images, np.arange(N), device=CPU)
    assert looks is not None
    return statistics_of(looks, camid, strength=strength)


def pooled(model: ReidModel, images: UInt8Array, **options: object) -> Float32Array:
    starts = np.arange(len(images) + 1)
    pieces = compute_features(model, images, starts, batch_size=16, device=CPU, **options)  # type: ignore[arg-type]
    return np.concatenate([found for _, found, _ in pieces])


def test_statistics_are_those_of_the_first_convolution(model: ReidModel, images: UInt8Array, camid: Int32Array) -> None:
    found = statistics(model, images, camid)
    with torch.no_grad():
        given = network_input(torch.from_numpy(images[camid == 4]), model.input_form.at(images))
        responses = model.backbone.conv1(given).double()  # type: ignore[operator]
    np.testing.assert_array_equal(found.cameras, [1, 4])
    np.testing.assert_allclose(found.mean[1], responses.mean(dim=(0, 2, 3)), rtol=1e-6, atol=1e-9)
    np.testing.assert_allclose(found.variance[1], responses.var(dim=(0, 2, 3), unbiased=False), rtol=1e-6)


def test_a_network_moved_to_another_device_can_still_be_trained(
    model: ReidModel, images: UInt8Array, monkeypatch: pytest.MonkeyPatch
) -> None:
    moved = copy.deepcopy(model)
    # another type stands for another device: either gives the network new memory
    monkeypatch.setattr(moved, "to", lambda _device: ReidModel.to(moved, torch.float64).float())
    assert measure_looks(moved, images, np.arange(N), device=CPU) is not None
    assert not any(each.is_inference() for each in (*moved.parameters(), *moved.buffers()))


@pytest.mark.parametrize(("flip", "strength"), [(False, 1.0), (True, 1.0), (False, 0.25)])
def test_features_are_those_of_a_network_for_each_camera(
    model: ReidModel, images: UInt8Array, camid: Int32Array, flip: bool, strength: float
) -> None:
    found = statistics(model, images, camid, strength)
    with by_camera(model, found):
        together = pooled(model, images, places=found.places(camid), flip=flip)
    assert camera_norm_of(model.backbone) is None
    for row, camera in enumerate(found.cameras):
        # a plain network that stores what moves this camera to the mean of both
        alone = copy.deepcopy(model)
        norm = first_norm(alone.backbone)
        assert norm is not None
        assert norm.running_mean is not None
        assert norm.running_var is not None
        mean, variance = norm.running_mean.double().numpy(), norm.running_var.double().numpy()
        to_mean, to_variance = found.mean.mean(0), found.variance.mean(0)
        gain = ((to_variance + norm.eps) / (found.variance[row] + norm.eps)) ** (strength / 2)
        to_mean = strength * to_mean + (1 - strength) * found.mean[row]
        norm.running_mean.copy_(torch.from_numpy((mean - to_mean) / gain + found.mean[row]))
        norm.running_var.copy_(torch.from_numpy((variance + norm.eps) / gain**2 - norm.eps))
        own = images[camid == camera]
        expected = pooled(alone, own)
        if flip:
            mirrored = alone.pool(network_input(torch.from_numpy(own[:, :, ::-1].copy()), model.input_form.at(own)))
            plain = alone.pool(network_input(torch.from_numpy(own), model.input_form.at(own)))
            expected = torch.nn.functional.normalize(plain + mirrored, dim=1).detach().numpy()
        np.testing.assert_allclose(together[camid == camera], expected, atol=2e-5)


def test_a_first_batch_may_be_short(model: ReidModel, images: UInt8Array, camid: Int32Array) -> None:
    found = statistics(model, images, camid)
    with by_camera(model, found):
        few = pooled(model, images[:5], places=found.places(camid[:5]))
        many = pooled(model, images, places=found.places(camid))
    np.testing.assert_allclose(few, many[:5], atol=2e-5)


def test_an_unknown_camera_is_left_as_it_is(model: ReidModel, images: UInt8Array, camid: Int32Array) -> None:
    found = statistics(model, images, camid)
    places = found.places(np.where(camid == 4, UNKNOWN, 9).astype(np.int32))
    assert (places == 2).all()
    with by_camera(model, found):
        moved = pooled(model, images, places=places)
    np.testing.assert_allclose(moved, pooled(model, images), atol=2e-5)


def test_memory_of_a_step_stays_where_recordings_read_it(
    model: ReidModel, images: UInt8Array, camid: Int32Array
) -> None:
    with by_camera(model, statistics(model, images, camid)) as norm:
        assert norm is not None
        norm.at(np.full(16, norm.n_cameras))
        before = norm.camera.data_ptr()
        norm.at(np.arange(10) % 2)
        assert norm.camera.data_ptr() == before
        np.testing.assert_array_equal(norm.camera[:10], np.arange(10) % 2)


def test_looks_follow_cameras_that_differ_and_no_others(
    model: ReidModel, images: UInt8Array, camid: Int32Array
) -> None:
    looks = measure_looks(model, images, np.arange(N), device=CPU)
    assert looks is not None
    strength, told = looks_follow(looks.described(), camid)
    assert strength == 1
    assert told.startswith("100% of pictures are most like one of their own camera")
    shuffled = np.random.default_rng(1).permutation(camid)
    assert looks_follow(looks.described(), shuffled)[0] == 0
    assert "fewer than 16" in looks_follow(looks.described(), np.arange(N, dtype=np.int32) // 2)[1]


def test_a_camera_with_many_samples_is_measured_by_evenly_spread_ones() -> None:
    camid = np.repeat(np.array([1, 2, 3], dtype=np.int32), [2000, 20, 20])
    chosen = chosen_samples(camid, cameras=[1, 2])
    assert np.bincount(camid[chosen]).tolist() == [0, 512, 20]
    assert chosen[0] == 0
    assert 1999 in chosen
