"""FINCH (Sarfraz, Sharma and Stiefelhagen, CVPR 2019): samples that share a first neighbour are one cluster, and again."""

from __future__ import annotations

import numpy as np

from stages.arrays.neighbours import nearest_neighbours
from stages.arrays.partition import connected, relabel
from stages.arrays.unit_rows import unit_rows
from stages.merge.clustering import Task
from stages.typing import Float32Array, Int64Array


def cluster(task: Task) -> Int64Array:
    """Labels (n,) of the coarsest partition of FINCH with `n_clusters` or more; of its first one if that has fewer."""
    partitions = finch_partitions(task.features)
    if not partitions:
        return np.arange(len(task.features))
    return [partitions[0], *(labels for labels in partitions if labels.max() + 1 >= task.n_clusters)][-1]


def finch_partitions(features: Float32Array) -> list[Int64Array]:
    """The partitions (n,) of L2-normalised `features` (n, d), each coarser than the one before, down to two clusters.

    Eq. (1): i and j are linked if j is the first neighbour of i, i that of j, or both have the same. The connected
    components are the clusters, and their means, of unit length, are the samples of the next partition.
    """
    labels, level = np.arange(len(features)), features
    partitions: list[Int64Array] = []
    while len(level) > 2:
        nearest = nearest_neighbours(level, 2).index[:, 1]
        # two that have the same first neighbour are both linked to it
        group = connected(len(level), np.stack([np.arange(len(level)), nearest], axis=1))
        if not group.any():
            break
        labels = relabel(group[labels])
        partitions.append(labels)
        level = _means(features, labels)
    return partitions


def _means(features: Float32Array, labels: Int64Array) -> Float32Array:
    """The means (K, d) float32 of clusters `labels` (n,), of unit length; a mean of 0 stays 0."""
    order = np.argsort(labels, kind="stable")
    first = np.flatnonzero(np.diff(labels[order], prepend=-1))
    return unit_rows(np.add.reduceat(features[order].astype(np.float64), first, axis=0))
