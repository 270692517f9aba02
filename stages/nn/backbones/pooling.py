"""Pooling a feature map: the generalised mean."""

from __future__ import annotations

import torch
from torch import Tensor, nn

_SMALLEST = 1e-6


class GeneralizedMean(nn.Module):
    """(mean over the map of x^p)^(1/p) for each channel (Radenović, Tolias, Chum, PAMI 2019), p learnt from 3.

    Feature maps (B, C, H, W), not negative, to (B, C, 1, 1) in float32. p = 1 is the mean; a large p nears the maximum.
    Values below 1e-6 count as 1e-6, because the root has no gradient at 0.
    """

    def __init__(self, p: float = 3.0) -> None:
        super().__init__()
        self.p = nn.Parameter(torch.tensor([float(p)]))

    def forward(self, maps: Tensor) -> Tensor:
        """The pooled features."""
        # the powers overflow in half precision
        powers = maps.float().clamp(min=_SMALLEST).pow(self.p.float())
        return powers.mean(dim=(2, 3), keepdim=True).pow(1 / self.p.float())
