"""Online instance matching: the loss over a look-up table and a circular queue of embeddings, and that queue."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import torch
from torch import Tensor
from torch.nn import functional

from stages.nn.memory import update_memory

UNLABELLED: Final = -1
"""The label of a sample of no known class."""
_EMPTY: Final = -2


def matching_loss(
    embedding: Tensor, table: Tensor, queue: Tensor, labels: Tensor, owners: Tensor, *, temperature: float
) -> tuple[Tensor, Tensor]:
    """The mean cross-entropy over labelled samples, a scalar with gradient, and the share whose own class ranks first.

    `embedding` (B, e) x, `table` (K, e) V, `queue` (Q, e) U, `labels` (B) int64 in [0, K) or −1, `owners` (Q) int64 like
    them. Xiao et al., Joint Detection and Identification Feature Learning for Person Search, CVPR 2017, eq. (1):
    p(y given x) = exp(V_y·x/τ) / (Σ_j exp(V_j·x/τ) + Σ_k exp(U_k·x/τ)). Entries of the queue that the sample's own
    class left there (`owners` equal to its label) are not among the k: they would push a class from itself. Neither V
    nor U takes a gradient. Without a labelled sample both figures are 0.
    """
    labelled = labels != UNLABELLED
    target = labels[labelled]
    logits = embedding[labelled] @ torch.cat([table, queue]).detach().T / temperature
    own = owners == target[:, None]
    logits = logits.masked_fill(functional.pad(own, (len(table), 0)), -torch.inf)
    n_labelled = max(1, len(target))
    accuracy = (logits.detach().argmax(dim=1) == target).float().sum() / n_labelled
    return functional.cross_entropy(logits, target, reduction="sum") / n_labelled, accuracy


@dataclass
class CircularQueue:
    """The newest embeddings, `features` (Q, e), and the class of each, `owners` (Q); `place` is where the next one goes."""

    features: Tensor
    owners: Tensor
    place: int = 0

    @staticmethod
    def empty(size: int, embedding_dim: int, *, device: torch.device) -> CircularQueue:
        """A queue of `size` places, none of them taken."""
        return CircularQueue(
            torch.zeros(size, embedding_dim, device=device),
            torch.full((size,), _EMPTY, dtype=torch.int64, device=device),
        )

    def taken(self) -> tuple[Tensor, Tensor]:
        """`features` and `owners` of the places that are taken."""
        chosen = self.owners != _EMPTY
        return self.features[chosen], self.owners[chosen]

    @torch.no_grad()
    def push(self, embedding: Tensor, owners: Tensor) -> None:
        """Put `embedding` (B, e) of classes `owners` (B) in the oldest places, one after the other."""
        size = len(self.features)
        if not size:
            return
        n_pushed = len(embedding)
        kept = slice(max(0, n_pushed - size), n_pushed)
        places = (self.place + torch.arange(n_pushed, device=self.owners.device)[kept]) % size
        self.features[places] = embedding[kept]
        self.owners[places] = owners[kept]
        self.place = (self.place + n_pushed) % size


@dataclass
class InstanceMatching:
    """The loss with what it remembers: `table` (K, e) of the classes and `queue`.

    The paper queues samples of no known class. Where every sample is a class of its own, the baseline of the tables, there
    is none, so the queue holds the newest embeddings of all samples: negatives that are fresher than the table, for all
    classes but their own. With an empty queue the loss is the repelled loss.
    """

    table: Tensor
    queue: CircularQueue
    temperature: float

    def loss(self, embedding: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """`matching_loss` of a batch."""
        queue, owners = self.queue.taken()
        return matching_loss(embedding, self.table, queue, labels, owners, temperature=self.temperature)

    @torch.no_grad()
    def remember(self, embedding: Tensor, labels: Tensor) -> None:
        """Move the rows of the labelled samples, V_y ← normalise((V_y + x)/2) in batch order, and queue the embeddings."""
        labelled = labels != UNLABELLED
        update_memory(self.table, embedding[labelled], labels[labelled])
        self.queue.push(embedding, labels)
