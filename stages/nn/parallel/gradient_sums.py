"""Gradients summed over processes, bucket by bucket, while backward still computes those of earlier layers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import torch
from torch import Tensor

from stages.nn.parallel.norm import StartedSum

BUCKET_BYTES = 25 << 20
"""Size of a bucket: large enough that the start of a sum costs little, small enough that the last sum ends soon."""


@dataclass
class _Bucket:
    """Parameters whose gradients are sent together; `missing` of them have none yet in this backward."""

    parameters: list[Tensor] = field(default_factory=list)
    missing: int = 0
    flat: Tensor | None = None
    work: StartedSum | None = None


class GradientSums:
    """Sums the gradients of `partial` over processes; those of `whole`, the same on all, become the leader's.

    Buckets are filled from the last parameter to the first, as in backward, and sent in that order on every process,
    because all must start their sums in one order. A sum over two processes has the same bits however it is cut; with
    more, gloo and NCCL may order it differently.
    """

    def __init__(self, *, partial: Iterable[Tensor], whole: Iterable[Tensor], rank: int) -> None:
        alike = [parameter for parameter in whole if parameter.requires_grad]
        ordered = [*reversed(alike), *reversed([parameter for parameter in partial if parameter.requires_grad])]
        self._others = set() if rank == 0 else {id(parameter) for parameter in alike}
        self._buckets = _cut(ordered)
        self._bucket_of = {id(p): bucket for bucket in self._buckets for p in bucket.parameters}
        self._begin()

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Inside, a bucket is sent as soon as its gradients, and those of the buckets before it, are ready."""
        hooks = [
            parameter.register_post_accumulate_grad_hook(self._arrived)  # type: ignore[no-untyped-call]
            for bucket in self._buckets
            for parameter in bucket.parameters
        ]
        try:
            yield
        finally:
            for hook in hooks:
                hook.remove()

    def finish(self) -> None:
        """Call after backward: every gradient becomes the sum, in place; DbcError if a process is gone."""
        for bucket in self._buckets[self._n_sent :]:
            # a part of the network that this step did not use has no gradient, on any process
            self._send(bucket)
        for bucket in self._buckets:
            if bucket.work is not None:
                bucket.work.wait()
                _put_back(bucket)
        self._begin()

    def _begin(self) -> None:
        self._n_sent = 0
        for bucket in self._buckets:
            bucket.missing, bucket.flat, bucket.work = len(bucket.parameters), None, None

    def _arrived(self, parameter: Tensor) -> None:
        self._bucket_of[id(parameter)].missing -= 1
        while self._n_sent < len(self._buckets) and not self._buckets[self._n_sent].missing:
            self._send(self._buckets[self._n_sent])
            self._n_sent += 1

    @torch.no_grad()
    def _send(self, bucket: _Bucket) -> None:
        parts = [
            # a sum with zeros is the leader's to the last bit, even if processors differ
            (torch.zeros_like(gradient) if id(parameter) in self._others else gradient).reshape(-1)
            for parameter in bucket.parameters
            if (gradient := parameter.grad) is not None
        ]
        if parts:
            bucket.flat = torch.cat(parts)
            bucket.work = StartedSum(bucket.flat)


def _cut(ordered: list[Tensor]) -> list[_Bucket]:
    """The parameters in buckets, each closed by the parameter with which it reaches `BUCKET_BYTES`."""
    buckets, n_bytes = [_Bucket()], 0
    for parameter in ordered:
        if n_bytes >= BUCKET_BYTES:
            buckets.append(_Bucket())
            n_bytes = 0
        buckets[-1].parameters.append(parameter)
        n_bytes += parameter.numel() * parameter.element_size()
    return buckets


@torch.no_grad()
def _put_back(bucket: _Bucket) -> None:
    if bucket.flat is None:
        return
    gradients = [parameter.grad for parameter in bucket.parameters if parameter.grad is not None]
    totals = torch.split(bucket.flat, [gradient.numel() for gradient in gradients])
    for gradient, total in zip(gradients, totals, strict=True):
        gradient.copy_(total.view_as(gradient))
