"""The losses: least squares, cycle, identity of a style, and the contrastive loss that keeps who is who."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional

CYCLE, SAME_STYLE, SIMILARITY = 10.0, 5.0, 2.0
"""Weights of the losses beside the adversarial one."""
MARGIN = 2.0
"""Distance of unit vectors up to which a negative pair has a loss: always."""


def judged_real(scores: Tensor) -> Tensor:
    """The mean of (score − 1)²: what a generator lowers for its pictures."""
    return (scores - 1).square().mean()


def discrimination(real: Tensor, drawn: Tensor) -> Tensor:
    """½ ((real − 1)² + drawn²), the mean over patches."""
    return (judged_real(real) + drawn.square().mean()) / 2


def cycle(source: Tensor, back: Tensor, target: Tensor, target_back: Tensor) -> Tensor:
    """The mean absolute difference of both kinds of pictures and what comes back after two translations."""
    return functional.l1_loss(back, source) + functional.l1_loss(target_back, target)


def contrastive(first: Tensor, second: Tensor, *, same: bool) -> Tensor:
    """The mean of d² for pairs that are the same, of [m − d]₊² for others; d between rows of unit length (B, e)."""
    squared = (first - second).square().sum(dim=1)
    if same:
        return squared.mean()
    return functional.relu(MARGIN - squared.clamp(min=1e-12).sqrt()).square().mean()


def similarity(source: Tensor, restyled: Tensor, target: Tensor, target_restyled: Tensor) -> Tensor:
    """The contrastive loss over embeddings (B, e) of pictures of both sets and of them restyled, the mean of five terms.

    A picture and its restyled one are the same. A restyled picture and one of the set whose style it has are not, nor are one
    picture of each set.
    """
    positive = contrastive(source, restyled, same=True) + contrastive(target, target_restyled, same=True)
    negative = (
        contrastive(restyled, target, same=False)
        + contrastive(target_restyled, source, same=False)
        + contrastive(source, target, same=False)
    )
    return (positive + negative) / 5
