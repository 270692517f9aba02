"""Batches for the loop, prepared ahead by a thread if that takes time."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable
from contextlib import closing
from dataclasses import dataclass
from itertools import repeat
from typing import Any, TypeAlias

import torch
from torch import Tensor

from stages.nn.prefetch import n_readers, prefetch
from stages.train.images.augment import Augmentation
from stages.train.images.draws import Draw
from stages.train.images.sources import FrameSource

AHEAD = 2
"""Batches prepared beside the one that is trained on, at least."""

ToInput: TypeAlias = Callable[[Tensor, Augmentation], Tensor]
"""From frames (B·T, H, W, 3) uint8 to network input (B·T, 3, H, W) on the same device."""


def feed(
    draws: Iterable[Draw], source: FrameSource, *, device: torch.device, to_input: ToInput
) -> Generator[tuple[Draw, Tensor], None, None]:
    """Each draw with its network input on `device`, in order; preparing ahead does not change it.

    A thread reads frames and, on the CPU, augments them too; for a GPU several read, and it augments them in the loop. Draws
    are made in this thread, but for images that are on a GPU.
    """
    if not source.waits:
        # nothing is read; on a GPU draws are made beside the thread that launches, which small batches wait for
        for draw in _drawn_ahead(draws) if device.type == "cuda" else draws:
            yield draw, to_input(source.batch(draw.frames), draw.augmentation)
        return
    stream = torch.cuda.Stream(device) if device.type == "cuda" else None  # type: ignore[no-untyped-call]
    reader, n_threads = _Reader(source, stream, to_input), n_readers(device)
    with closing(prefetch(draws, reader.read, depth=max(AHEAD, n_threads), n_threads=n_threads)) as read:
        for found in read:
            yield found.draw, reader.received(found)


def _drawn_ahead(draws: Iterable[Draw]) -> Generator[Draw, None, None]:
    """The same draws, made in their order by one thread."""
    source = iter(draws)
    with closing(prefetch(repeat(None), lambda _: next(source, None), depth=AHEAD)) as drawn:
        for draw in drawn:
            if draw is None:
                return
            yield draw


@dataclass(frozen=True)
class _Read:
    """The frames of a draw on a GPU, and the event of their arrival; on the CPU network input and None."""

    draw: Draw
    images: Tensor
    there: Any


@dataclass(frozen=True)
class _Reader:
    """Reads in a thread; for a GPU it copies on a separate stream, while the network works."""

    source: FrameSource
    stream: Any
    to_input: ToInput

    def read(self, draw: Draw) -> _Read:
        """In the thread: the network input of `draw` or, for a GPU, its frames, which may still be in transfer."""
        if self.stream is None:
            return _Read(draw, self.to_input(self.source.batch(draw.frames), draw.augmentation), None)
        with torch.cuda.stream(self.stream):
            frames = self.source.batch(draw.frames)
            return _Read(draw, frames, self.stream.record_event())

    def received(self, read: _Read) -> Tensor:
        """In the loop: the network input. The loop's stream waits for the frames and keeps their memory until it is done."""
        if read.there is None:
            return read.images
        current = torch.cuda.current_stream(read.images.device)
        current.wait_event(read.there)
        read.images.record_stream(current)
        return self.to_input(read.images, read.draw.augmentation)
