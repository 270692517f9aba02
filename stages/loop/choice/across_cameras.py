"""Whether features find the same identity in other cameras: silhouettes and neighbours in which other cameras count."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np

from stages.arrays.group_sums import group_sums
from stages.arrays.row_blocks import by_blocks, n_threads
from stages.evaluate.clusters.cameras import same_camera_chance
from stages.features.camera_finding import LEAST_COVERED
from stages.samples import UNKNOWN
from stages.typing import Float32Array, Float64Array, Int32Array, Int64Array

NEIGHBOURS = 10
BLOCK = 256
"""Rows of a block: a thread holds `BLOCK` numbers of float32 for each cluster a few times."""


def has_cameras(camid: Int32Array) -> bool:
    """Whether at least two cameras, and those of `LEAST_COVERED` of the samples or more, are known of `camid` (n,)."""
    known = camid[camid != UNKNOWN]
    return len(known) >= LEAST_COVERED * len(camid) and bool((known != known[:1]).any())


def camera_mixing(unit: Float32Array, camid: Int32Array, samples: Int64Array) -> float:
    """How often one of the `NEIGHBOURS` nearest samples is of another camera, over what chance gives.

    About 1 if features ignore the camera, 0 if each camera keeps to itself. Over the rows `samples` of `unit` (n, d), of
    length 1, with cameras `camid` (n,), at least two; those of `samples` are known, and neighbours whose camera is not do not
    count. NaN if no neighbour counts.
    """
    k = min(NEIGHBOURS, len(unit) - 1)

    def count(starts: range) -> tuple[int, int]:
        n_other = n_known = 0
        for start in starts:
            block = samples[start : start + BLOCK]
            cosine = unit[block] @ unit.T
            cosine[np.arange(len(block)), block] = -np.inf
            nearest = camid[np.argpartition(cosine, len(unit) - k, axis=1)[:, len(unit) - k :]]
            is_known = nearest != UNKNOWN
            n_other += int((is_known & (nearest != camid[block, None])).sum())
            n_known += int(is_known.sum())
        return n_other, n_known

    n_other, n_known = np.sum(by_blocks(count, len(samples), BLOCK), axis=0).tolist()
    return n_other / n_known / (1 - same_camera_chance(camid)) if n_known else math.nan


@dataclass(frozen=True)
class CameraSums:
    """Sums of unit rows by camera and cluster, from which the silhouettes of samples follow.

    `label` (n,) are the clusters 0..K−1 of the samples. A cell is what one camera took of one cluster: its `camera`, its
    `cluster`, how many samples (`count`) and the sum of their rows, (G,) and `total` (G, d) float32, by camera and then by
    cluster. The mean cosine distance between a sample x and m samples of sum s is 1 − x·s / m.
    """

    label: Int64Array
    camera: Int32Array
    cluster: Int64Array
    count: Int64Array
    total: Float32Array

    @staticmethod
    def of(unit: Float32Array, labels: Int64Array, camid: Int32Array) -> CameraSums:
        """Sums of rows `unit` (n, d) of length 1 in clusters `labels` (n,; any integers), taken by cameras `camid` (n,)."""
        label = np.unique(labels, return_inverse=True)[1].astype(np.int64)
        return CameraSums(label, camid, label, np.ones(len(label), dtype=np.int64), unit)._grouped()

    def joined(self, labels: Int64Array) -> CameraSums:
        """Sums after a merge: clusters `labels` (n,; any integers) are unions of the clusters there are."""
        label = np.unique(labels, return_inverse=True)[1].astype(np.int64)
        new = np.empty(self.label.max(initial=-1) + 1, dtype=np.int64)
        new[self.label] = label
        return replace(self, label=label, cluster=new[self.cluster])._grouped()

    def _grouped(self) -> CameraSums:
        """These sums with cells of one camera and cluster added up, so that each pair of them has one cell."""
        order = np.lexsort((self.cluster, self.camera))
        camera, cluster = self.camera[order], self.cluster[order]
        is_first = (np.diff(camera, prepend=camera[:1] - 1) != 0) | (np.diff(cluster, prepend=-1) != 0)
        first = np.flatnonzero(is_first)
        count = np.add.reduceat(self.count[order], first)
        total = group_sums(self.total, order, first, dtype=np.float32)
        return CameraSums(self.label, camera[first], cluster[first], count, total)

    def silhouettes(
        self, unit: Float32Array, camid: Int32Array, samples: Int64Array
    ) -> tuple[Float64Array, Float64Array]:
        """Silhouettes (b − a) / max(a, b) of `samples` (m,) by cosine distance: against all, and against other cameras.

        `unit` (n, d) and `camid` (n,) are as they were given. Against all (Rousseeuw 1987), a is the mean distance to the
        other members of the own cluster and b the smallest to those of another; 0 for a singleton. Against other cameras, only
        members count that another camera than the sample's took; UNKNOWN is another one. 0 if no other camera sees the own
        cluster, or none sees another one: features that follow the camera make clusters of one camera, and come near 0.
        """
        by_cluster = np.argsort(self.cluster, kind="stable")
        first = np.flatnonzero(np.diff(self.cluster[by_cluster], prepend=-1))
        total = group_sums(self.total, by_cluster, first, dtype=np.float32)
        size = np.add.reduceat(self.count[by_cluster], first)
        per_member = (1 / size).astype(np.float32)
        everyone, across = np.zeros(len(samples)), np.zeros(len(samples))
        # each thread has a share in which those of a camera come one after the other
        order = np.argsort(camid[samples], kind="stable")
        share = max(1, -(-len(order) // n_threads(len(order), BLOCK)))

        def look(starts: range) -> None:
            end = min(starts.start + share, len(order))
            for start in range(starts.start, end, BLOCK):
                places = order[start : min(start + BLOCK, end)]
                block = samples[places]
                rows, own = unit[block], self.label[block]
                dots = rows @ total.T
                everyone[places] = _silhouettes(dots * per_member, own, size[own])
                cameras, begins = np.unique(camid[block], return_index=True)
                for camera, span in zip(cameras, pairwise([*begins.tolist(), len(block)]), strict=True):
                    one = slice(*span)
                    across[places[one]] = self._across(dots[one], rows[one], own[one], camera, size)

        by_blocks(look, len(order), share)
        return everyone, across

    def _across(
        self, dots: Float32Array, rows: Float32Array, own: Int64Array, camera: np.int32, size: Int64Array
    ) -> Float64Array:
        """Silhouettes of `rows` (r, d) that `camera` took against other cameras; changes their `dots` (r, K) with all."""
        cells = slice(*np.searchsorted(self.camera, [camera, camera + 1]))
        seen, outside = self.cluster[cells], size.copy()
        outside[seen] -= self.count[cells]
        dots[:, seen] -= rows @ self.total[cells].T
        is_seen = outside > 0
        dots *= np.divide(1, outside, out=np.zeros(len(size), dtype=np.float32), where=is_seen)
        dots += np.where(is_seen, np.float32(0), np.float32(-np.inf))
        return _silhouettes(dots, own, None)


def _silhouettes(cosine: Float32Array, own: Int64Array, size: Int64Array | None) -> Float64Array:
    """Silhouettes (r,) from the mean `cosine` (r, K) with clusters, −inf where there is none; it is overwritten.

    The mean with the `own` cluster (r,) counts a sample itself if the `size` (r,) of that is given.
    """
    places = np.arange(len(own))
    within = 1 - cosine[places, own].astype(np.float64)
    if size is not None:
        within = np.where(size > 1, within * size / np.maximum(size - 1, 1), np.inf)
    cosine[places, own] = -np.inf
    nearest = 1 - cosine.max(axis=1).astype(np.float64)
    is_known = np.isfinite(within) & np.isfinite(nearest)
    within, nearest = (np.maximum(np.where(is_known, distance, 0), 0) for distance in (within, nearest))
    larger = np.maximum(within, nearest)
    return np.divide(nearest - within, larger, out=np.zeros(len(own)), where=larger > 0)
