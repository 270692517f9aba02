"""Batches for the loop, prepared ahead by a thread if that takes time."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable
from contextlib import closing
from itertools import repeat
from typing import TypeAlias

import torch
from torch import Tensor

from stages.nn.prefetch import OnItsWay, Transfer, n_readers, prefetch
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
    transfer, n_threads, on_gpu = Transfer(device), n_readers(device), device.type == "cuda"

    def read(draw: Draw) -> tuple[Draw, OnItsWay]:
        """Network input or, for a GPU, the frames, which may still be in transfer."""
        if on_gpu:
            return draw, transfer.sent(lambda: source.batch(draw.frames))
        return draw, transfer.sent(lambda: to_input(source.batch(draw.frames), draw.augmentation))

    with closing(prefetch(draws, read, depth=max(AHEAD, n_threads), n_threads=n_threads)) as ahead:
        for draw, sent in ahead:
            found = transfer.received(sent)
            yield draw, to_input(found, draw.augmentation) if on_gpu else found


def _drawn_ahead(draws: Iterable[Draw]) -> Generator[Draw, None, None]:
    """`draws` in their order, made ahead by one thread."""
    source = iter(draws)
    with closing(prefetch(repeat(None), lambda _: next(source, None), depth=AHEAD)) as drawn:
        for draw in drawn:
            if draw is None:
                return
            yield draw
