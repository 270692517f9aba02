"""Silhouettes of samples against whole clusters, by cosine distance, from cluster means."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from stages.arrays.group_sums import group_sums
from stages.arrays.silhouette import silhouettes_from
from stages.arrays.unit_rows import unit_rows
from stages.typing import Float32Array, Float64Array, Int64Array

BLOCK = 1024
"""Rows of a distance block: memory is `BLOCK` × n_clusters float64."""


@dataclass(frozen=True)
class ClusterMeans:
    """Clusters of unit vectors: `unit` (n_samples, d) the rows scaled to length 1, `labels` (n_samples) 0..K−1.

    `size` (K) int64 and `mean` (K, d) float64. Everything follows from them, because the mean cosine distance between a
    sample x and the members of a cluster is 1 − x·μ.
    """

    unit: Float32Array
    labels: Int64Array
    size: Int64Array
    mean: Float64Array

    @staticmethod
    def of(features: Float32Array, labels: Int64Array) -> ClusterMeans:
        """The clusters `labels` (n_samples; any integers) of `features` (n_samples, d); a zero row stays zero."""
        _, label, size = np.unique(labels, return_inverse=True, return_counts=True)
        unit = unit_rows(features)
        total = group_sums(unit, np.argsort(label, kind="stable"), np.cumsum(size) - size, dtype=np.float64)
        return ClusterMeans(unit, label.astype(np.int64), size, total / size[:, None])


def mean_over_clusters(labels: Int64Array, samples: Int64Array, silhouettes: Float64Array) -> float:
    """The mean over clusters of their members' mean silhouette, from `silhouettes` of `samples`; NaN for one cluster.

    `labels` (n_samples,) are those of all samples, 0..K−1. A sample of a cluster of n counts 1/n.
    """
    size = np.bincount(labels)
    if len(size) < 2:
        return float("nan")
    return float((silhouettes / size[labels[samples]]).sum() * len(labels) / len(samples) / len(size))


def sample_silhouettes(clusters: ClusterMeans, samples: Int64Array) -> Float64Array:
    """Silhouettes (len(samples)) of the samples of these indices, each against all clusters whole (Rousseeuw 1987).

    (b − a) / max(a, b), a the mean cosine distance to the other members of the own cluster, b that to the members of the
    nearest other cluster. 0 for a singleton, as Rousseeuw has it, and where there is no other cluster.
    """
    silhouettes = np.zeros(len(samples))
    if len(clusters.size) < 2:
        return silhouettes
    place = np.flatnonzero(clusters.size[clusters.labels[samples]] > 1)
    for start in range(0, len(place), BLOCK):
        block = place[start : start + BLOCK]
        distance = np.maximum(1 - clusters.unit[samples[block]] @ clusters.mean.T, 0)
        silhouettes[block] = silhouettes_from(distance, clusters.labels[samples[block]], clusters.size)
    return silhouettes
