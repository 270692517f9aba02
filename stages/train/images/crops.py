"""Random resized crop and flip of a whole batch on its device, one draw an image."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

AREA = (0.64, 1.0)
"""Range of the crop's share of the image's area, uniform."""
ASPECT = (1.0, 1.5)
"""Range of the crop's height over width, relative to the image's; at 2:1 it is the published [2, 3]."""
TRIES = 10
"""Draws of a crop before the whole image is taken."""


@dataclass(frozen=True)
class Crops:
    """One window a sample, as shares of the image: `height`, `width` in (0, 1], `top`, `left`, and `flip`; each (B)."""

    top: Tensor
    left: Tensor
    height: Tensor
    width: Tensor
    flip: Tensor


def draw_crops(n_samples: int, *, generator: torch.Generator) -> Crops:
    """A random window and a fair flip for each of `n_samples`, on the CPU whatever the device that applies them.

    With area A ~ U(0.64, 1) and relative aspect ρ ~ U(1, 1.5), height is √(Aρ) and width √(A/ρ) of the image's; the
    first of ten draws that fits is taken, else the whole image; the corner is uniform over all that keep the window inside.
    """
    area = _uniform((n_samples, TRIES), *AREA, generator=generator)
    aspect = _uniform((n_samples, TRIES), *ASPECT, generator=generator)
    corner = torch.rand((n_samples, 2), generator=generator)
    flip = torch.rand(n_samples, generator=generator) < 0.5
    heights, widths = (area * aspect).sqrt(), (area / aspect).sqrt()
    fits = (heights <= 1) & (widths <= 1)
    first = fits.int().argmax(dim=1, keepdim=True)
    any_fits = fits.any(dim=1)
    height = torch.where(any_fits, heights.gather(1, first)[:, 0], 1.0)
    width = torch.where(any_fits, widths.gather(1, first)[:, 0], 1.0)
    return Crops(corner[:, 0] * (1 - height), corner[:, 1] * (1 - width), height, width, flip)


def apply_crops(pixels: Tensor, crops: Crops) -> Tensor:
    """The windows of `pixels` (B, C, H, W), each stretched to H×W and flipped if `crops.flip`, bilinear, same shape.

    Output pixel centre (u, v) in [0, 1]² reads the image at (left + width·u, top + height·v); reads beyond the
    border take the border's value. A whole, unflipped window returns the image up to rounding.
    """
    if not len(pixels):
        # a process may have no sample of a short batch, and torch refuses an empty grid
        return pixels
    sign = torch.where(crops.flip, -1.0, 1.0)
    theta = torch.zeros((len(crops.top), 2, 3))
    theta[:, 0, 0] = sign * crops.width
    theta[:, 0, 2] = 2 * crops.left + crops.width - 1
    theta[:, 1, 1] = crops.height
    theta[:, 1, 2] = 2 * crops.top + crops.height - 1
    grid = functional.affine_grid(theta.to(pixels.device, non_blocking=True), list(pixels.shape), align_corners=False)
    return functional.grid_sample(pixels, grid, mode="bilinear", padding_mode="border", align_corners=False)


def _uniform(shape: tuple[int, ...], low: float, high: float, *, generator: torch.Generator) -> Tensor:
    return low + (high - low) * torch.rand(shape, generator=generator)
