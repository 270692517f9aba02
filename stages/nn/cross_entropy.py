"""The cross-entropy of a batch whose samples may count less than others."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional


def cross_entropy(logits: Tensor, labels: Tensor, weights: Tensor | None = None) -> Tensor:
    """(1/B) Σ_i w_i · −log p(y_i), a scalar with gradient: the mean over the batch, each sample times its weight.

    `logits` (B, K), `labels` (B) int64, `weights` (B) in [0, 1], 1 for all if None. The weights are no shares: they do not
    sum to 1, and a batch of small ones has a small loss.
    """
    mean = functional.cross_entropy(logits, labels)
    if weights is None:
        return mean
    # less what is missing to weights of 1, so that these give the bits of none
    return mean - ((1 - weights) * functional.cross_entropy(logits, labels, reduction="none")).mean()


def softmax_loss(logits: Tensor, labels: Tensor, weights: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """The `cross_entropy` of `logits` (B, K) with `labels` (B), with gradient, and the share of right classes."""
    accuracy = (logits.detach().argmax(dim=1) == labels).float().mean()
    return cross_entropy(logits, labels, weights), accuracy
