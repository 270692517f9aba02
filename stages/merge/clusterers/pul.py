"""PUL (Fan et al., TOMM 2018): k-means, and of its clusters the reliable samples, near the one that stands for them."""

from __future__ import annotations

import numpy as np

from stages.arrays.partition import relabel
from stages.errors import UsageError
from stages.merge.clustering import Task
from stages.typing import Float32Array, Int64Array

UNRELIABLE = -1
TRAINS_ON_LABELLED = True


def cluster(task: Task) -> Int64Array:
    """Labels (n,) of the reliable samples, −1 for others; the stage is the seed of k-means.

    There are `n_clusters` clusters, or as many as the schedule has at the stage if that is not given.
    """
    asked = task.parameters
    n_clusters = asked.n_clusters or task.n_clusters
    return pul_labels(task.features, n_clusters=n_clusters, threshold=asked.min_cosine, seed=task.stage)


def pul_labels(features: Float32Array, *, n_clusters: int, threshold: float, seed: int) -> Int64Array:
    """The cluster of each reliable sample and −1 of each other, (n) int64, of L2-normalised features (n, d).

    Fan, Zheng, Yan and Yang, Unsupervised Person Re-identification: Clustering and Fine-tuning, ACM TOMM 2018: k-means,
    then `reliable_labels`. Labels are 0..K'−1 in order of each cluster's first reliable sample, K' ≤ `n_clusters`. Raises
    UsageError for more clusters than samples. The published code clusters features of any length; the threshold is a
    cosine either way.
    """
    from sklearn.cluster import KMeans

    if n_clusters > len(features):
        raise UsageError(f"`n_clusters` must be at most {len(features)}, the number of train samples, got {n_clusters}")
    means = KMeans(n_clusters=n_clusters, n_init=1, random_state=seed).fit(features)
    return reliable_labels(features, means.labels_.astype(np.int64), means.cluster_centers_, threshold=threshold)


def reliable_labels(
    features: Float32Array, assigned: Int64Array, centroids: Float32Array, *, threshold: float
) -> Int64Array:
    """`assigned` (n) renumbered, and −1 for samples whose cosine with their cluster's centre is not above `threshold`.

    The centre is not the mean but the member of the cluster nearest to its row of `centroids` (K, d), ties by index, and
    is always reliable. `features` (n, d) are L2-normalised, `assigned` in [0, K). The published code compares a sample
    with the centres of all clusters, of which its own is nearly always the nearest; the paper, as here, with its own.
    """
    away = features.astype(np.float64) - centroids[assigned]
    from_mean = np.sqrt(np.einsum("ij,ij->i", away, away))
    order = np.lexsort((from_mean, assigned))
    first = np.flatnonzero(np.diff(assigned[order], prepend=-1))
    centre = np.zeros(len(centroids), dtype=np.int64)
    centre[assigned[order[first]]] = order[first]
    own = centre[assigned]
    cosine = np.einsum("ij,ij->i", features, features[own], dtype=np.float64)
    reliable = (cosine > threshold) | (own == np.arange(len(features)))
    labels = np.full(len(features), UNRELIABLE, dtype=np.int64)
    labels[reliable] = relabel(assigned[reliable])
    return labels
