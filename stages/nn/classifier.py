"""The classifier of the softmax loss, a linear layer over classes, which training learns and then drops; and what EUG adds."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from stages.nn.lookup_table import repelled_loss

DEVIATION = 0.001
"""Standard deviation of the first weights, as usual for classifiers in re-identification."""
CLASSIFIED = 0.8
"""λ of the loss with exclusive classes, as published."""


def new_classifier(embedding_dim: int, n_classes: int, *, seed: int, device: torch.device) -> nn.Linear:
    """A linear layer from embeddings (e) to classes (K), with weights drawn from `seed` and a bias of 0."""
    layer: nn.Linear = nn.utils.skip_init(nn.Linear, embedding_dim, n_classes)  # type: ignore[no-untyped-call]
    nn.init.normal_(layer.weight, std=DEVIATION, generator=torch.Generator().manual_seed(seed))
    nn.init.zeros_(layer.bias)
    return layer.to(device)


def with_exclusive(classified: Tensor, embedding: Tensor, table: Tensor, rows: Tensor, *, temperature: float) -> Tensor:
    """λ times the `classified` loss and (1 − λ) times the repelled loss of other samples, each of which is its own class.

    `embedding` (B', e) are L2-normalised, and `rows` (B') theirs in `table` (U, e), which holds all U samples without a
    class. Wu et al., TIP 2019: λ = 0.8, and a temperature of 0.1 (a factor of 10).
    """
    exclusive, _ = repelled_loss(embedding, table, rows, temperature=temperature)
    return CLASSIFIED * classified + (1 - CLASSIFIED) * exclusive
