"""Training on whitened features instead of a head: the loss then moves what merging and retrieval compare."""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from stages.features.whitening import Whitening
from stages.nn.model.head import EmbeddingHead
from stages.nn.model.network import ReidModel


class WhitenedHead(nn.Module):
    """The embeddings (B, d) of pooled features (B, d): L2 norm, a fixed whitening, L2 norm, then dropout in training.

    Nothing in it is learnt, so every gradient reaches the backbone.
    """

    mean: Tensor
    matrix: Tensor

    def __init__(self, whitening: Whitening, *, dropout: float) -> None:
        super().__init__()
        self.register_buffer("mean", torch.from_numpy(whitening.mean).float())
        self.register_buffer("matrix", torch.from_numpy(whitening.matrix).float())
        self.dropout = nn.Dropout(dropout)

    def forward(self, pooled: Tensor) -> Tensor:
        """The embeddings (B, d) of pooled features (B, d) that are not normalised."""
        moved = (functional.normalize(pooled, dim=1) - self.mean) @ self.matrix
        embedding: Tensor = self.dropout(functional.normalize(moved, dim=1))
        return embedding


def with_whitened_head(model: ReidModel, whitening: Whitening, *, dropout: float) -> ReidModel:
    """`model`'s own backbone under a `WhitenedHead`; its own head is left alone."""
    head = WhitenedHead(whitening, dropout=dropout)
    # training asks nothing of a head but to be a module
    return ReidModel(model.backbone, cast(EmbeddingHead, head), model.input_form)
