"""The classifier of the softmax loss: a linear layer over classes, which training learns and then drops."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

DEVIATION = 0.001
"""Standard deviation of the first weights, as usual for classifiers in re-identification."""


def new_classifier(embedding_dim: int, n_classes: int, *, seed: int, device: torch.device) -> nn.Linear:
    """A linear layer from embeddings (e) to classes (K), with weights drawn from `seed` and a bias of 0."""
    layer: nn.Linear = nn.utils.skip_init(nn.Linear, embedding_dim, n_classes)  # type: ignore[no-untyped-call]
    nn.init.normal_(layer.weight, std=DEVIATION, generator=torch.Generator().manual_seed(seed))
    nn.init.zeros_(layer.bias)
    return layer.to(device)


def softmax_loss(logits: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """The mean cross-entropy of `logits` (B, K) with `labels` (B), with gradient, and the share of right classes."""
    accuracy = (logits.detach().argmax(dim=1) == labels).float().mean()
    return functional.cross_entropy(logits, labels), accuracy
