"""How the weights and images of a network lie in memory on a device."""

from __future__ import annotations

import torch
from torch import Tensor, nn

FEWEST_PIXELS = 32 * 256 * 128
"""Pixels of a batch from which channels-last is so much faster for depthwise convolutions that it is worth its beginning."""


def place(network: nn.Module, device: torch.device, *, n_pixels: int) -> torch.memory_format:
    """Move `network` to `device`; the memory format of its weights there, which its images are to have, too.

    Channels-last, which convolutions like, but not on a GPU if some are depthwise and a batch has few pixels (`n_pixels` in
    all). On an H100 cuDNN took 5 to 14 s for the first channels-last batch of a size of MobileNetV2, forward and backward, and
    0.6 s channels first. A recorded step then took 2.8 and 2.5 ms with 16 images of 128×64, 10 and 18 ms with 64 of 256×128.
    """
    begins_late = device.type == "cuda" and any(is_depthwise(module) for module in network.modules())
    form = torch.contiguous_format if begins_late and n_pixels < FEWEST_PIXELS else torch.channels_last
    network.to(device, memory_format=form)  # type: ignore[call-overload]
    return form


def is_depthwise(module: nn.Module) -> bool:
    """Whether `module` is a convolution of each channel by itself."""
    return isinstance(module, nn.Conv2d) and module.groups > 1 and module.groups == module.in_channels


def laid_out(images: Tensor, form: torch.memory_format | None) -> Tensor:
    """`images` (B, 3, H, W) in memory format `form`; as they are if it is None."""
    return images if form is None else images.contiguous(memory_format=form)
