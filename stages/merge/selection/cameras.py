"""What D gains if two clusters were seen by the same cameras, from exact counts, which no order of samples changes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stages.errors import DbcError, UsageError
from stages.typing import Float64Array, Int32Array, Int64Array

VALUES_AT_ONCE = 1 << 18
"""Counts of cameras that a thread reads at once."""


@dataclass(frozen=True)
class CameraPenalty:
    """w · s_ab for clusters a, b: s_ab is the share of the pairs of their samples that one camera took, 0 to 1.

    s_ab = Σ_c n_ac n_bc / (n_a n_b), n_ac the samples of a that camera c took. When a and b merge, s to any other
    cluster is the mean of theirs, weighted by size, as d is: the engine relies on that. `per_camera` (K, C) float64
    holds n_ac, whole numbers, of the `n_cameras` first; a column behind them counts samples whose camera is not known, which
    share one with none. `weight` w ≥ 0.
    """

    weight: float
    per_camera: Float64Array
    n_cameras: int

    def between(self, first: Int64Array, second: Int64Array) -> Float64Array:
        """w · s (P,) of clusters first[i], second[i]."""
        result = np.empty(len(first))
        step = max(1, VALUES_AT_ONCE // self.per_camera.shape[1])
        for start in range(0, len(first), step):
            left, right = (self.per_camera[ids[start : start + step]] for ids in (first, second))
            n_pairs = left.sum(axis=1) * right.sum(axis=1)
            left, right = left[:, : self.n_cameras], right[:, : self.n_cameras]
            result[start : start + step] = self.weight * ((left * right).sum(axis=1) / n_pairs)
        return result

    def alone(self, clusters: Int64Array) -> Int32Array:
        """The camera that took all samples of each of `clusters` (P,); −1 if several did, or one that is not known."""
        counts = self.per_camera[clusters]
        camera = counts.argmax(axis=1)
        is_one = (np.count_nonzero(counts, axis=1) == 1) & (camera < self.n_cameras)
        return np.where(is_one, camera, -1).astype(np.int32)

    def merge(self, a: int, b: int) -> None:
        """Let b's samples join a."""
        self.per_camera[a] += self.per_camera[b]


@dataclass(frozen=True)
class Cameras:
    """The camera of each sample, `camid` (n,) int64 from 0 or −1, and the `weight` of what D gains if clusters share one."""

    camid: Int64Array
    weight: float

    @property
    def n_columns(self) -> int:
        """How many numbers `CameraPenalty` counts for a cluster."""
        return int(self.camid.max()) + 1 + int((self.camid < 0).any())

    def penalty(self, labels: Int64Array) -> CameraPenalty:
        """The `CameraPenalty` of the clusters of `labels` (n,), each of 0..K−1 used."""
        n_clusters, n_cameras, n_columns = int(labels.max()) + 1, int(self.camid.max()) + 1, self.n_columns
        place = labels * n_columns + np.where(self.camid < 0, n_cameras, self.camid)
        # with weights it counts in float64, whole numbers still, and no second array of that size is made
        counts = np.bincount(place, weights=np.ones(len(labels)), minlength=n_clusters * n_columns)
        per_camera = counts.reshape(n_clusters, n_columns).astype(np.float64, copy=False)
        return CameraPenalty(self.weight, per_camera, n_cameras)


def parse_cameras(camid: NDArray[Any], *, n_samples: int, weight: float) -> Cameras:
    """`Cameras` of `camid` (n,) integers, those below 0 not known.

    Raises DbcError unless there is one for each sample, UsageError for a negative or infinite `weight`.
    """
    if not (np.isfinite(weight) and weight >= 0):
        raise UsageError(f"`camera_weight` must be at least 0 and finite, got {weight}; the default is 0.1")
    if camid.shape != (n_samples,) or not np.issubdtype(camid.dtype, np.integer):
        raise DbcError(
            f"camid must hold integers of shape ({n_samples},), one for each sample, got {camid.dtype} of shape "
            f"{camid.shape}; take cameras and features of one dataset"
        )
    camera = np.unique(np.where(camid < 0, -1, camid.astype(np.int64)), return_inverse=True)[1].astype(np.int64)
    return Cameras(camera - int((camid < 0).any()), weight)
