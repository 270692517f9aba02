"""Processes started by torchrun, as the merge wants to talk to them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
from numpy.typing import NDArray


def n_processes() -> int:
    """How many processes torchrun started this one among; 1 without it."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def is_leader() -> bool:
    """Whether this process writes and prints for all."""
    return int(os.environ.get("RANK", "0")) == 0


def own_device(device: str) -> str:
    """`device`, and for `auto` or `cuda` among several processes of a machine with GPUs the one of this process."""
    if n_processes() == 1 or device not in ("auto", "cuda"):
        return device
    import torch

    if not torch.cuda.is_available():
        return device
    return f"cuda:{int(os.environ.get('LOCAL_RANK', '0')) % torch.cuda.device_count()}"


@contextmanager
def joined_processes(device: str) -> Iterator[TorchExchange | None]:
    """The group that torchrun started, over NCCL for a CUDA `device` and over gloo else; None for one process.

    Leaving it at the end is what lets a process exit while others still talk.
    """
    if n_processes() == 1:
        yield None
        return
    import torch
    import torch.distributed as dist

    on_gpu = device.startswith("cuda")
    if on_gpu:
        torch.cuda.set_device(device)
    dist.init_process_group("nccl" if on_gpu else "gloo")
    try:
        yield TorchExchange()
    finally:
        dist.destroy_process_group()


class TorchExchange:
    """The processes of an initialised `torch.distributed` group, as `stages.merge.exchange.Exchange` describes them."""

    def __init__(self) -> None:
        import torch.distributed as dist

        self.rank, self.size = dist.get_rank(), dist.get_world_size()
        self._device = f"cuda:{_current_cuda_device()}" if dist.get_backend() == "nccl" else "cpu"

    def leaders_word(self, *, needed: bool) -> bool:
        """Whether the leader says that the work is needed, on every process, once all have asked."""
        return bool(self.all_gather(np.full((1, 3), float(needed)))[0][0, 0])

    def meet(self) -> None:
        """Wait until every process is here."""
        self.all_gather(np.zeros((1, 3)))

    def all_gather(self, values: NDArray[np.float64]) -> list[NDArray[np.float64]]:
        """`values` (any number, 3) of every process, in order of rank; padded for the way, since lengths differ."""
        import torch
        import torch.distributed as dist

        length = torch.tensor([len(values)], device=self._device)
        lengths = [torch.zeros_like(length) for _ in range(self.size)]
        dist.all_gather(lengths, length)
        longest = max(int(other) for other in lengths)
        padded = torch.zeros((longest, 3), dtype=torch.float64, device=self._device)
        padded[: len(values)] = torch.from_numpy(values)
        everything = [torch.empty_like(padded) for _ in range(self.size)]
        dist.all_gather(everything, padded)
        return [part[: int(n)].cpu().numpy() for part, n in zip(everything, lengths, strict=True)]


def _current_cuda_device() -> int:
    import torch

    return torch.cuda.current_device()
