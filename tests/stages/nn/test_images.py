"""Stored images to network input: values, layout and size."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from stages.nn.images import (
    IMAGENET_MEAN,
    IMAGENET_STD,
    InputForm,
    Statistics,
    as_pixels,
    network_input,
    normalize,
    resize,
)

IMAGES = np.random.default_rng(0).integers(0, 256, (3, 12, 8, 3), dtype=np.uint8)


def test_pixels_are_the_stored_values_channel_first_in_channels_last_memory() -> None:
    pixels = as_pixels(torch.from_numpy(IMAGES))
    assert np.array_equal(pixels.numpy(), IMAGES.transpose(0, 3, 1, 2).astype(np.float32))
    assert pixels.is_contiguous(memory_format=torch.channels_last)


def test_normalisation_is_imagenets() -> None:
    normalized = normalize(as_pixels(torch.from_numpy(IMAGES)))
    expected = (IMAGES / 255 - np.array(IMAGENET_MEAN)) / np.array(IMAGENET_STD)
    np.testing.assert_allclose(normalized.numpy(), expected.transpose(0, 3, 1, 2), atol=1e-5)
    assert normalized.is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize("size", [(12, 8), (6, 5)])
@pytest.mark.parametrize("step", [1, 2], ids=["all", "every second"])
def test_network_input_is_the_plain_calculation_to_the_last_bit(size: tuple[int, int], step: int) -> None:
    values = np.arange(256, dtype=np.uint8).repeat(3).reshape(-1, 3)
    every_value = np.concatenate([values, values[::-1], values[:64]]).reshape(6, 12, 8, 3)[::step]
    found = network_input(torch.from_numpy(every_value), InputForm(*size))
    expected = normalize(resize(as_pixels(torch.from_numpy(every_value)), height=size[0], width=size[1]))
    assert torch.equal(found, expected)
    assert found.stride() == expected.stride()


def test_images_are_normalised_by_the_statistics_of_the_network() -> None:
    own = Statistics((0.5, 0.4, 0.3), (0.5, 0.25, 0.2))
    for size in ((12, 8), (6, 4)):
        form = InputForm(statistics=own).at(IMAGES) if size == (12, 8) else InputForm(*size, own)
        found = network_input(torch.from_numpy(IMAGES), form)
        pixels = resize(as_pixels(torch.from_numpy(IMAGES)), height=size[0], width=size[1]).numpy()
        expected = (pixels / 255 - np.reshape(own.mean, (3, 1, 1))) / np.reshape(own.std, (3, 1, 1))
        np.testing.assert_allclose(found.numpy(), expected, atol=1e-5)


def test_no_images_give_an_empty_network_input() -> None:
    assert network_input(torch.from_numpy(IMAGES[:0]), InputForm(12, 8)).shape == (0, 3, 12, 8)


def test_resizing_to_the_same_size_is_free_and_else_keeps_a_flat_image_flat() -> None:
    pixels = as_pixels(torch.from_numpy(IMAGES))
    assert resize(pixels, height=12, width=8) is pixels
    flat = torch.full((2, 3, 12, 8), 7.0)
    torch.testing.assert_close(resize(flat, height=5, width=9), torch.full((2, 3, 5, 9), 7.0))


def test_halving_averages_rather_than_skips() -> None:
    stripes = torch.zeros(1, 1, 16, 16)
    stripes[..., ::2] = 200.0
    halved = resize(stripes, height=8, width=8)
    assert float((halved[..., 2:-2] - 100).abs().max()) < 30


def test_zero_stands_for_the_stored_size() -> None:
    assert InputForm().at(IMAGES) == InputForm(12, 8)
    assert InputForm(height=32).at(IMAGES) == InputForm(32, 8)
