"""Compactness and separation of clusters, without identities."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from stages.arrays.exact_sums import exponent_of
from stages.arrays.neighbours import DENSE_SHARE
from stages.arrays.row_blocks import by_blocks
from stages.arrays.silhouette import SAMPLE_LIMIT, drawn, silhouettes_of
from stages.arrays.similarity import product_error
from stages.errors import DbcError
from stages.typing import Float32Array, Float64Array, Int64Array

BLOCK = 256
"""Rows of a distance block: a thread holds `BLOCK` × n_clusters float32, at worst float64."""


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
    features: Float32Array, labels: Int64Array, *, generator: np.random.Generator, sample_limit: int = SAMPLE_LIMIT
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
        """Means of the clusters `labels` (n_samples) of `features` (n_samples, d)."""
        _, label, size = np.unique(labels, return_inverse=True, return_counts=True)
        centre = features.mean(axis=0, dtype=np.float64) if len(features) else np.zeros(features.shape[1])
        order = np.argsort(label, kind="stable")
        end = np.cumsum(size)
        mean, variance = np.empty((len(size), features.shape[1])), np.empty(len(size))
        # clusters that end in one block of rows are summed together
        groups = np.flatnonzero(np.diff(end // BLOCK, prepend=-1)).tolist()

        def summarise(numbers: range) -> None:
            for number in numbers:
                own = slice(groups[number], (groups[number + 1 :] or [len(size)])[0])
                first = end[own.start] - size[own.start]
                starts = end[own] - size[own] - first
                rows = features[order[first : end[own.stop - 1]]]
                if len(rows) == own.stop - own.start:
                    # each is its own mean
                    np.subtract(rows, centre, out=mean[own])
                    variance[own] = 0
                    continue
                members = rows - centre
                mean[own] = np.add.reduceat(members, starts, axis=0) / size[own, None]
                members -= np.repeat(mean[own], size[own], axis=0)
                variance[own] = np.add.reduceat(np.square(members, out=members).sum(axis=1), starts) / size[own]

        by_blocks(summarise, len(groups), 1)
        return ClusterMeans(features, centre, label, size, mean, variance)

    @cached_property
    def squared_norm(self) -> Float64Array:
        """‖μ‖² (K) about the centre."""
        return np.asarray(np.einsum("kd,kd->k", self.mean, self.mean))

    def mean_distance(self, points: Float64Array) -> Float64Array:
        """Mean squared distance (n_points, K) of centred `points` from the members of every cluster."""
        product = points @ self.mean.T
        to_mean = np.square(points).sum(axis=1)[:, None] + self.squared_norm - 2 * product
        return np.asarray(np.maximum(to_mean, 0) + self.variance)

    @cached_property
    def _scaled(self) -> tuple[Float32Array, float]:
        """`mean` as float32 (K, d) times a power of two that leaves the longest a length of 0.5 to 1, and that power."""
        scale = 2.0 ** -exponent_of(float(np.sqrt(self.squared_norm.max())))
        means: Float32Array = np.empty(self.mean.shape, dtype=np.float32)

        def fill(starts: range) -> None:
            for start in starts:
                rows = slice(start, start + BLOCK)
                np.multiply(self.mean[rows], scale, out=means[rows], casting="same_kind")

        by_blocks(fill, len(means), BLOCK)
        return means, scale

    def nearest_other(self, n: int, points: Callable[[slice], tuple[Float64Array, Int64Array]]) -> Float64Array:
        """The smallest mean squared distance of `n` points from the members of another cluster than their own.

        `points` gives centred points (b, d) and their own clusters (b). A float32 product with a bound on its error says
        which clusters can be the nearest, and distances from those are computed in float64.
        """
        nearest = np.full(n, np.inf)
        if not n:
            return nearest
        means, scale = self._scaled
        largest = float(np.sqrt(self.squared_norm.max()))
        offset = ((self.squared_norm + self.variance) * (scale * scale / 2)).astype(np.float32)
        # of a product of unit vectors, and of the rounding of both operands, the offset and the difference
        error = product_error(self.features.shape[1]) + 2.0**-21

        def search(starts: range) -> None:
            buffer = np.empty((min(n, BLOCK), len(means)), dtype=np.float32)
            for start in starts:
                rows = slice(start, min(start + BLOCK, n))
                block, own = points(rows)
                screen = np.matmul((block * scale).astype(np.float32), means.T, out=buffer[: len(block)])
                screen -= offset
                screen[np.arange(len(own)), own] = -np.inf
                length = np.sqrt(np.square(block).sum(axis=1)) * scale
                width = 2 * error * (length * largest * scale + float(offset.max()) + length)
                near = screen >= (screen.max(axis=1) - width).astype(np.float32)[:, None]
                nearest[rows] = self._smallest(block, own, np.flatnonzero(near))

        by_blocks(search, n, BLOCK)
        return nearest

    def _smallest(self, points: Float64Array, own: Int64Array, pairs: Int64Array) -> Float64Array:
        """The smallest mean squared distance (b) of `points` (b, d) among `pairs`, flat places in (b, K)."""
        smallest = np.full(len(points), np.inf)
        n_clusters = len(self.size)
        if len(pairs) > DENSE_SHARE * len(points) * n_clusters:
            distance = self.mean_distance(points)
            distance[np.arange(len(own)), own] = np.inf
            return np.asarray(distance.min(axis=1))
        for start in range(0, len(pairs), BLOCK):
            row, cluster = np.divmod(pairs[start : start + BLOCK], n_clusters)
            apart = points[row] - self.mean[cluster]
            np.minimum.at(smallest, row, np.square(apart, out=apart).sum(axis=1) + self.variance[cluster])
        return smallest


def _silhouette(clusters: ClusterMeans, samples: Int64Array) -> Float64Array:
    """Silhouettes (len(samples)) of some samples against all clusters, of which there are at least two."""
    silhouette = np.zeros(len(samples))
    defined = np.flatnonzero(clusters.size[clusters.label[samples]] > 1)
    within = np.empty(len(defined))

    def points(rows: slice) -> tuple[Float64Array, Int64Array]:
        block = samples[defined[rows]]
        own = clusters.label[block]
        found = clusters.features[block] - clusters.centre
        size = clusters.size[own]
        # the mean over the own cluster counts the sample itself
        within[rows] = (np.square(found - clusters.mean[own]).sum(axis=1) + clusters.variance[own]) * size / (size - 1)
        return found, own

    nearest = clusters.nearest_other(len(defined), points)
    silhouette[defined] = silhouettes_of(within, nearest)
    return silhouette


def _nearest(clusters: ClusterMeans, chosen: Int64Array) -> Float64Array:
    """For each chosen cluster, d_ab (len(chosen)) to its nearest other cluster. Needs two clusters."""
    nearest = clusters.nearest_other(len(chosen), lambda rows: (clusters.mean[chosen[rows]], chosen[rows]))
    return nearest + clusters.variance[chosen]
