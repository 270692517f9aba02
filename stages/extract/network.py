"""The backbone prepared for extraction: from network input to pooled features."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import torch
from torch import Tensor, nn

from stages.extract.folding import folded
from stages.nn.model.network import ReidModel

Network: TypeAlias = Callable[[Tensor], Tensor]


def inference_network(model: ReidModel, *, amp: bool, compiled: bool, device: torch.device) -> Network:
    """A function from network input (B, 3, H, W) to pooled features (B, d) float32, both on `device`, not normalised.

    With `compiled`, torch compiles the `prepared_backbone` at the first batch. All batches should have one shape.
    """
    backbone: Network = prepared_backbone(model, amp=amp, device=device)
    run = compiled_network(backbone, device=device) if compiled else backbone

    def features_of(images: Tensor) -> Tensor:
        with torch.inference_mode(), torch.autocast(device.type, dtype=torch.bfloat16, enabled=amp):
            return run(images).float()

    return features_of


def prepared_backbone(model: ReidModel, *, amp: bool, device: torch.device) -> nn.Module:
    """A copy of the backbone for inference on `device`: in eval mode, channels-last, its batch norms folded.

    With `amp`, weights that autocast would round to bfloat16 at every batch are rounded once.
    """
    backbone = folded(model.backbone).to(device)
    if amp:
        for module in backbone.modules():
            if isinstance(module, nn.Conv2d | nn.Linear):
                module.to(torch.bfloat16)
    return backbone.to(memory_format=torch.channels_last)


def compiled_network(network: Network, *, device: torch.device) -> Network:
    """`network`, compiled by torch at its first call; on the CPU with frozen weights, in the fastest layout."""
    frozen: dict[str, Any] = {"freezing": True} if device.type == "cpu" else {}
    return torch.compile(network, dynamic=False, options=frozen)
