"""Online instance matching: the loss over a look-up table and a circular queue of embeddings, and that queue."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import torch
from torch import Tensor
from torch.nn import functional

UNLABELLED: Final = -1
"""The label of a sample of no known class."""


def oim_loss(
    embedding: Tensor,
    table: Tensor,
    queue: Tensor,
    labels: Tensor,
    owners: Tensor,
    *,
    temperature: float,
    weights: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """The mean cross-entropy over labelled samples, a scalar with gradient, and the share whose own class ranks first.

    `embedding` (B, e) x, `table` (K, e) V, `queue` (Q, e) U, `labels` (B) int64 in [0, K) or −1, `owners` (Q) int64 like
    them, `weights` (B) as in `cross_entropy`. Xiao et al., Joint Detection and Identification Feature Learning for Person
    Search, CVPR 2017, eq. (1):
    p(y given x) = exp(V_y·x/τ) / (Σ_j exp(V_j·x/τ) + Σ_k exp(U_k·x/τ)). Entries of the queue that the sample's own
    class left there (`owners` equal to its label) are not among the k: they would push a class from itself. Neither V
    nor U takes a gradient. Without a labelled sample both results are 0; without a queue it is the repelled loss.

    The paper queues samples of no known class. If every sample is a class, as in the baseline of the published tables,
    there are none, so training queues the newest embeddings of all samples: fresher negatives than the table's.
    """
    logits = embedding @ torch.cat([table, queue]).detach().T / temperature
    own = functional.pad(owners == labels[:, None], (len(table), 0))
    logits = logits.masked_fill(own, -torch.inf)
    n_labelled = (labels != UNLABELLED).sum().clamp(min=1)
    accuracy = (logits.detach().argmax(dim=1) == labels).sum() / n_labelled
    loss = functional.cross_entropy(logits, labels, ignore_index=UNLABELLED, reduction="sum")
    if weights is not None:
        each = functional.cross_entropy(logits, labels, ignore_index=UNLABELLED, reduction="none")
        loss = loss - ((1 - weights) * each).sum()
    return loss / n_labelled, accuracy


@dataclass
class CircularQueue:
    """The newest embeddings: `features` (Q, e) and their classes `owners` (Q), of `n_pushed` in all."""

    features: Tensor
    owners: Tensor
    n_pushed: int = 0

    @staticmethod
    def empty(size: int, embedding_dim: int, *, device: torch.device) -> CircularQueue:
        """An empty queue for `size` embeddings."""
        owners = torch.full((size,), UNLABELLED, dtype=torch.int64, device=device)
        return CircularQueue(torch.zeros(size, embedding_dim, device=device), owners)

    def taken(self) -> tuple[Tensor, Tensor]:
        """`features` and `owners` of the embeddings in the queue."""
        return self.features[: self.n_pushed], self.owners[: self.n_pushed]

    @torch.no_grad()
    def push(self, embedding: Tensor, owners: Tensor) -> None:
        """Replace the oldest entries by `embedding` (B, e), L2-normalised, of classes `owners` (B).

        Dropout after the norm makes a training embedding longer, by √2 as published; unnormalised, queued samples would be
        stronger negatives than the unit vectors of the table.
        """
        size = len(self.features)
        if not size:
            return
        n_new = len(embedding)
        kept = slice(max(0, n_new - size), n_new)
        places = (self.n_pushed + torch.arange(n_new)[kept]) % size
        places = places.to(self.owners.device, non_blocking=True)
        self.features[places] = functional.normalize(embedding[kept], dim=1)
        self.owners[places] = owners[kept]
        self.n_pushed += n_new
