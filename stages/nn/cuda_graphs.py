"""Launches of a network recorded once and replayed as often as wanted.

A small batch keeps a GPU waiting for the processor, which starts hundreds of kernels a pass. A CUDA graph starts them all
at once. The kernels are those of the plain network.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import torch

Work = Callable[[], None]


class Recorder(Protocol):
    """Turns work into something that does it again."""

    def prepare(self, work: Work) -> None:
        """Do `work` beforehand, so that what is made at the first call is not recorded."""

    def record(self, work: Work) -> Work:
        """A function that repeats `work` on the tensors that it read and wrote while it was recorded."""


class GraphRecorder:
    """`Recorder` by CUDA graphs, which share one pool of memory."""

    def __init__(self, device: torch.device) -> None:
        self._stream = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
        self._pool = torch.cuda.graph_pool_handle()

    def prepare(self, work: Work) -> None:
        """See `Recorder`."""
        self._stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(self._stream):
            for _ in range(3):
                work()
        torch.cuda.current_stream().wait_stream(self._stream)

    def record(self, work: Work) -> Work:
        """See `Recorder`."""
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph, pool=self._pool, stream=self._stream):
            work()
        return graph.replay
