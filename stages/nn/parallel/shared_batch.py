"""One batch shared by several processes: each runs the backbone on a slice, and all run the head on the whole.

The result is that of one process, up to rounding: batch norms use the whole batch, features are gathered before the head,
and the backbone's gradients are summed over the processes. With one process nothing here has an effect.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torchvision.ops import StochasticDepth

from stages.nn.parallel.gradient_sums import GradientSums
from stages.nn.parallel.norm import norm_of_all, sum_over_processes
from stages.processes import OneProcess, Processes


class SharedBatch:
    """The batch that `processes` share, and this process's slice of it; `begin` sets its samples."""

    def __init__(self, processes: Processes | None = None) -> None:
        self.processes = processes or OneProcess()
        self._n_samples = 0
        self._n_frames = 1
        self._sums: GradientSums | None = None

    @property
    def is_shared(self) -> bool:
        """Whether there is more than one process."""
        return self.processes.size > 1

    def begin(self, n_samples: int, *, n_frames: int = 1) -> None:
        """Start a batch of `n_samples` with `n_frames` each."""
        self._n_samples, self._n_frames = n_samples, n_frames

    def own(self, n_samples: int) -> slice:
        """This process's slice of `n_samples`; slices differ by at most one sample."""
        rank, size = self.processes.rank, self.processes.size
        return slice(n_samples * rank // size, n_samples * (rank + 1) // size)

    @contextmanager
    def joined(self, backbone: nn.Module, head: nn.Module) -> Iterator[None]:
        """Inside, `backbone` in training mode uses statistics, and draws random numbers, of the whole batch.

        Gradients of both are summed during backward, and complete after `sum_gradients`.
        """
        if not self.is_shared:
            yield
            return
        changed = [module for module in backbone.modules() if _looks_at_the_batch(module)]
        self._sums = GradientSums(partial=backbone.parameters(), whole=head.parameters(), rank=self.processes.rank)
        for module in changed:
            # an attribute of the instance hides the method of its class, and state-dict names stay
            module.forward = self._forward_of(module)
        try:
            with self._sums.watching():
                yield
        finally:
            self._sums = None
            for module in changed:
                del module.forward

    def gathered(self, features: Tensor) -> Tensor:
        """The features (B, d) of the whole batch from those of each process; gradients flow to this process's own."""
        if not self.is_shared:
            return features
        whole: Tensor = _Gather.apply(features, self._n_samples, self.own(self._n_samples))
        return whole

    def sum_gradients(self) -> None:
        """Call after backward: gradients of the `joined` model become those of the whole batch, the same on all."""
        if self._sums is not None:
            self._sums.finish()

    def leaders(self, tensor: Tensor) -> Tensor:
        """The leader's `tensor`, from tensors that are the same on all processes up to rounding."""
        if not self.is_shared:
            return tensor
        return sum_over_processes(tensor.clone() if self.processes.rank == 0 else torch.zeros_like(tensor))

    def _forward_of(self, module: nn.Module) -> Any:
        if isinstance(module, _BatchNorm):
            # timm's batch norms have their dropout and activation inside
            inside = [part for name in ("drop", "act") if isinstance(part := getattr(module, name, None), nn.Module)]
            norm = norm_of_all(module)
            return lambda images: functools.reduce(lambda found, part: part(found), inside, norm(images))
        own_forward = type(module).forward

        def forward(images: Tensor) -> Tensor:
            """Dropout multiplies, so its factors are its result on ones."""
            n_whole = self._n_samples * self._n_frames
            own = self.own(self._n_samples)
            frames = slice(own.start * self._n_frames, own.stop * self._n_frames)
            ones = images.new_ones((n_whole, *images.shape[1:]))
            if images.dim() == 4 and images.is_contiguous(memory_format=torch.channels_last):
                # random numbers are drawn in the order of the memory
                ones = ones.contiguous(memory_format=torch.channels_last)
            factor: Tensor = own_forward(module, ones)
            return images * factor[frames]

        return forward


def _looks_at_the_batch(module: nn.Module) -> bool:
    if not module.training:
        return False
    drops = isinstance(module, nn.modules.dropout._DropoutNd | StochasticDepth) and float(module.p) > 0
    return drops or isinstance(module, _BatchNorm)


class _Gather(torch.autograd.Function):
    """Rows of all processes put together; zeros elsewhere make the sum exact."""

    @staticmethod
    def forward(ctx: Any, rows: Tensor, n_rows: int, own: slice) -> Tensor:
        ctx.own = own
        whole = rows.new_zeros((n_rows, *rows.shape[1:]))
        whole[own] = rows
        return sum_over_processes(whole)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        return gradient[ctx.own], None, None
