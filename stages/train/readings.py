"""Loss and accuracy of steps, read from a GPU a few steps late so that it never waits for the loop."""

from __future__ import annotations

from collections import deque
from typing import Any

import torch
from torch import Tensor

LATE = 2
"""Steps that a GPU may be ahead of what was read."""


class Readings:
    """(loss, accuracy) in order of the steps: at once on the CPU, `LATE` steps later on a GPU."""

    def __init__(self) -> None:
        self._unread: deque[tuple[Tensor, Any]] = deque()

    def add(self, reading: Tensor) -> list[tuple[float, float]]:
        """Add the (loss, accuracy) of a step; returns the pairs that are due."""
        if reading.device.type != "cuda":
            return [_pair(reading)]
        host = torch.empty(reading.shape, pin_memory=True).copy_(reading, non_blocking=True)
        self._unread.append((host, torch.cuda.current_stream(reading.device).record_event()))
        return self._read(keep=LATE)

    def rest(self) -> list[tuple[float, float]]:
        """The remaining pairs, after waiting for them."""
        return self._read(keep=0)

    def _read(self, *, keep: int) -> list[tuple[float, float]]:
        pairs = []
        while len(self._unread) > keep:
            host, there = self._unread.popleft()
            there.synchronize()
            pairs.append(_pair(host))
        return pairs


def _pair(reading: Tensor) -> tuple[float, float]:
    loss, accuracy = reading.tolist()
    return loss, accuracy
