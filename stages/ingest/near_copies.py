"""Pictures that are almost copies of another, as frames of a video are: their clusters may be passes of one individual."""

from __future__ import annotations

import numpy as np

from stages.runs.lasting import lasting_numbers
from stages.runs.run_directory import RunDirectory
from stages.runs.store import Artifact
from stages.samples import TRAIN, UNKNOWN
from stages.typing import BoolArray, Float64Array, Int64Array, UInt8Array

MOST_LOOKED_AT, MOST_BYTES = 1000, 2**28
"""Samples that stand for all."""
_IN_A_ROW = 100
"""How many of them follow each other by path, as frames do."""
_SIDE = 16
NEAR = 0.1
"""Of the median distance of two pictures, each of 16 × 16 means: what is nearer is almost a copy."""
MANY = 0.15
"""The share of such pictures that is told: 0.28 to 0.38 in two of three sets of frames of videos, and 0.09 at most in 15
other sets, of photographs, turntables and drawn people."""


def told_copies(dataset: Artifact) -> str | None:
    """A line if many train pictures of `dataset` are almost copies of another; else None."""
    share = share_of_copies(dataset)
    if share < MANY:
        return None
    return (
        f"{share:.0%} of the pictures are almost copies of another, as frames of a video or burst are: clusters may be passes "
        "of an individual, and more than there are individuals; dbc review joins them, so does `encounter='joined'` what a "
        "column encounter says is one, and dbc count estimates how many individuals there are"
    )


def share_of_copies(dataset: Artifact) -> float:
    """The share of train samples whose first picture has almost a copy among those looked at; 0 below three."""
    images = dataset.rows("images")
    firsts = dataset.read("frame_start")[:-1][dataset.read("split") == TRAIN]
    firsts = firsts[np.argsort(dataset.read("path")[firsts], kind="stable")]
    most = min(MOST_LOOKED_AT, MOST_BYTES // int(np.prod(images.shape[1:])))
    if len(firsts) > most:
        in_a_row = min(_IN_A_ROW, most)
        starts = np.linspace(0, len(firsts) - in_a_row, max(most // _IN_A_ROW, 1)).astype(np.int64)
        firsts = firsts[np.unique(starts[:, None] + np.arange(in_a_row))]
    if len(firsts) < 3:
        return 0.0
    squared = _squared_distances(images[firsts])
    median = float(np.median(squared[np.triu_indices(len(squared), 1)]))
    return float(_are_copies(squared, median).any(axis=1).mean())


def told_empty(
    run: RunDirectory, clusters: Artifact, dataset: Artifact, assigned: Int64Array | None = None
) -> tuple[str, ...]:
    """A line if `clusters` of train samples of `dataset` are likely empty pictures, and how many `assigned` are; else none."""
    empty = clusters_of_copies(dataset, clusters.read("labels"))
    if not empty:
        return ()
    individuals = ", ".join(map(str, sorted(lasting_numbers(run, clusters).number[empty].tolist())))
    added = (
        ""
        if assigned is None
        else f"; {int(np.isin(assigned, empty).sum())} of the {len(assigned)} added ones are of them"
    )
    return (
        f"most pictures of individuals {individuals} are almost copies of one of another encounter, as empty pictures are"
        f"{added}. If nobody is on them, they are counted as individuals all the same: leave such pictures out at ingest, by "
        "boxes of a detector or by `category`",
    )


def clusters_of_copies(dataset: Artifact, labels: Int64Array) -> list[int]:
    """The clusters most of whose pictures are almost copies of one of another encounter: empty ones, likely.

    `labels` are of train samples. Of clusters with three encounters and more the largest are looked at, as far as
    `MOST_LOOKED_AT` samples go, `_IN_A_ROW` of each. What is near follows from pictures of different clusters, some of others
    among them.
    """
    if "encounter" not in dataset.names():
        return []
    is_train, images = dataset.read("split") == TRAIN, dataset.rows("images")
    encounter, firsts = dataset.read("encounter")[is_train], dataset.read("frame_start")[:-1][is_train]
    looked_at, most = np.empty(0, dtype=np.int64), min(MOST_LOOKED_AT, MOST_BYTES // int(np.prod(images.shape[1:])))
    for label in np.argsort(-np.bincount(labels), kind="stable")[:_IN_A_ROW].tolist():
        own = np.flatnonzero((labels == label) & (encounter != UNKNOWN))
        own = own[:: -(-len(own) // _IN_A_ROW) or 1]
        if len(np.unique(encounter[own])) >= 3 and len(looked_at) + len(own) <= most:
            looked_at = np.concatenate([looked_at, own])
    others = np.setdiff1d(np.arange(len(labels)), looked_at)
    others = others[:: -(-len(others) // _IN_A_ROW) or 1][: most - len(looked_at)]
    both = np.concatenate([looked_at, others])
    is_other = labels[both][:, None] != labels[both]
    if not len(looked_at) or not is_other.any():
        return []
    squared, n = _squared_distances(images[firsts[both]]), len(looked_at)
    of, visit = labels[looked_at], encounter[looked_at]
    elsewhere = (of[:, None] == of) & (visit[:, None] != visit)
    is_copy = (_are_copies(squared, float(np.median(squared[is_other])))[:n, :n] & elsewhere).any(axis=1)
    return [label for label in np.unique(of).tolist() if is_copy[of == label].mean() > 0.5]


def _squared_distances(pictures: UInt8Array) -> Float64Array:
    """(n, n) squared distances of `pictures`, which were read at once as parts of the store are."""
    small = np.stack([_small(picture) for picture in pictures])
    lengths = (small**2).sum(axis=1)
    return np.asarray((lengths[:, None] + lengths - 2 * small @ small.T).clip(0))


def _are_copies(squared: Float64Array, median: float) -> BoolArray:
    """(n, n) whether each two pictures of these `squared` distances are almost copies, beside a `median` one."""
    return np.asarray((squared < NEAR**2 * median) & ~np.eye(len(squared), dtype=np.bool_))


def _small(picture: UInt8Array) -> Float64Array:
    """The means of 16 × 16 parts of a picture (height, width, 3), of fewer if it has not so many pixels, as one row."""
    height, width = picture.shape[0] // _SIDE or 1, picture.shape[1] // _SIDE or 1
    n_rows, n_columns = min(_SIDE, picture.shape[0]), min(_SIDE, picture.shape[1])
    parts = picture[: n_rows * height, : n_columns * width].reshape(n_rows, height, n_columns, width, 3)
    return np.asarray(parts.mean(axis=(1, 3), dtype=np.float64).ravel())
