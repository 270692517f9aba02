"""Augmentation of a whole batch: everything random about it, drawn on the CPU, and its use on the device."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import TypeVar

import torch
from torch import Tensor

from stages.nn.images import IMAGENET_MEAN, normalize
from stages.train.crops import Crops, apply_crops, draw_crops
from stages.train.erasing import Rectangles, apply_rectangles, draw_rectangles
from stages.train.jitter import apply_jitter, draw_jitter

T = TypeVar("T", Crops, Rectangles)


@dataclass(frozen=True)
class Augmentation:
    """What is done to each image of a batch; None for what is not asked for."""

    crops: Crops
    jitter: Tensor | None = None
    rectangles: Rectangles | None = None


def draw_augmentation(
    n_images: int, *, color_jitter: float, random_erasing: float, generator: torch.Generator
) -> Augmentation:
    """One draw an image of each kind asked for: crop and flip always, the others where their number is above 0.

    What is not asked for takes nothing from `generator`, so it leaves the draws of the rest as they are.
    """
    return Augmentation(
        draw_crops(n_images, generator=generator),
        draw_jitter(n_images, strength=color_jitter, generator=generator) if color_jitter else None,
        draw_rectangles(n_images, probability=random_erasing, generator=generator) if random_erasing else None,
    )


def of_images(augmentation: Augmentation, own: slice) -> Augmentation:
    """What is done to the images `own` of the batch."""
    jitter, rectangles = augmentation.jitter, augmentation.rectangles
    return Augmentation(
        _part(augmentation.crops, own),
        None if jitter is None else jitter[own],
        None if rectangles is None else _part(rectangles, own),
    )


def _part(drawn: T, own: slice) -> T:
    return replace(drawn, **{field.name: getattr(drawn, field.name)[own] for field in fields(drawn)})


def augmented(pixels: Tensor, augmentation: Augmentation) -> Tensor:
    """Network input (B, 3, H, W) of `pixels` in [0, 255]: cropped, jittered, erased to ImageNet's mean, normalised."""
    pixels = apply_crops(pixels, augmentation.crops)
    if augmentation.jitter is not None:
        pixels = apply_jitter(pixels, augmentation.jitter)
    if augmentation.rectangles is not None:
        mean = 255 * torch.tensor(IMAGENET_MEAN).to(pixels.device, non_blocking=True)
        pixels = apply_rectangles(pixels, augmentation.rectangles, fill=mean)
    return normalize(pixels)
