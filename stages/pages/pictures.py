"""Thumbnails of images as text for a page, as many as fit."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image

from stages.runs.store import Artifact
from stages.typing import UInt8Array

TRIED = 48
"""Images whose thumbnails are made to learn how large they are."""
BLOCK = 256
"""Images that are read at once."""
SIDES = ((1500, 128), (5000, 96), (20_000, 72), (None, 56))
"""The longest side of thumbnails in pixels, by the most images."""
MARGIN = 1.05
"""Thumbnails may be this much larger on average than those tried."""


@dataclass(frozen=True)
class Thumbnails:
    """Thumbnails as WebP in base64 by image, and how many images asked for have none."""

    of: dict[int, str]
    n_left_out: int


def thumbnails(
    dataset: Artifact, images: Sequence[int], *, most_bytes: int, side: int | None = None, quality: int = 70
) -> Thumbnails:
    """Thumbnails of `images` (rows of the array `images`, the most wanted first), `most_bytes` of text at most.

    `side` is their longest side in pixels, by default one that suits their number. Images are read block by block in the
    order they lie in, so that memory does not grow with their number.
    """
    wanted = list(dict.fromkeys(images))
    if not wanted:
        return Thumbnails({}, 0)
    side = side or next(side for most, side in SIDES if most is None or len(wanted) <= most)
    tried = _encoded(dataset, sorted(wanted[:: max(1, len(wanted) // TRIED)]), side, quality)
    mean = sum(map(len, tried.values())) / len(tried)
    fitting = sorted(wanted[: int(most_bytes / (mean * MARGIN))])
    found = _encoded(dataset, fitting, side, quality)
    # those tried may mislead: the least wanted go
    n_bytes = sum(map(len, found.values()))
    for image in reversed(wanted[: len(fitting)]):
        if n_bytes <= most_bytes:
            break
        n_bytes -= len(found.pop(image))
    return Thumbnails(found, len(wanted) - len(found))


def webp(pixels: UInt8Array, *, side: int | None = None, quality: int = 70) -> bytes:
    """An image (H, W, 3) as WebP, at most `side` pixels wide and high."""
    image = Image.fromarray(np.ascontiguousarray(pixels))
    if side is not None and max(image.size) > side:
        scale = side / max(image.size)
        image = image.resize(
            (max(1, round(image.width * scale)), max(1, round(image.height * scale))), Image.Resampling.BOX
        )
    written = io.BytesIO()
    image.save(written, format="WEBP", quality=quality, method=2)
    return written.getvalue()


def _encoded(dataset: Artifact, images: Sequence[int], side: int, quality: int) -> dict[int, str]:
    """Thumbnails of `images`, which ascend."""
    stored = dataset.rows("images")
    found = {}
    for start in range(0, len(images), BLOCK):
        block = np.asarray(images[start : start + BLOCK], dtype=np.int64)
        for image, pixels in zip(block.tolist(), stored[block], strict=True):
            found[image] = base64.b64encode(webp(pixels, side=side, quality=quality)).decode()
    return found
