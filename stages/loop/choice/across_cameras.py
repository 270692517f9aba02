"""Whether features find the same identity in other cameras: silhouettes and neighbours in which other cameras count."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np

from stages.arrays.cluster_silhouettes import BLOCK, ClusterMeans
from stages.evaluate.clusters.cameras import same_camera_chance
from stages.features.camera_finding import LEAST_COVERED
from stages.samples import UNKNOWN
from stages.typing import Float32Array, Float64Array, Int32Array, Int64Array

NEIGHBOURS = 10


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
    n_other = n_known = 0
    for start in range(0, len(samples), BLOCK):
        block = samples[start : start + BLOCK]
        cosine = unit[block] @ unit.T
        cosine[np.arange(len(block)), block] = -np.inf
        nearest = np.argpartition(-cosine, k - 1, axis=1)[:, :k]
        is_known = camid[nearest] != UNKNOWN
        n_other += int((is_known & (camid[nearest] != camid[block, None])).sum())
        n_known += int(is_known.sum())
    return n_other / n_known / (1 - same_camera_chance(camid)) if n_known else math.nan


def cross_camera_silhouettes(clusters: ClusterMeans, camid: Int32Array, samples: Int64Array) -> Float64Array:
    """Silhouettes (len(samples),) of these samples against the members of clusters that other cameras took.

    (b − a) / max(a, b), a the mean cosine distance to the members of the own cluster in cameras other than the sample's,
    b the smallest such mean to another cluster. `camid` (n_samples,); UNKNOWN is another camera. 0 if no other camera sees
    the own cluster, or none sees another one: features that follow the camera make clusters of one camera, and come near 0.
    """
    found = np.zeros(len(samples))
    total = clusters.mean * clusters.size[:, None]
    by_camera = np.argsort(camid, kind="stable")
    sorted_camid = camid[by_camera]
    order = np.argsort(camid[samples], kind="stable")
    camera, of_camera = None, None
    for start in range(0, len(order), BLOCK):
        block = order[start : start + BLOCK]
        rows = clusters.unit[samples[block]]
        dots = rows @ total.T
        outside = np.tile(clusters.size.astype(np.float64), (len(block), 1))
        cameras, first = np.unique(camid[samples[block]], return_index=True)
        for each, (begin, end) in zip(cameras, pairwise([*first.tolist(), len(block)]), strict=True):
            # the last camera of a block may be the first of the next one
            if of_camera is None or each != camera:
                camera = each
                left, right = np.searchsorted(sorted_camid, [camera, camera + 1])
                of_camera = _of_camera(clusters, by_camera[left:right])
            seen, count, own_total = of_camera
            dots[begin:end, seen] -= rows[begin:end] @ own_total.T
            outside[begin:end, seen] -= count
        found[block] = _silhouettes(dots, outside, clusters.labels[samples[block]])
    return found


def _of_camera(clusters: ClusterMeans, members: Int64Array) -> tuple[Int64Array, Int64Array, Float64Array]:
    """The clusters (g,) that hold `members`, how many of them (g,), and the sums (g, d) float64 of their unit rows."""
    order = members[np.argsort(clusters.labels[members], kind="stable")]
    seen, first, count = np.unique(clusters.labels[order], return_index=True, return_counts=True)
    return seen, count, np.add.reduceat(clusters.unit[order].astype(np.float64), first, axis=0)


def _silhouettes(dots: Float64Array, outside: Float64Array, own: Int64Array) -> Float64Array:
    """From `dots` (r, K), sums of cosines with the `outside` (r, K) members of each cluster, and the `own` cluster (r,).

    `dots` becomes the distances.
    """
    distance = np.divide(dots, outside, out=dots, where=outside > 0)
    np.maximum(np.subtract(1, distance, out=distance), 0, out=distance)
    distance[outside <= 0] = np.inf
    rows = np.arange(len(own))
    within = distance[rows, own]
    distance[rows, own] = np.inf
    nearest = distance.min(axis=1)
    is_known = np.isfinite(within) & np.isfinite(nearest)
    larger = np.where(is_known, np.maximum(within, nearest), 0)
    return np.divide(np.where(is_known, nearest - within, 0), larger, out=np.zeros(len(own)), where=larger > 0)
