"""How the weights and images of a network lie in memory on a device."""

from __future__ import annotations

import torch
from torch import Tensor, nn


def place(network: nn.Module, device: torch.device) -> torch.memory_format:
    """Move `network` to `device`; the memory format of its weights there, which its images are to have, too.

    Channels-last, which convolutions like, but not on a GPU if some are depthwise: for these cuDNN took 3 to 6 s at the first
    channels-last batch of every size (MobileNetV2 on an H100), and 0.1 s where the channels come first.
    """
    is_slow = device.type == "cuda" and any(is_depthwise(module) for module in network.modules())
    form = torch.contiguous_format if is_slow else torch.channels_last
    network.to(device, memory_format=form)  # type: ignore[call-overload]
    return form


def is_depthwise(module: nn.Module) -> bool:
    """Whether `module` is a convolution of each channel by itself."""
    return isinstance(module, nn.Conv2d) and module.groups > 1 and module.groups == module.in_channels


def laid_out(images: Tensor, form: torch.memory_format | None) -> Tensor:
    """`images` (B, 3, H, W) in memory format `form`; as they are if it is None."""
    return images if form is None else images.contiguous(memory_format=form)
