"""Features of a dataset that pictures were added to: only the new samples need go through the network."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from stages.nn.images import StoredImages
from stages.runs.lasting import image_keys
from stages.runs.store import Artifact
from stages.typing import Int64Array, UInt8Array


@dataclass(frozen=True)
class Chosen:
    """The images `rows` of `images`, in that order, as stored images of their own."""

    images: StoredImages
    rows: Int64Array

    @property
    def shape(self) -> tuple[int, ...]:
        """(n_rows, H, W, 3)."""
        return (len(self.rows), *self.images.shape[1:])

    def __getitem__(self, index: Int64Array, /) -> UInt8Array:
        """The images at the places `index`."""
        return self.images[self.rows[index]]


def rows_before(dataset: Artifact, before: Artifact) -> Int64Array:
    """The row (n_samples) in the dataset `before` that each sample of `dataset` had, −1 for one that was added.

    A sample is the same if all its images have the same path, frame and box.
    """
    place = {key: row for row, key in enumerate(_sample_keys(before))}
    return np.array([place.get(key, -1) for key in _sample_keys(dataset)], dtype=np.int64)


def _sample_keys(dataset: Artifact) -> list[tuple[Any, ...]]:
    images = image_keys(dataset)
    starts = dataset.read("frame_start").tolist()
    return [tuple(images[start:stop]) for start, stop in pairwise(starts)]
