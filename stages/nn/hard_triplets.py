"""The batch-hard triplet loss: each sample against its farthest own and its nearest other one in the batch."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

MARGIN = 0.3
"""m, usual in re-identification."""


def batch_hard_triplet_loss(features: Tensor, labels: Tensor, *, weights: Tensor | None = None) -> Tensor:
    """The mean of [max over own ‖f − p‖ − min over others ‖f − n‖ + m]₊, a scalar with gradient.

    `features` (B, d) are not normalised, `labels` (B). Hermans, Beyer and Leibe, 2017, eq. (5). Samples that are alone in
    their class, or meet no other class, have no triplet and are left out; the loss of a batch without triplets is 0. The
    term of f counts its weight of `weights` (B) times, once if None.
    """
    squared = features.square().sum(dim=1)
    distance = (squared[:, None] + squared[None, :] - 2 * features @ features.T).clamp(min=1e-12).sqrt()
    same = labels[:, None] == labels[None, :]
    itself = torch.eye(len(labels), dtype=torch.bool, device=labels.device)
    farthest = distance.masked_fill(~same | itself, 0).max(dim=1).values
    nearest = distance.masked_fill(same, torch.inf).min(dim=1).values
    whole = (same & ~itself).any(dim=1) & (~same).any(dim=1)
    loss = functional.relu(farthest - nearest.where(whole, farthest.detach() + MARGIN) + MARGIN)
    if weights is not None:
        loss = loss * weights
    return (loss * whole).sum() / whole.sum().clamp(min=1)
