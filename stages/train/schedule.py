"""When what is trained: the order of samples in an epoch, and the learning rate of an epoch."""

from __future__ import annotations

import torch
from torch import Tensor

DECAY = 0.1
"""What the learning rate is multiplied with after `decay_after` epochs."""


def learning_rate(epoch: int, *, base: float, decay_after: int | None) -> float:
    """The rate of an epoch counted from 0: `base`, and a tenth of it from epoch `decay_after` on."""
    return base if decay_after is None or epoch < decay_after else base * DECAY


def n_batches(n_samples: int, batch_size: int) -> int:
    """How many batches an epoch has: the last one may be short, but not of one sample, which has no batch norm."""
    full, rest = divmod(n_samples, batch_size)
    return full + (rest > 1)


def epoch_batches(n_samples: int, batch_size: int, *, generator: torch.Generator) -> list[Tensor]:
    """A random permutation of the samples in batches of int64 indices; `n_batches` of them."""
    order = torch.randperm(n_samples, generator=generator)
    return list(torch.split(order, batch_size))[: n_batches(n_samples, batch_size)]
