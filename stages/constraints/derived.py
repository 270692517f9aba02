"""Pairs of samples that the data itself shows to be different individuals: seen in one picture, or at one time."""

from __future__ import annotations

from collections import Counter
from itertools import combinations
from typing import NamedTuple

import numpy as np

from stages.ingest.overlap import MOST_OVERLAP, overlaps
from stages.runs.run_directory import source_boxes
from stages.runs.store import Artifact
from stages.samples import TRAIN, UNKNOWN
from stages.typing import BoolArray, Float64Array, Int64Array


def shows_different(dataset: Artifact) -> bool:
    """Whether the dataset has what pairs could be derived from: boxes or frame numbers."""
    return "box" in dataset.names() or "frame_number" in dataset.names()


class Derived(NamedTuple):
    """The `pairs` (p, 2) of train samples, by their place among these, that cannot be one individual; sorted, each once.

    `spared` says whether tracklets that were seen at one time are no pair, because boxes overlap wherever both are.
    """

    pairs: Int64Array
    spared: bool = False


def derived_pairs(dataset: Artifact) -> Derived:
    """Two boxes in one picture that overlap by at most `MOST_OVERLAP`, and two tracklets of one camera that have a frame in
    common by its number, where they are no boxes of one picture. None if the dataset has neither boxes nor frame numbers.
    """
    if not shows_different(dataset):
        return Derived(np.empty((0, 2), dtype=np.int64))
    is_train = dataset.read("split") == TRAIN
    frame_start = dataset.read("frame_start")
    n_images = np.diff(frame_start)
    sample = np.repeat(np.arange(len(n_images)), n_images)
    path = np.unique(dataset.read("path").astype(str), return_inverse=True)[1]
    is_numbered = "frame_number" in dataset.names()
    number = dataset.read("frame_number").astype(np.int64) if is_numbered else np.full(len(sample), -1)
    pairs: set[tuple[int, int]] = set()
    boxed: set[tuple[int, int]] = set()
    boxed_in = np.full(len(sample), -1, dtype=np.int64)
    if "box" in dataset.names():
        box = source_boxes(dataset).astype(np.float64)
        has_box = np.isfinite(box).all(axis=1)
        boxed_in[has_box] = path[has_box]
        pairs |= of_one_picture(np.stack([path, number], axis=1), sample, box, has_box & is_train[sample])
    if (number >= 0).any():
        folder = _folders(dataset.read("path").tolist())
        camera = dataset.read("camid").astype(np.int64)[sample]
        is_known = (number >= 0) & (camera != UNKNOWN) & (n_images[sample] > 1) & is_train[sample]
        others, boxed = at_one_time(np.stack([camera, folder, number], axis=1), sample, is_known, boxed_in)
        pairs |= others
    place = np.cumsum(is_train) - 1
    return Derived(place[np.array(sorted(pairs), dtype=np.int64).reshape(-1, 2)], not boxed <= pairs)


def of_one_picture(
    picture: Int64Array, sample: Int64Array, box: Float64Array, is_used: BoolArray
) -> set[tuple[int, int]]:
    """Pairs of samples with boxes in one picture that overlap by at most `MOST_OVERLAP`.

    `picture` (n, k) tells the pictures of the images apart, `sample` (n,) says whose image it is, `box` (n, 4) is left, top,
    width and height, `is_used` (n,) which images count.
    """
    found = set()
    for images in _groups(picture, is_used):
        for i, j in combinations(images.tolist(), 2):
            if sample[i] != sample[j] and overlaps(box[i], box[j : j + 1])[0] <= MOST_OVERLAP:
                found.add(_ordered(int(sample[i]), int(sample[j])))
    return found


def at_one_time(
    moment: Int64Array, sample: Int64Array, is_used: BoolArray, boxed_in: Int64Array
) -> tuple[set[tuple[int, int]], set[tuple[int, int]]]:
    """Pairs of samples that have an image of one `moment` (n, k): camera, sequence and frame number.

    Those of boxes in one picture, `boxed_in` (n), −1 for none, are the second set: whether they differ, the boxes say.
    """
    found: set[tuple[int, int]] = set()
    boxed: set[tuple[int, int]] = set()
    for images in _groups(moment, is_used):
        for (a, of_a), (b, of_b) in combinations(
            zip(sample[images].tolist(), boxed_in[images].tolist(), strict=True), 2
        ):
            if a != b:
                (boxed if of_a == of_b >= 0 else found).add(_ordered(a, b))
    return found, boxed


def _groups(keys: Int64Array, is_used: BoolArray) -> list[Int64Array]:
    """The images `is_used` that have equal rows of `keys`, two or more of them."""
    used = np.flatnonzero(is_used)
    if not len(used):
        return []
    group = np.unique(keys[used], axis=0, return_inverse=True)[1].ravel()
    order = np.argsort(group, kind="stable")
    parts = np.split(used[order], np.flatnonzero(np.diff(group[order])) + 1)
    return [part for part in parts if len(part) > 1]


def _ordered(a: int, b: int) -> tuple[int, int]:
    return min(a, b), max(a, b)


def _folders(paths: list[str]) -> Int64Array:
    """A number for the folder of each path; a path that several images have is a video, and its own folder."""
    counts = Counter(paths)
    folders = [path if counts[path] > 1 else path.rpartition("/")[0] for path in paths]
    return np.unique(folders, return_inverse=True)[1].astype(np.int64)
