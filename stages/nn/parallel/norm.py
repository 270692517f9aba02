"""Batch norm over the slices of several processes: torch's own for NCCL, and one for gloo, which torch has none for."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, cast

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from stages.processes import lost_process


def sum_over_processes(values: Tensor) -> Tensor:
    """`values`, summed over all processes, in place, by NCCL on GPUs, else by gloo. DbcError if a process is gone."""
    with lost_process(dist.get_rank(), dist.get_world_size()):
        dist.all_reduce(values)
    return values


class StartedSum:
    """A started sum over all processes, in place; DbcError if a process is gone."""

    def __init__(self, values: Tensor) -> None:
        with lost_process(dist.get_rank(), dist.get_world_size()):
            self._work: Any = dist.all_reduce(values, async_op=True)

    def wait(self) -> None:
        """Wait for the sum; on a GPU only its later work waits."""
        with lost_process(dist.get_rank(), dist.get_world_size()):
            self._work.wait()


def norm_of_all(norm: _BatchNorm) -> Callable[[Tensor], Tensor]:
    """A layer in place of `norm`, in training mode, with mean and variance over the images of all processes.

    It has the weights and running statistics of `norm` itself. With NCCL it is torch's own, which sends one message a norm
    where `shared_norm` sends two.
    """
    if dist.get_backend() == "nccl":
        return cast(Callable[[Tensor], Tensor], nn.SyncBatchNorm.convert_sync_batchnorm(norm).forward)  # type: ignore[no-untyped-call]
    # this imports the compiler, which takes as long as to import torch
    return functools.partial(torch.compiler.disable(shared_norm), norm)  # type: ignore[no-untyped-call]


def shared_norm(norm: _BatchNorm, images: Tensor) -> Tensor:
    """`norm`, in training mode, of `images` (b, C, …), with mean and variance over the images of all processes.

    Running statistics are updated as in one process. The result has the dtype of `images`; statistics are float32.
    """
    normalised: Tensor
    normalised, mean, variance, count = _SharedNorm.apply(images, norm.weight, norm.bias, norm.eps)
    if norm.track_running_stats and norm.running_mean is not None and norm.running_var is not None:
        _follow(norm, mean, variance * (count / (count - 1)))
    return normalised


@torch.no_grad()
def _follow(norm: _BatchNorm, mean: Tensor, unbiased_variance: Tensor) -> None:
    share: Any = norm.momentum
    if norm.num_batches_tracked is not None:
        norm.num_batches_tracked.add_(1)
        share = 1 / norm.num_batches_tracked.double() if norm.momentum is None else norm.momentum
    for running, new in ((norm.running_mean, mean), (norm.running_var, unbiased_variance)):
        if running is not None:
            running.copy_((1 - share) * running + share * new)


class _SharedNorm(torch.autograd.Function):
    """γ x̂ + β with x̂ = (x − μ) / √(σ² + ε), μ and σ² over the batch and its pixels; Ioffe and Szegedy, 2015.

    With dy the gradient of the result, N values a channel and sums over all processes,
    dx = γ / √(σ² + ε) · (dy − Σ dy / N − x̂ Σ(dy x̂) / N). dγ and dβ are those of the own images: they are summed with
    the other gradients.
    """

    @staticmethod
    def forward(
        ctx: Any, images: Tensor, weight: Tensor | None, bias: Tensor | None, eps: float
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        values = images.float()
        axes, view = _axes(values)
        first = torch.cat([values.sum(axes), values.new_full((1,), values.numel() / values.shape[1])])
        sum_over_processes(first)
        count, mean = first[-1], first[:-1] / first[-1]
        centred = values - mean.view(view)
        variance = sum_over_processes(centred.square().sum(axes)) / count
        scale = (variance + eps).rsqrt()
        ctx.save_for_backward(images, weight, mean, scale, count)
        ctx.has_bias = bias is not None
        result = centred * (scale if weight is None else scale * weight).view(view)
        if bias is not None:
            result = result + bias.view(view)
        ctx.mark_non_differentiable(mean, variance, count)
        return result.to(images.dtype), mean, variance, count

    @staticmethod
    def backward(ctx: Any, gradient: Tensor, *_: Tensor) -> tuple[Tensor, Tensor | None, Tensor | None, None]:
        images, weight, mean, scale, count = ctx.saved_tensors
        given = gradient.float()
        axes, view = _axes(given)
        normalised = (images.float() - mean.view(view)) * scale.view(view)
        own = torch.cat([given.sum(axes), (given * normalised).sum(axes)])
        own_bias, own_weight = own.clone().chunk(2)
        whole_bias, whole_weight = (sum_over_processes(own) / count).chunk(2)
        back = given - whole_bias.view(view) - normalised * whole_weight.view(view)
        back = back * (scale if weight is None else scale * weight).view(view)
        return (
            back.to(images.dtype),
            None if weight is None else own_weight,
            own_bias if ctx.has_bias else None,
            None,
        )


def _axes(values: Tensor) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """All axes but the channels', and the shape that broadcasts a value for each channel."""
    return (0, *range(2, values.dim())), (1, -1, *([1] * (values.dim() - 2)))
