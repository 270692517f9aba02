"""From stored images to network input: normalised channels-last tensors of the input size."""

from __future__ import annotations

import functools
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from stages.nn.compiled_images import look_up
from stages.typing import Float32Array, Int64Array, UInt8Array

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


class HasShape(Protocol):
    """Anything with a shape."""

    @property
    def shape(self) -> tuple[int, ...]:
        """(n_images, H, W, 3)."""
        ...


@dataclass(frozen=True)
class Statistics:
    """Mean and deviation of each channel, for pixels in [0, 1], that normalise network input."""

    mean: tuple[float, float, float]
    std: tuple[float, float, float]


IMAGENET_STATISTICS = Statistics(IMAGENET_MEAN, IMAGENET_STD)


@dataclass(frozen=True)
class InputForm:
    """The input of a network: height and width in pixels (0: the stored size), and statistics."""

    height: int = 0
    width: int = 0
    statistics: Statistics = IMAGENET_STATISTICS

    def at(self, images: HasShape) -> InputForm:
        """This form, with the size of `images` if it has none."""
        return replace(self, height=self.height or images.shape[1], width=self.width or images.shape[2])


class StoredImages(HasShape, Protocol):
    """Decoded images (n_images, H, W, 3) uint8, read a batch at a time: a NumPy array or a stored one."""

    def __getitem__(self, index: Int64Array, /) -> UInt8Array:
        """The images `index` (B), in that order, as (B, H, W, 3) uint8."""
        ...


def network_input(images: Tensor, form: InputForm) -> Tensor:
    """Network input (B, 3, height, width) float32, channels-last, of images (B, H, W, 3) uint8, on their device.

    On the CPU images that need no resizing are looked up in a table of all 3 · 256 values, with the same bits.
    """
    if images.device.type == "cpu" and tuple(images.shape[1:3]) == (form.height, form.width):
        result = torch.empty(images.shape)
        look_up(images.contiguous().view(-1, 3).numpy(), _table(form.statistics), result.view(-1, 3).numpy())
        return result.permute(0, 3, 1, 2)
    return normalize(resize(as_pixels(images), height=form.height, width=form.width), form.statistics)


def as_pixels(images: Tensor) -> Tensor:
    """Images (B, H, W, 3) uint8 as float32 (B, 3, H, W) in [0, 255] on their device, channels-last in memory."""
    return images.permute(0, 3, 1, 2).float()


def resize(pixels: Tensor, *, height: int, width: int) -> Tensor:
    """Images (B, 3, height, width): bilinear with antialiasing; the same tensor if the size agrees."""
    if pixels.shape[2:] == (height, width):
        return pixels
    resized = functional.interpolate(pixels, size=(height, width), mode="bilinear", antialias=True, align_corners=False)
    return resized.contiguous(memory_format=torch.channels_last)


def normalize(pixels: Tensor, statistics: Statistics = IMAGENET_STATISTICS) -> Tensor:
    """Pixels in [0, 255] minus the mean over the deviation, by default ImageNet's, which torchvision's weights expect."""
    mean, std = _on_device(statistics, pixels.device)
    return ((pixels - mean) / std).contiguous(memory_format=torch.channels_last)


@functools.cache
def _on_device(statistics: Statistics, device: torch.device) -> tuple[Tensor, Tensor]:
    """Mean and deviation, (1, 3, 1, 1) each, made once for each device, because making them waits for its queue."""
    # tensors made in inference mode could not be used in training
    with torch.inference_mode(mode=False):
        mean, std = (torch.tensor(found, device=device).view(1, 3, 1, 1) for found in (statistics.mean, statistics.std))
        return mean * 255, std * 255


@functools.cache
def _table(statistics: Statistics) -> Float32Array:
    """`normalize` of each value of each channel, (3, 256)."""
    values = torch.arange(256, dtype=torch.float32).view(1, 1, 256, 1).expand(1, 3, 256, 1)
    return np.ascontiguousarray(normalize(values, statistics)[0, :, :, 0].numpy())
