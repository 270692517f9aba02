"""Erasing and jitter: their laws, their effect on pixels, and draws that leave one another alone."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from stages.nn.images import InputForm, Statistics, as_pixels, resize
from stages.train.images import erasing
from stages.train.images.augment import augmented, augmented_input, draw_augmentation, of_images
from stages.train.images.erasing import Erased, apply_erased, draw_erased
from stages.train.images.jitter import apply_jitter, draw_jitter


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def pixels(n_images: int = 4) -> Tensor:
    return torch.rand((n_images, 3, 12, 8), generator=generator(9)) * 255


def test_rectangles_lie_inside_within_the_published_ranges_and_come_with_their_probability() -> None:
    drawn = draw_erased(20_000, probability=0.5, generator=generator())
    height, width = drawn.bottom - drawn.top, drawn.right - drawn.left
    there = height > 0
    assert abs(float(there.float().mean()) - 0.5) < 0.02
    for low, high in ((drawn.top, drawn.bottom), (drawn.left, drawn.right)):
        assert float(low.min()) >= 0
        assert float(high.max()) <= 1 + 1e-6
    area, aspect = (height * width)[there], (height / width)[there]
    assert erasing.AREA[0] - 1e-6 < float(area.min()) < 0.03
    assert 0.38 < float(area.max()) < erasing.AREA[1] + 1e-6
    assert float(aspect.min()) > erasing.ASPECT - 1e-5
    assert float(aspect.max()) < 1 / erasing.ASPECT + 1e-4
    # as many are upright as lie flat
    assert abs(float((aspect > 1).float().mean()) - 0.5) < 0.02


@pytest.mark.parametrize(("probability", "expected"), [(0.0, 0), (1.0, 5000)])
def test_no_or_every_image_is_erased(probability: float, expected: int) -> None:
    drawn = draw_erased(5000, probability=probability, generator=generator())
    assert int((drawn.bottom > drawn.top).sum()) == expected


def test_erasing_blanks_the_pixels_whose_centres_lie_inside_and_no_others() -> None:
    images, fill = pixels(3), torch.tensor([1.0, 2.0, 3.0])
    edges = [[0.25, 0.5, 0.1, 0.6], [0.0, 1.0, 0.0, 1.0], [0.3, 0.3, 0.2, 0.2]]
    rectangles = Erased(*torch.tensor(edges).T)
    erased = apply_erased(images, rectangles, fill=fill)
    for i, (top, bottom, left, right) in enumerate(edges):
        for row in range(12):
            for column in range(8):
                inside = top <= (row + 0.5) / 12 < bottom and left <= (column + 0.5) / 8 < right
                expected = fill if inside else images[i, :, row, column]
                assert torch.equal(erased[i, :, row, column], expected)


def test_jitter_factors_are_uniform_within_the_strength() -> None:
    factors = draw_jitter(20_000, strength=0.4, generator=generator())
    assert float(factors.min()) >= 0.6
    assert float(factors.max()) <= 1.4
    np.testing.assert_allclose(factors.mean(dim=0), 1, atol=0.01)
    np.testing.assert_allclose(factors.std(dim=0), 0.8 / 12**0.5, atol=0.01)


def jittered(image: Tensor, brightness: float, contrast: float, saturation: float) -> Tensor:
    return apply_jitter(image, torch.tensor([[brightness, contrast, saturation]], dtype=torch.float32))


def test_jitter_by_one_gives_the_image_and_by_nothing_black_mean_grey_and_grey() -> None:
    image = pixels(1)
    grey = (image * torch.tensor([0.299, 0.587, 0.114]).view(1, 3, 1, 1)).sum(dim=1, keepdim=True)
    torch.testing.assert_close(jittered(image, 1, 1, 1), image, rtol=0, atol=1e-3)
    torch.testing.assert_close(jittered(image, 0, 1, 1), torch.zeros_like(image))
    torch.testing.assert_close(jittered(image, 1, 0, 1), grey.mean().expand_as(image), rtol=0, atol=1e-3)
    torch.testing.assert_close(jittered(image, 1, 1, 0), grey.expand_as(image), rtol=0, atol=1e-3)


def test_jitter_equals_the_plain_loop_and_stays_in_range() -> None:
    images, factors = pixels(4), draw_jitter(4, strength=0.9, generator=generator(2))
    found = apply_jitter(images, factors)
    assert float(found.min()) >= 0
    assert float(found.max()) <= 255
    weights = np.array([0.299, 0.587, 0.114])
    for image, (brightness, contrast, saturation), result in zip(
        images.double().numpy(), factors.tolist(), found.numpy(), strict=True
    ):
        bright = np.clip(image * brightness, 0, 255)
        mean = np.tensordot(weights, bright, 1).mean()
        contrasted = np.clip(mean + contrast * (bright - mean), 0, 255)
        grey = np.tensordot(weights, contrasted, 1)
        np.testing.assert_allclose(result, np.clip(grey + saturation * (contrasted - grey), 0, 255), atol=1e-3)


def test_options_that_are_not_asked_for_take_no_draws_and_leave_the_crops() -> None:
    plain = draw_augmentation(5, color_jitter=0, random_erasing=0, generator=generator())
    full = draw_augmentation(5, color_jitter=0.2, random_erasing=0.5, generator=generator())
    assert plain.jitter is None
    assert plain.erased is None
    assert torch.equal(plain.crops.top, full.crops.top)
    assert torch.equal(plain.crops.flip, full.crops.flip)


def test_without_flips_all_other_draws_are_the_same() -> None:
    flipped = draw_augmentation(24, color_jitter=0.2, random_erasing=0.5, generator=generator())
    upright = draw_augmentation(24, color_jitter=0.2, random_erasing=0.5, generator=generator(), flips=False)
    assert flipped.crops.flip.any()
    assert not upright.crops.flip.any()
    for name in ("top", "left", "height", "width"):
        assert torch.equal(getattr(flipped.crops, name), getattr(upright.crops, name))
    assert flipped.jitter is not None
    assert upright.jitter is not None
    assert torch.equal(flipped.jitter, upright.jitter)


def test_what_is_erased_is_zero_in_the_network_s_input_and_each_image_has_its_own_draw() -> None:
    augmentation = draw_augmentation(4, color_jitter=0.3, random_erasing=1, generator=generator())
    images = pixels() + 1
    found = augmented(images, augmentation)
    blank = (found == 0).all(dim=1)
    assert blank.flatten(1).any(dim=1).all()
    assert not blank.flatten(1).all(dim=1).any()
    assert len({mask.numpy().tobytes() for mask in blank}) == 4
    assert found.is_contiguous(memory_format=torch.channels_last)


def stored(n_images: int, height: int, width: int) -> Tensor:
    return torch.randint(0, 256, (n_images, height, width, 3), dtype=torch.uint8, generator=generator(11))


@pytest.mark.parametrize("options", [(0.0, 0.0), (0.0, 0.7), (0.4, 0.0), (0.4, 0.7)], ids=str)
@pytest.mark.parametrize("size", [(12, 8), (64, 32), (5, 7), (1, 1)], ids=str)
def test_the_compiled_loop_equals_the_batched_calculation(size: tuple[int, int], options: tuple[float, float]) -> None:
    jitter, erasing_share = options
    images = stored(24, *size)
    drawn = draw_augmentation(24, color_jitter=jitter, random_erasing=erasing_share, generator=generator(3))
    assert 0 < int(drawn.crops.flip.sum()) < 24
    found = augmented_input(images, drawn, form=InputForm(size[0], size[1]))
    expected = augmented(as_pixels(images), drawn)
    assert found.shape == expected.shape
    assert found.is_contiguous(memory_format=torch.channels_last)
    tolerance = 2e-6 * max(8, *size) * (2 if jitter else 1)
    torch.testing.assert_close(found, expected, rtol=0, atol=tolerance)
    # what is blanked is so to the pixel
    assert torch.equal((found == 0).all(dim=1) | (expected == 0).all(dim=1), (found == 0).all(dim=1))


def test_the_compiled_loop_takes_images_of_another_size() -> None:
    images = stored(6, 20, 30)
    drawn = draw_augmentation(6, color_jitter=0, random_erasing=0.5, generator=generator())
    expected = augmented(resize(as_pixels(images), height=16, width=8), drawn)
    torch.testing.assert_close(augmented_input(images, drawn, form=InputForm(16, 8)), expected, rtol=0, atol=5e-5)


def test_an_image_is_augmented_alike_whatever_its_batch() -> None:
    images = stored(5, 12, 8)
    drawn = draw_augmentation(5, color_jitter=0, random_erasing=0.5, generator=generator())
    whole = augmented_input(images, drawn, form=InputForm(12, 8))
    for own in (slice(0, 2), slice(2, 5), slice(5, 5)):
        assert torch.equal(augmented_input(images[own], of_images(drawn, own), form=InputForm(12, 8)), whole[own])


@pytest.mark.parametrize("jitter", [0.0, 0.4])
def test_erased_pixels_are_zero_under_any_statistics(jitter: float) -> None:
    images = torch.randint(0, 256, (6, 12, 8, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(5))
    drawn = draw_augmentation(6, color_jitter=jitter, random_erasing=1.0, generator=torch.Generator().manual_seed(6))
    own = Statistics((0.5, 0.4, 0.3), (0.5, 0.25, 0.2))
    found = augmented_input(images, drawn, form=InputForm(12, 8, own))
    usual = augmented_input(images, drawn, form=InputForm(12, 8))
    torch.testing.assert_close(found, augmented(as_pixels(images), drawn, own), rtol=0, atol=5e-5)
    erased = (usual == 0).all(dim=1)
    assert erased.any()
    assert not found[erased[:, None].expand_as(found)].abs().max() > 1e-6
