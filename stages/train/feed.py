"""Batches on their way into the loop, read ahead by a thread where reading takes time."""

from __future__ import annotations

from collections import deque
from collections.abc import Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from stages.train.draws import Draw
from stages.train.sources import FrameSource

AHEAD = 2
"""Batches in work beside the one that is trained on."""


def feed(
    draws: Iterable[Draw], source: FrameSource, *, device: torch.device
) -> Generator[tuple[Draw, Tensor], None, None]:
    """Each draw with its frames (B·T, H, W, 3) uint8 on `device`, in order; the same whether or not they are read ahead."""
    if not source.waits:
        for draw in draws:
            yield draw, source.batch(draw.frames)
        return
    stream = torch.cuda.Stream(device) if device.type == "cuda" else None  # type: ignore[no-untyped-call]
    reader = _Reader(source, stream)
    with ThreadPoolExecutor(1, thread_name_prefix="read-ahead") as pool:
        pending: deque[tuple[Draw, Future[_Read]]] = deque()
        try:
            for draw in draws:
                pending.append((draw, pool.submit(reader.read, draw)))
                if len(pending) > AHEAD:
                    yield reader.received(*pending.popleft())
            while pending:
                yield reader.received(*pending.popleft())
        finally:
            for _, future in pending:
                future.cancel()


@dataclass(frozen=True)
class _Read:
    """Frames, and the event after which they are there; None where they are."""

    frames: Tensor
    there: Any


@dataclass(frozen=True)
class _Reader:
    """Reads in a thread; on a GPU it copies on a stream of its own, beside the network's work."""

    source: FrameSource
    stream: Any

    def read(self, draw: Draw) -> _Read:
        """In the thread: the frames of `draw`, perhaps still on their way."""
        if self.stream is None:
            return _Read(self.source.batch(draw.frames), None)
        with torch.cuda.stream(self.stream):
            frames = self.source.batch(draw.frames)
            return _Read(frames, self.stream.record_event())

    def received(self, draw: Draw, future: Future[_Read]) -> tuple[Draw, Tensor]:
        """In the loop: the frames, which the loop's stream waits for and keeps from being reused too early."""
        read = future.result()
        if read.there is not None:
            current = torch.cuda.current_stream(read.frames.device)
            current.wait_event(read.there)
            read.frames.record_stream(current)
        return draw, read.frames
