"""Which samples are train, query and gallery."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from schemas.parameters import IngestParameters
from stages.ingest.formats.format import Findings
from stages.samples import GALLERY, QUERY, TRAIN, UNKNOWN
from stages.typing import Int64Array, UInt8Array

_SPLIT_STREAM = 1
"""Keeps the draws of the splits apart from others of the same seed."""


def assign_splits(
    pid: NDArray[np.integer], camid: NDArray[np.integer], *, test_fraction: float, seed: int
) -> UInt8Array:
    """The split of each sample (n_samples, uint8), divided by identity: none is both train and test.

    `test_fraction` of the identities (pid > 0) that can answer a query, and of those that cannot, are test, rounded
    but leaving at least one train and, if it is above 0 and two can answer, at least one test. An identity can
    answer if two cameras saw it, or, in data without cameras, if it has two images. Of a test identity each camera
    gives one query (without cameras: the identity gives one), and the rest is gallery; if fewer than two cameras
    saw it twice, one camera that saw it once gives no query, so that every query has a match from another camera.
    An identity that cannot answer is gallery only. Samples without identity are train; junk (−1) and distractors (0)
    are gallery. With no test identity everything is train.
    """
    rng = np.random.default_rng([seed, _SPLIT_STREAM])
    split = np.full(len(pid), TRAIN, dtype=np.uint8)
    images_of = _images_of_identities(pid)
    one_query = not np.any(camid != UNKNOWN)
    # without cameras every image is a view of its own
    view = np.arange(len(pid)) if one_query else camid
    can_answer = [p for p, images in images_of.items() if len(np.unique(view[images])) > 1]
    cannot_answer = sorted(set(images_of) - set(can_answer))
    tested = _draw(can_answer, test_fraction, rng)
    if not tested:
        return split
    for p in tested:
        _divide(split, images_of[p], view, rng, one_query=one_query)
    for p in _draw(cannot_answer, test_fraction, rng):
        split[images_of[p]] = GALLERY
    split[(pid == 0) | (pid == -1)] = GALLERY
    return split


def own_splits(
    pid: NDArray[np.integer], camid: NDArray[np.integer], parameters: IngestParameters, findings: Findings
) -> UInt8Array:
    """The split of each sample (n_samples, uint8) of a source without splits, as `assign_splits`; `findings` says which."""
    split = assign_splits(pid, camid, test_fraction=parameters.test_fraction, seed=parameters.seed)
    if (pid > 0).any():
        findings.draws_splits = True
        n_test = int((split != TRAIN).sum())
        findings.notes.append(
            f"splits: {n_test} of {len(split)} samples are query and gallery, which are not clustered"
            if n_test
            else f"splits: all {len(split)} samples are train and clustered; `test_fraction` keeps identities for queries"
        )
    return split


def divide_test(pid: NDArray[np.integer], camid: NDArray[np.integer], *, seed: int) -> UInt8Array:
    """The split of each test sample (n_samples, uint8): queries as `assign_splits` draws them, the rest gallery."""
    rng = np.random.default_rng([seed, _SPLIT_STREAM])
    split = np.full(len(pid), GALLERY, dtype=np.uint8)
    one_query = not np.any(camid != UNKNOWN)
    view = np.arange(len(pid)) if one_query else camid
    for images in _images_of_identities(pid).values():
        if len(np.unique(view[images])) > 1:
            _divide(split, images, view, rng, one_query=one_query)
    return split


def _divide(
    split: UInt8Array, images: Int64Array, view: NDArray[np.integer], rng: np.random.Generator, *, one_query: bool
) -> None:
    """Make the `images` of one test identity query and gallery."""
    split[images] = GALLERY
    split[_queries(images, view[images], rng, one_query=one_query)] = QUERY


def _images_of_identities(pid: NDArray[np.integer]) -> dict[int, Int64Array]:
    """The image indices of each pid above 0, both ascending."""
    images = np.argsort(pid, kind="stable")
    images = images[pid[images] > 0]
    pids, start = np.unique(pid[images], return_index=True)
    return dict(zip(pids.tolist(), np.split(images, start[1:]), strict=True)) if len(pids) else {}


def _draw(pids: list[int], fraction: float, rng: np.random.Generator) -> list[int]:
    """`fraction` of `pids`, sorted; at least one and not all if there are two and `fraction` is above 0."""
    if fraction == 0 or len(pids) < 2:
        return []
    n_drawn = min(max(int(fraction * len(pids) + 0.5), 1), len(pids) - 1)
    return sorted(rng.permutation(pids)[:n_drawn].tolist())


def _queries(images: Int64Array, view: NDArray[np.integer], rng: np.random.Generator, *, one_query: bool) -> list[int]:
    """The images of one test identity that are queries; `view` (its camera ids) is aligned with `images`."""
    if one_query:
        return [int(rng.choice(images))]
    cameras, counts = np.unique(view, return_counts=True)
    asked = cameras
    if np.count_nonzero(counts > 1) < 2:
        asked = cameras[cameras != rng.choice(cameras[counts == 1])]
    return [int(rng.choice(images[view == camera])) for camera in asked]
