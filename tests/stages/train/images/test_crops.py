"""Crops: published ranges, one draw per sample, geometry."""

from __future__ import annotations

import torch
from torch import Tensor

from stages.train.images.crops import AREA, ASPECT, Crops, apply_crops, draw_crops


def _generator(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def _crops(top: float, left: float, height: float, width: float, *, flip: bool = False) -> Crops:
    one = torch.ones(1)
    return Crops(top * one, left * one, height * one, width * one, torch.tensor([flip]))


def test_windows_lie_inside_the_image_within_the_published_ranges() -> None:
    crops = draw_crops(5000, generator=_generator(0))
    assert float(crops.top.min()) >= 0
    assert float((crops.top + crops.height).max()) <= 1 + 1e-6
    assert float((crops.left + crops.width).max()) <= 1 + 1e-6
    partial = crops.height < 1
    area, aspect = (crops.height * crops.width)[partial], (crops.height / crops.width)[partial]
    assert AREA[0] - 1e-6 <= float(area.min()) < AREA[0] + 0.02
    assert ASPECT[0] - 1e-6 <= float(aspect.min()) < ASPECT[0] + 0.02
    assert ASPECT[1] - 0.05 < float(aspect.max()) <= ASPECT[1] + 1e-6
    assert 0.45 < float(crops.flip.float().mean()) < 0.55


def test_windows_follow_the_law_of_ten_tries_then_the_whole_image() -> None:
    generator, n = _generator(1), 20_000
    crops = draw_crops(n, generator=generator)
    area = AREA[0] + (AREA[1] - AREA[0]) * torch.rand(200_000, generator=generator)
    aspect = ASPECT[0] + (ASPECT[1] - ASPECT[0]) * torch.rand(200_000, generator=generator)
    accepted = area * aspect <= 1
    whole = (1 - float(accepted.float().mean())) ** 10
    assert abs(float((crops.height == 1).float().mean()) - whole) < 0.002
    expected = float((area * aspect)[accepted].sqrt().mean())
    assert abs(float(crops.height[crops.height < 1].mean()) - expected) < 0.002


def test_a_seed_gives_the_same_windows_and_samples_differ() -> None:
    first, second = (draw_crops(8, generator=_generator(4)) for _ in range(2))
    assert torch.equal(first.top, second.top)
    assert torch.equal(first.flip, second.flip)
    assert len(set(first.height.tolist())) > 4


def test_the_whole_image_comes_back_as_it_was() -> None:
    image = torch.rand(1, 3, 9, 6, generator=_generator(0)) * 255
    torch.testing.assert_close(apply_crops(image, _crops(0, 0, 1, 1)), image, rtol=0, atol=1e-3)


def test_a_flip_is_a_mirror() -> None:
    image = torch.rand(1, 3, 9, 6, generator=_generator(0)) * 255
    flipped = apply_crops(image, _crops(0, 0, 1, 1, flip=True))
    torch.testing.assert_close(flipped, image.flip(3), rtol=0, atol=1e-3)


def _ramps(height: int, width: int) -> Tensor:
    """Two channels whose values are the pixel centres' y and x as shares of the image."""
    y = (torch.arange(height) + 0.5) / height
    x = (torch.arange(width) + 0.5) / width
    return torch.stack([y[:, None].expand(height, width), x[None].expand(height, width)])[None]


def test_a_window_shows_the_part_of_the_image_it_names() -> None:
    image = _ramps(40, 20)
    shown = apply_crops(image, _crops(0.1, 0.2, 0.8, 0.6))
    torch.testing.assert_close(shown[0, 0, :, 0], 0.1 + 0.8 * image[0, 0, :, 0], rtol=0, atol=1e-5)
    torch.testing.assert_close(shown[0, 1, 0], 0.2 + 0.6 * image[0, 1, 0], rtol=0, atol=1e-5)


def test_each_sample_gets_its_own_window_whatever_its_neighbours() -> None:
    images = torch.rand(4, 3, 12, 8, generator=_generator(0))
    crops = draw_crops(4, generator=_generator(5))
    together = apply_crops(images, crops)
    for i in range(4):
        alone = Crops(*(getattr(crops, name)[i : i + 1] for name in ("top", "left", "height", "width", "flip")))
        torch.testing.assert_close(apply_crops(images[i : i + 1], alone), together[i : i + 1])
