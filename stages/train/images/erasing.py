"""Random erasing of a whole batch on its device: a rectangle of an image is blanked, one draw an image."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

AREA = (0.02, 0.4)
"""Range of the rectangle's share of the image's area, uniform (Zhong et al., AAAI 2020)."""
ASPECT = 0.3
"""Least height over width, relative to the image's; the largest is its inverse; uniform in the logarithm."""
TRIES = 10
"""Draws of a rectangle before the image is left whole."""


@dataclass(frozen=True)
class Erased:
    """The rectangle to blank in each image: edges (B) as shares of height and width; an empty one blanks nothing."""

    top: Tensor
    bottom: Tensor
    left: Tensor
    right: Tensor


def draw_erased(n_images: int, *, probability: float, generator: torch.Generator) -> Erased:
    """For each image, with `probability`, a rectangle that lies in it; the first of ten draws that fits."""
    erased = torch.rand(n_images, generator=generator) < probability
    area = AREA[0] + (AREA[1] - AREA[0]) * torch.rand((n_images, TRIES), generator=generator)
    aspect = ASPECT ** (2 * torch.rand((n_images, TRIES), generator=generator) - 1)
    corner = torch.rand((n_images, 2), generator=generator)
    heights, widths = (area * aspect).sqrt(), (area / aspect).sqrt()
    fits = (heights < 1) & (widths < 1)
    first = fits.int().argmax(dim=1, keepdim=True)
    drawn = erased & fits.any(dim=1)
    height = torch.where(drawn, heights.gather(1, first)[:, 0], 0.0)
    width = torch.where(drawn, widths.gather(1, first)[:, 0], 0.0)
    top, left = corner[:, 0] * (1 - height), corner[:, 1] * (1 - width)
    return Erased(top, top + height, left, left + width)


def apply_erased(pixels: Tensor, erased: Erased, *, fill: Tensor) -> Tensor:
    """`pixels` (B, C, H, W) with the value `fill` (C) at every pixel whose centre lies in its image's rectangle."""
    height, width = pixels.shape[2:]
    rows, columns = erased_pixels(erased, height=height, width=width, device=pixels.device)
    blank = (rows[:, :, None] & columns[:, None, :])[:, None]
    return torch.where(blank, fill.view(1, -1, 1, 1), pixels)


def erased_pixels(erased: Erased, *, height: int, width: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """The rows (B, height) and columns (B, width), bool, of pixels whose centres lie within the rectangle's edges."""
    return (
        _inside(height, erased.top, erased.bottom, device),
        _inside(width, erased.left, erased.right, device),
    )


def _inside(n_pixels: int, low: Tensor, high: Tensor, device: torch.device) -> Tensor:
    """Whether each of `n_pixels` centres, as shares, lies in [low, high): (B, n_pixels) bool."""
    centre = (torch.arange(n_pixels, device=device) + 0.5) / n_pixels
    edges = torch.stack([low, high]).to(device, non_blocking=True)[:, :, None]
    return (centre >= edges[0]) & (centre < edges[1])
