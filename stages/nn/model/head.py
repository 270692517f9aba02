"""The embedding head: from pooled features to the unit vectors that the repelled loss compares."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional


class EmbeddingHead(nn.Module):
    """Linear d to e, batch norm, L2 norm, then dropout in training, as published: pooled (B, d) to (B, e).

    Dropout comes after the norm, so training embeddings have no unit length; it draws from torch's CPU generator on every
    device. Weights are He-normal over the outputs, drawn from `seed`; bias is 0, batch norm 1 and 0.
    """

    def __init__(self, dim: int, embedding_dim: int, *, dropout: float = 0.5, seed: int = 0) -> None:
        super().__init__()
        # as skip_init does, which imports a computer algebra system for it: half a second
        self.linear = nn.Linear(dim, embedding_dim, device="meta")
        self.linear.weight = nn.Parameter(torch.empty(embedding_dim, dim))
        self.linear.bias = nn.Parameter(torch.empty(embedding_dim))
        self.norm = nn.BatchNorm1d(embedding_dim)
        self.dropout = dropout
        generator = torch.Generator().manual_seed(seed)
        nn.init.kaiming_normal_(self.linear.weight, mode="fan_out", generator=generator)
        nn.init.zeros_(self.linear.bias)

    def forward(self, pooled: Tensor) -> Tensor:
        """The embeddings (B, e) of pooled features (B, d) that are not normalised."""
        return self._dropped(functional.normalize(self.norm(self.linear(pooled)), dim=1))

    def unnormalised(self, pooled: Tensor) -> Tensor:
        """The batch-normalised embeddings (B, e), without their L2 norm, then dropout in training: what a classifier reads."""
        return self._dropped(self.norm(self.linear(pooled)))

    def _dropped(self, embedding: Tensor) -> Tensor:
        """`embedding` after dropout, which is drawn on the CPU, so that devices and processes agree."""
        if not self.training or not self.dropout:
            return embedding
        kept = torch.empty(embedding.shape, dtype=embedding.dtype).bernoulli_(1 - self.dropout).div_(1 - self.dropout)
        return embedding * kept.to(embedding.device, non_blocking=True)
