"""Where the pixels of a data set come from: files decoded, or people drawn, in worker processes and in order."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np

from schemas.parameters import IngestParameters
from schemas.summaries import BadImage
from stages.data.decode_pool import decode_all, default_workers
from stages.data.synthetic import draw_path
from stages.errors import UsageError
from stages.typing import UInt8Array

_DRAWN_A_TASK = 32


class ImageBlock(NamedTuple):
    """Images (b, H, W, 3) uint8 from number `start` on; those of `bad` are meaningless."""

    start: int
    images: UInt8Array
    bad: list[BadImage]


def decoded(
    root: Path, paths: tuple[str, ...], *, parameters: IngestParameters, workers: int | None
) -> Iterator[ImageBlock]:
    """The files `paths` under `root`, decoded at the size that `parameters` ask for, in order."""
    blocks = decode_all(root, paths, height=parameters.height, width=parameters.width, workers=workers)
    for block in blocks:
        bad = [BadImage(path=image.path, reason=image.reason) for image in block.bad]
        yield ImageBlock(block.start, block.images, bad)


def drawn(paths: tuple[str, ...], *, parameters: IngestParameters, workers: int | None) -> Iterator[ImageBlock]:
    """The drawn people that `paths` name, in order."""
    if parameters.synthetic is None:
        raise UsageError("format synthetic: no sizes found, wanted the number of identities and cameras")
    tasks = [paths[start : start + _DRAWN_A_TASK] for start in range(0, len(paths), _DRAWN_A_TASK)]
    draw = partial(
        draw_path, parameters.synthetic, seed=parameters.seed, height=parameters.height, width=parameters.width
    )
    n_workers = min(default_workers() if workers is None else workers, len(tasks))
    start = 0
    for images in _mapped(partial(_draw_each, draw), tasks, n_workers=n_workers):
        yield ImageBlock(start, images, [])
        start += len(images)


def _draw_each(draw: Callable[[str], UInt8Array], paths: tuple[str, ...]) -> UInt8Array:
    return np.stack([draw(path) for path in paths])


def _mapped(
    function: Callable[[tuple[str, ...]], UInt8Array], tasks: list[tuple[str, ...]], *, n_workers: int
) -> Iterator[UInt8Array]:
    if n_workers < 2:
        yield from map(function, tasks)
        return
    with ProcessPoolExecutor(n_workers, mp_context=multiprocessing.get_context("forkserver")) as pool:
        yield from pool.map(function, tasks)
