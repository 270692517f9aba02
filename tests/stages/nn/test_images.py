"""Stored images to network input: values, layout and size."""

from __future__ import annotations

import numpy as np
import torch

from stages.nn.images import IMAGENET_MEAN, IMAGENET_STD, input_size, normalize, resize, to_pixels

IMAGES = np.random.default_rng(0).integers(0, 256, (3, 12, 8, 3), dtype=np.uint8)
CPU = torch.device("cpu")


def test_pixels_are_the_stored_values_channel_first_in_channels_last_memory() -> None:
    pixels = to_pixels(IMAGES, CPU)
    assert np.array_equal(pixels.numpy(), IMAGES.transpose(0, 3, 1, 2).astype(np.float32))
    assert pixels.is_contiguous(memory_format=torch.channels_last)


def test_normalisation_is_imagenets() -> None:
    normalized = normalize(to_pixels(IMAGES, CPU))
    expected = (IMAGES / 255 - np.array(IMAGENET_MEAN)) / np.array(IMAGENET_STD)
    np.testing.assert_allclose(normalized.numpy(), expected.transpose(0, 3, 1, 2), atol=1e-5)
    assert normalized.is_contiguous(memory_format=torch.channels_last)


def test_resizing_to_the_same_size_is_free_and_else_keeps_a_flat_image_flat() -> None:
    pixels = to_pixels(IMAGES, CPU)
    assert resize(pixels, height=12, width=8) is pixels
    flat = torch.full((2, 3, 12, 8), 7.0)
    torch.testing.assert_close(resize(flat, height=5, width=9), torch.full((2, 3, 5, 9), 7.0))


def test_halving_averages_rather_than_skips() -> None:
    stripes = torch.zeros(1, 1, 16, 16)
    stripes[..., ::2] = 200.0
    halved = resize(stripes, height=8, width=8)
    assert float((halved[..., 2:-2] - 100).abs().max()) < 30


def test_zero_stands_for_the_stored_size() -> None:
    assert input_size(IMAGES, height=0, width=0) == (12, 8)
    assert input_size(IMAGES, height=32, width=0) == (32, 8)
