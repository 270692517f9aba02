"""Colour jitter of a whole batch on its device: brightness, contrast and saturation, one draw an image."""

from __future__ import annotations

import torch
from torch import Tensor

GREY = (0.299, 0.587, 0.114)
"""Weights of red, green and blue in grey (ITU-R BT.601)."""
BRIGHTEST = 255.0


def draw_jitter(n_images: int, *, strength: float, generator: torch.Generator) -> Tensor:
    """Factors (B, 3) of brightness, contrast and saturation, each uniform in [1 − strength, 1 + strength]."""
    return 1 + strength * (2 * torch.rand((n_images, 3), generator=generator) - 1)


def apply_jitter(pixels: Tensor, factors: Tensor) -> Tensor:
    """`pixels` (B, 3, H, W) in [0, 255] with brightness, then contrast, then saturation changed by `factors` (B, 3).

    Brightness multiplies; contrast moves pixels away from their image's mean grey, saturation from their own grey.
    Each step is clipped to [0, 255]. Factors of 1 change nothing but rounding.
    """
    brightness, contrast, saturation = factors.to(pixels.device, non_blocking=True).T[:, :, None, None, None]
    pixels = (pixels * brightness).clamp(0, BRIGHTEST)
    pixels = torch.lerp(_grey(pixels).mean(dim=(2, 3), keepdim=True), pixels, contrast).clamp(0, BRIGHTEST)
    return torch.lerp(_grey(pixels).expand_as(pixels), pixels, saturation).clamp(0, BRIGHTEST)


def _grey(pixels: Tensor) -> Tensor:
    """The grey of each pixel, (B, 1, H, W)."""
    return GREY[0] * pixels[:, :1] + GREY[1] * pixels[:, 1:2] + GREY[2] * pixels[:, 2:]
