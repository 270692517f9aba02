"""Compactness and separation of clusters, without identities."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from stages.arrays.silhouette import SAMPLE_LIMIT, drawn, silhouettes_from
from stages.errors import DbcError
from stages.typing import Float32Array, Float64Array, Int64Array

BLOCK = 512
"""Rows of a distance block: memory is `BLOCK` × n_clusters float64."""


@dataclass(frozen=True)
class Compactness:
    """Label-free measures of one clustering, in squared Euclidean distance.

    `silhouette` (Rousseeuw 1987): mean over `n_silhouette_samples` samples, drawn at random if there are more, each
    against all clusters whole; a singleton's member counts 0; NaN with fewer than two clusters.
    `mean_intra_dispersion`: mean over clusters of d_a, eq. (2), n normaliser.
    `mean_nearest_inter_dispersion`: mean over `n_nearest_clusters` clusters, drawn likewise, of the smallest d_ab,
    eq. (3); NaN with fewer than two. `size_clusters[i]` clusters have `cluster_size[i]` members (int64, sizes
    ascending).
    """

    silhouette: float
    n_silhouette_samples: int
    mean_intra_dispersion: float
    mean_nearest_inter_dispersion: float
    n_nearest_clusters: int
    cluster_size: Int64Array
    size_clusters: Int64Array


def measure_compactness(
    features: Float32Array,
    labels: Int64Array,
    *,
    generator: np.random.Generator,
    sample_limit: int = SAMPLE_LIMIT,
) -> Compactness:
    """Compactness of the clusters `labels` (n_samples, int64) of `features` (n_samples, d) float32.

    All follows, in float64, from each cluster's mean μ and mean squared distance v of members from it:
    d_a = 2 n_a v_a, d_ab = ‖μ_a − μ_b‖² + v_a + v_b, and a sample's mean distance from a cluster is ‖x − μ‖² + v.

    Parameters
    ----------
    generator
        Draws samples and clusters if there are more than `sample_limit`.

    Raises
    ------
    DbcError
        If there is not one label for each feature.

    Examples
    --------
    >>> points = np.array([[0, 0], [0, 2], [9, 0], [9, 2]], dtype=np.float32)
    >>> measure_compactness(points, np.array([0, 0, 1, 1]), generator=np.random.default_rng(0)).mean_intra_dispersion
    4.0
    """
    if len(features) != len(labels):
        raise DbcError(
            f"features and labels must be equally many, got {len(features)} and {len(labels)}; take clusters and features of "
            "one run"
        )
    clusters = ClusterMeans.of(features, labels)
    n_clusters = len(clusters.size)
    intra = 2 * clusters.size * clusters.variance
    samples = drawn(len(features), sample_limit, generator)
    chosen = drawn(n_clusters, sample_limit, generator)
    enough = n_clusters > 1
    cluster_size, size_clusters = np.unique(clusters.size, return_counts=True)
    return Compactness(
        silhouette=float(_silhouette(clusters, samples).mean()) if enough else float("nan"),
        n_silhouette_samples=len(samples) if enough else 0,
        mean_intra_dispersion=float(intra.mean()) if n_clusters else float("nan"),
        mean_nearest_inter_dispersion=float(_nearest(clusters, chosen).mean()) if enough else float("nan"),
        n_nearest_clusters=len(chosen) if enough else 0,
        cluster_size=cluster_size,
        size_clusters=size_clusters,
    )


@dataclass(frozen=True)
class ClusterMeans:
    """Centred features with their cluster means.

    `features` (n_samples, d) float32 as given, `centre` (d) their mean; `label` (n_samples) 0..K−1; `size` (K);
    `mean` (K, d) about the centre; `variance` (K), the mean squared distance of members from their mean, summed
    directly because mean squared norm minus squared norm of the mean loses it to rounding in tight clusters.
    """

    features: Float32Array
    centre: Float64Array
    label: Int64Array
    size: Int64Array
    mean: Float64Array
    variance: Float64Array

    @staticmethod
    def of(features: Float32Array, labels: Int64Array) -> ClusterMeans:
        """Those of the clusters `labels` (n_samples) of `features` (n_samples, d)."""
        _, label, size = np.unique(labels, return_inverse=True, return_counts=True)
        centre = features.mean(axis=0, dtype=np.float64) if len(features) else np.zeros(features.shape[1])
        order = np.argsort(label, kind="stable")
        end = np.cumsum(size)
        mean, variance = np.empty((len(size), features.shape[1])), np.empty(len(size))
        for cluster, (n, stop) in enumerate(zip(size, end, strict=True)):
            members = features[order[stop - n : stop]] - centre
            mean[cluster] = members.mean(axis=0)
            variance[cluster] = np.square(members - mean[cluster]).sum() / n
        return ClusterMeans(features, centre, label, size, mean, variance)

    def mean_distance(self, points: Float64Array) -> Float64Array:
        """Mean squared distance (n_points, K) of centred `points` from the members of every cluster."""
        squared_norm = np.square(self.mean).sum(axis=1)
        product = points @ self.mean.T
        to_mean = np.square(points).sum(axis=1)[:, None] + squared_norm - 2 * product
        return np.asarray(np.maximum(to_mean, 0) + self.variance)


def _silhouette(clusters: ClusterMeans, samples: Int64Array) -> Float64Array:
    """Silhouettes (len(samples)) of some samples against all clusters, of which there are at least two."""
    silhouette = np.zeros(len(samples))
    defined = np.flatnonzero(clusters.size[clusters.label[samples]] > 1)
    for start in range(0, len(defined), BLOCK):
        place = defined[start : start + BLOCK]
        block = samples[place]
        distance = clusters.mean_distance(clusters.features[block] - clusters.centre)
        silhouette[place] = silhouettes_from(distance, clusters.label[block], clusters.size)
    return silhouette


def _nearest(clusters: ClusterMeans, chosen: Int64Array) -> Float64Array:
    """The smallest d_ab (len(chosen)) from each chosen cluster to another one, of which there is at least one."""
    nearest = np.empty(len(chosen))
    for start in range(0, len(chosen), BLOCK):
        block = chosen[start : start + BLOCK]
        distance = clusters.mean_distance(clusters.mean[block]) + clusters.variance[block][:, None]
        distance[np.arange(len(block)), block] = np.inf
        nearest[start : start + BLOCK] = distance.min(axis=1)
    return nearest
