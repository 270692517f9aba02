"""Samples of each camera apart: the pairs of cameras, and the groups that links across cameras make."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

from stages.arrays.partition import connected, relabel
from stages.errors import UsageError
from stages.typing import Float32Array, Float64Array, Int64Array

if TYPE_CHECKING:
    from stages.merge.clustering import Task


def require_two_cameras(task: Task, method: str) -> Int64Array:
    """The cameras (n,) of `task`; UsageError unless two or more are known."""
    if task.camid is None or len(np.unique(task.camid[task.camid >= 0])) < 2:
        raise UsageError(f"`clusterer={method!r}` needs the cameras of samples, at least two; got fewer")
    return task.camid.astype(np.int64)


def camera_pairs(camid: Int64Array) -> Iterator[tuple[Int64Array, Int64Array]]:
    """The sample indices of both cameras, for each pair of known cameras in order."""
    cameras = [np.flatnonzero(camid == camera) for camera in np.unique(camid[camid >= 0])]
    for i, first in enumerate(cameras):
        for second in cameras[i + 1 :]:
            yield first, second


def squared_distances(rows: Float32Array, columns: Float32Array) -> Float64Array:
    """‖r − c‖² (n_rows, n_columns) float64 of L2-normalised features."""
    return np.maximum(2 - 2 * (rows.astype(np.float64) @ columns.astype(np.float64).T), 0)


def joined_groups(n_samples: int, links: Sequence[tuple[int, int]]) -> Int64Array:
    """Labels (n_samples,) of the groups that `links` connect, in order of their first sample; −1 for unlinked samples."""
    labels = np.full(n_samples, -1, dtype=np.int64)
    if not links:
        return labels
    pairs = np.array(links, dtype=np.int64)
    linked = np.unique(pairs)
    labels[linked] = relabel(connected(n_samples, pairs)[linked])
    return labels
