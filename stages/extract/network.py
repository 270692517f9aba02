"""The network as extraction runs it: stored images in, pooled features out, prepared once for many batches."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import torch
from torch import Tensor, nn

from stages.extract.folding import folded
from stages.nn.images import normalize, resize
from stages.nn.model import ReidModel

Network: TypeAlias = Callable[[Tensor], Tensor]


class _FromPixels(nn.Module):
    """The pooled features (B, d) of images (B, H, W, 3) uint8, resized to `size`."""

    def __init__(self, backbone: nn.Module, size: tuple[int, int]) -> None:
        super().__init__()
        self.backbone = backbone
        self.size = size

    def forward(self, images: Tensor) -> Tensor:
        pixels = images.permute(0, 3, 1, 2).float()
        features: Tensor = self.backbone(normalize(resize(pixels, height=self.size[0], width=self.size[1])))
        return features


def inference_network(
    model: ReidModel, *, size: tuple[int, int], amp: bool, compiled: bool, device: torch.device
) -> Network:
    """A function from images (B, H, W, 3) uint8 to pooled features (B, d) float32, both on `device`, not normalised.

    It holds a copy of the backbone in eval mode, channels-last, its batch norms folded. With `amp` it computes in
    bfloat16, into which weights are rounded once; `compiled` has torch compile it, on the CPU with frozen weights, at the
    first batch. Every batch should have one shape.
    """
    backbone = folded(model.backbone).to(device)
    if amp:
        _round_weights(backbone)
    network = _FromPixels(backbone, size).to(memory_format=torch.channels_last)
    frozen: dict[str, Any] = {"freezing": True} if device.type == "cpu" else {}
    run: Network = torch.compile(network, dynamic=False, options=frozen) if compiled else network

    def features_of(images: Tensor) -> Tensor:
        with torch.inference_mode(), torch.autocast(device.type, dtype=torch.bfloat16, enabled=amp):
            return run(images).float()

    return features_of


def _round_weights(backbone: nn.Module) -> None:
    """Round, in place, the weights that autocast would round at every batch."""
    for module in backbone.modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            module.to(torch.bfloat16)
