"""Processes started by torchrun, as the merge wants to talk to them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


class TorchExchange:
    """The processes of an initialised `torch.distributed` group, as `stages.merge.exchange.Exchange` describes them."""

    def __init__(self) -> None:
        import torch.distributed as dist

        self.rank, self.size = dist.get_rank(), dist.get_world_size()
        self._device = f"cuda:{_current_cuda_device()}" if dist.get_backend() == "nccl" else "cpu"

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
