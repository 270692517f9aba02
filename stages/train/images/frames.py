"""The samples that are trained on: stored frames, clusters, and the frames drawn for a step."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from stages.samples import consecutive
from stages.typing import Float32Array, Int64Array


@dataclass(frozen=True)
class TrainSamples:
    """Sample i is the frames `first[i]` to `first[i] + count[i]` of a source, in cluster `labels[i]`; (n) int64 each.

    Samples without a cluster come last; their labels are −1, −2, …: a class of its own for each, for the exclusive loss.
    `weights` (n) float32 say how much the loss of each sample counts, that of its own class aside; None if all count alike.
    `places` (n,) int64 are the rows of their cameras in the statistics of a `CameraNorm`, if the backbone has one.
    """

    first: Int64Array
    count: Int64Array
    labels: Int64Array
    weights: Float32Array | None = None
    places: Int64Array | None = None

    def __len__(self) -> int:
        return len(self.labels)

    @cached_property
    def n_others(self) -> int:
        """How many samples have no cluster; counted once, for steps ask."""
        return int((self.labels < 0).sum())

    @property
    def frames(self) -> Int64Array:
        """Every frame of every sample, in order of the samples."""
        return consecutive(self.first, self.count)

    def packed(self) -> TrainSamples:
        """These samples numbered for a source that holds only `frames`, in that order."""
        return replace(self, first=np.cumsum(self.count) - self.count)


def draw_frames(count: Tensor, *, n_frames: int, generator: torch.Generator) -> Tensor:
    """`n_frames` random frames of each sample of `count` (B) frames: (B, n_frames) int64 in [0, count).

    Without replacement if the sample has as many, else with replacement, as published for video.
    """
    longest = max(int(count.max()), n_frames)
    keys = torch.rand((len(count), longest), generator=generator, dtype=torch.float64)
    keys = keys.masked_fill(torch.arange(longest) >= count[:, None], torch.inf)
    distinct = keys.argsort(dim=1, stable=True)[:, :n_frames]
    repeated = (torch.rand((len(count), n_frames), generator=generator, dtype=torch.float64) * count[:, None]).long()
    return torch.where(count[:, None] >= n_frames, distinct, repeated.minimum(count[:, None] - 1))
