"""The order of samples in an epoch, and the learning rate of a step."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from schemas.parameters import TrainParameters
from stages.arrays.partition import members_of
from stages.typing import Int64Array

DECAY = 0.1
"""Factor of the learning rate after `decay_after` epochs."""


def learning_rate(step: int, *, steps_per_epoch: int, parameters: TrainParameters) -> float:
    """The rate of a step counted from 0.

    `step`: the base rate, a tenth of it from epoch `decay_after` on. `cosine`: base · (1 + cos(πk/n))/2 in the k-th of
    the n steps after the warm-up, k = 0 … n − 1, as in Loshchilov and Hutter, ICLR 2017: the first has the base rate, and
    0 would be reached one step after the last. Either is multiplied, in the w steps of the warm-up, by 1/w, 2/w, …, 1.
    """
    warmup = round(parameters.warmup_epochs * steps_per_epoch)
    if parameters.lr_schedule == "cosine":
        left = max(1, parameters.epochs * steps_per_epoch - warmup)
        rate = parameters.learning_rate * (1 + math.cos(math.pi * min(1, max(0, step - warmup) / left))) / 2
    else:
        decayed = parameters.decay_after is not None and step // steps_per_epoch >= parameters.decay_after
        rate = parameters.learning_rate * DECAY if decayed else parameters.learning_rate
    return rate * (step + 1) / warmup if step < warmup else rate


def n_batches(n_samples: int, batch_size: int) -> int:
    """Batches of an epoch: the last may be short, but a single sample is left out, which batch norm cannot take."""
    full, rest = divmod(n_samples, batch_size)
    return full + (rest > 1)


def epoch_order(n_samples: int, *, generator: torch.Generator) -> Tensor:
    """The samples of an epoch in random order, (n_samples) int64."""
    return torch.randperm(n_samples, generator=generator)


def balanced_order(labels: Int64Array, *, per_class: int, generator: torch.Generator) -> Tensor:
    """The samples of an epoch in random order, `per_class` of one class after each other, (n_samples) int64.

    The samples of every class of `labels` (n_samples) are cut into groups; the last group of a class is filled up with
    others of it, which so come twice. Groups follow each other at random, cut off after n_samples: an epoch is as long as
    ever, and leaves some samples out.
    """
    groups: list[Tensor] = []
    for members in members_of(labels):
        own = torch.from_numpy(members)
        shuffled = own[torch.randperm(len(own), generator=generator)]
        n_missing = -len(own) % per_class
        fill = own[torch.randint(len(own), (n_missing,), generator=generator)]
        groups += torch.split(torch.cat([shuffled, fill]), per_class)
    order = torch.randperm(len(groups), generator=generator)
    return torch.cat([groups[group] for group in order.tolist()])[: len(labels)]


def paired_order(n_samples: int, n_others: int, *, batch_size: int, generator: torch.Generator) -> Tensor:
    """The order of an epoch whose batches hold as many other samples as samples: first `batch_size` of the `n_samples`, then
    as many of the `n_others`, numbered from n_samples on, and so on.

    Each of the former comes once, but for a last one that would be alone. The others come in turn, as often as needed.
    """
    own = in_batches(epoch_order(n_samples, generator=generator), batch_size)
    rounds = [epoch_order(n_others, generator=generator) for _ in range(-(-n_samples // n_others))]
    others = torch.split(torch.cat(rounds)[: sum(map(len, own))] + n_samples, batch_size)
    return torch.cat([part for pair in zip(own, others, strict=True) for part in pair])


def in_batches(order: Tensor, batch_size: int) -> list[Tensor]:
    """The order of an epoch, cut into `n_batches` batches."""
    return list(torch.split(order, batch_size))[: n_batches(len(order), batch_size)]
