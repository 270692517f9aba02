"""Augmentation of a whole batch: drawn on the CPU, applied on the images' device."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor

from stages.nn.images import IMAGENET_STATISTICS, InputForm, Statistics, as_pixels, normalize, resize
from stages.train.images.compiled_crops import crop_images
from stages.train.images.crops import Crops, apply_crops, draw_crops
from stages.train.images.erasing import Erased, apply_erased, draw_erased, erased_pixels
from stages.train.images.jitter import apply_jitter, draw_jitter

T = TypeVar("T", Crops, Erased)


@dataclass(frozen=True)
class Augmentation:
    """The augmentation of each image of a batch; None for a kind that is off."""

    crops: Crops
    jitter: Tensor | None = None
    erased: Erased | None = None


def draw_augmentation(
    n_images: int, *, color_jitter: float, random_erasing: float, generator: torch.Generator, flips: bool = True
) -> Augmentation:
    """One draw an image: crop always, flip if it `flips`, jitter and erasing if their number is above 0.

    Jitter and erasing that are off draw nothing from `generator`, flips that are off what they draw otherwise, so the other
    draws stay the same.
    """
    crops = draw_crops(n_images, generator=generator)
    return Augmentation(
        crops if flips else replace(crops, flip=torch.zeros_like(crops.flip)),
        draw_jitter(n_images, strength=color_jitter, generator=generator) if color_jitter else None,
        draw_erased(n_images, probability=random_erasing, generator=generator) if random_erasing else None,
    )


def of_images(augmentation: Augmentation, own: slice) -> Augmentation:
    """The augmentation of the images `own` of the batch."""
    jitter, erased = augmentation.jitter, augmentation.erased
    return Augmentation(
        _part(augmentation.crops, own),
        None if jitter is None else jitter[own],
        None if erased is None else _part(erased, own),
    )


def _part(drawn: T, own: slice) -> T:
    return replace(drawn, **{field.name: getattr(drawn, field.name)[own] for field in fields(drawn)})


def augmented_input(images: Tensor, augmentation: Augmentation, *, form: InputForm) -> Tensor:
    """Network input, channels-last, of images (B, H, W, 3) uint8, on their device; `form` must have a size.

    It is `augmented` of the resized images. On the CPU a compiled loop computes it image by image, to within
    2e-6 · max(height, width): it places samples in float64 and rounds only as a float32 sum does.
    """
    if images.device.type == "cpu":
        return _on_the_host(images, augmentation, form)
    return augmented(resize(as_pixels(images), height=form.height, width=form.width), augmentation, form.statistics)


def augmented(pixels: Tensor, augmentation: Augmentation, statistics: Statistics = IMAGENET_STATISTICS) -> Tensor:
    """Network input (B, 3, H, W) of `pixels` in [0, 255]: cropped, jittered, erased to the mean, normalised."""
    return _finished(apply_crops(pixels, augmentation.crops), augmentation, statistics)


def _finished(pixels: Tensor, augmentation: Augmentation, statistics: Statistics) -> Tensor:
    """Cropped `pixels` after the other steps of `augmented`."""
    if augmentation.jitter is not None:
        pixels = apply_jitter(pixels, augmentation.jitter)
    if augmentation.erased is not None:
        mean = 255 * torch.tensor(statistics.mean).to(pixels.device, non_blocking=True)
        pixels = apply_erased(pixels, augmentation.erased, fill=mean)
    return normalize(pixels, statistics)


def _on_the_host(images: Tensor, augmentation: Augmentation, form: InputForm) -> Tensor:
    if tuple(images.shape[1:3]) != (form.height, form.width):
        images = resize(as_pixels(images), height=form.height, width=form.width).permute(0, 2, 3, 1)
    if augmentation.jitter is not None:
        # contrast needs the mean of the whole image, hence a second pass
        plain = _cropped(images, augmentation.crops, None, mean=(0, 0, 0), std=(1, 1, 1))
        return _finished(plain, augmentation, form.statistics)
    mean, std = (tuple(255 * value for value in values) for values in (form.statistics.mean, form.statistics.std))
    return _cropped(images, augmentation.crops, augmentation.erased, mean=mean, std=std)


def _cropped(
    images: Tensor, crops: Crops, blank: Erased | None, *, mean: tuple[float, ...], std: tuple[float, ...]
) -> Tensor:
    """(crop − mean) / std (B, 3, H, W) float32 of images (B, H, W, 3), 0 in blank pixels."""
    n_images, height, width, _ = images.shape
    result = torch.empty(images.shape)
    if blank is None:
        rows, columns = (torch.zeros((n_images, n_pixels), dtype=torch.bool) for n_pixels in (height, width))
    else:
        rows, columns = erased_pixels(blank, height=height, width=width, device=images.device)
    crop_images(
        images.contiguous().numpy(),
        torch.stack([crops.top, crops.left, crops.height, crops.width], dim=1).double().numpy(),
        crops.flip.numpy(),
        rows.numpy(),
        columns.numpy(),
        np.tile(np.array(mean, dtype=np.float32), width),
        np.tile(1 / np.array(std, dtype=np.float32), width),
        result.numpy(),
    )
    return result.permute(0, 3, 1, 2)
