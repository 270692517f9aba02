"""Boxes that are there already, drawn a little otherwise: another run of a detector finds the same animals."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path

import numpy as np

from stages.ingest.decode.pixels import is_video, shown_size
from stages.samples import Samples
from stages.typing import BoolArray, Float64Array

MOST_OVERLAP = 0.5
"""Boxes of one picture that overlap by more, as a share of their union, may be of one animal that a detector saw twice."""
_NO_ANIMALS = frozenset({"person", "human", "vehicle"})
"""Categories of MegaDetector and SpeciesNet beside animals."""


def share_overlapping(
    samples: Samples,
    digests: Sequence[str],
    is_new: BoolArray,
    root: Path,
    stored: Samples,
    stored_digests: Sequence[str],
) -> Float64Array:
    """(n_samples) the share of images of each of `samples` that overlap a box of `stored` by more than `MOST_OVERLAP`.

    Boxes are compared within a picture, which the digests (n_images) of both tell, and a category, if it is known. Pictures
    of `samples` lie under `root`; boxes of `stored` are in pixels. It is 0 for samples that are not `is_new`.
    """
    share = np.zeros(len(samples))
    boxes_of: dict[tuple[str, int], list[int]] = {}
    for image, key in enumerate(_pictures(stored, stored_digests)):
        boxes_of.setdefault(key, []).append(image)
    size_of = cache(lambda path: shown_size(root / path))
    pictures = _pictures(samples, digests)

    def overlapping(image: int) -> bool:
        others = boxes_of.get(pictures[image], []) if pictures[image][0] else []
        alike = [other for other in others if _may_be_alike(stored, other, samples, image)]
        box = _in_pixels(samples, image, size_of) if alike else None
        return box is not None and bool((overlaps(box, stored.box[alike]) > MOST_OVERLAP).any())

    for sample in np.flatnonzero(is_new).tolist():
        images = range(samples.frame_start[sample], samples.frame_start[sample + 1])
        share[sample] = sum(map(overlapping, images)) / len(images)
    return share


def _pictures(samples: Samples, digests: Sequence[str]) -> list[tuple[str, int]]:
    """The digest of the file that each image comes from, and the number of its frame if that is a video."""
    frames = samples.frame_number.tolist() or [-1] * len(digests)
    return [
        (digest.partition(" ")[0], frame if is_video(path) else -1)
        for digest, path, frame in zip(digests, samples.path, frames, strict=True)
    ]


def _in_pixels(samples: Samples, image: int, size_of: Callable[[str], tuple[int, int] | None]) -> Float64Array | None:
    """Left, top, width and height of an image's box in pixels; None if it has none, or the picture cannot be read."""
    box = samples.box[image]
    if np.isnan(box[0]) or not samples.is_relative[image]:
        return None if np.isnan(box[0]) else box
    size = size_of(samples.path[image])
    return None if size is None else box * np.array([*size, *size])


def _may_be_alike(stored: Samples, other: int, samples: Samples, image: int) -> bool:
    """Whether two images may be of one category. One that is not said may be any animal."""
    first = stored.category[other] if stored.category else ""
    second = samples.category[image] if samples.category else ""
    return first == second or ("" in (first, second) and not {first, second} & _NO_ANIMALS)


def overlaps(box: Float64Array, others: Float64Array) -> Float64Array:
    """(n) the area that `box` (left, top, width, height) shares with each of `others` (n, 4), as a share of their union."""
    low = np.maximum(box[:2], others[:, :2])
    high = np.minimum(box[:2] + box[2:], others[:, :2] + others[:, 2:])
    shared = np.prod(np.maximum(high - low, 0), axis=1)
    union = box[2] * box[3] + others[:, 2] * others[:, 3] - shared
    share: Float64Array = np.divide(shared, union, out=np.ones(len(others)), where=union > 0)
    return share
