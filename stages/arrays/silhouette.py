"""Silhouettes of samples against whole clusters, and which of many samples they are measured at."""

from __future__ import annotations

import numpy as np

from stages.arrays.group_sums import group_sums
from stages.arrays.unit_rows import unit_rows
from stages.typing import Float32Array, Float64Array, Int64Array

SAMPLE_LIMIT = 5000
"""Samples and clusters measured; more are drawn from at random."""
BLOCK = 1024
"""Rows of a distance block: memory is `BLOCK` × n_clusters float64."""


def drawn(n: int, limit: int, generator: np.random.Generator) -> Int64Array:
    """All of 0..n−1, or `limit` of them drawn without replacement, ascending."""
    if n <= limit:
        return np.arange(n)
    return np.sort(generator.choice(n, size=limit, replace=False))


def silhouettes_of(within: Float64Array, nearest: Float64Array) -> Float64Array:
    """(b − a) / max(a, b) (r,) of a = `within`, the mean distance to the others of the own cluster, and b = `nearest`, that to
    the members of the nearest other one (Rousseeuw 1987); 0 where both are.
    """
    larger = np.maximum(within, nearest)
    return np.asarray(np.divide(nearest - within, larger, out=np.zeros(len(within)), where=larger > 0))


def sample_silhouettes(features: Float32Array, labels: Int64Array, samples: Int64Array) -> Float64Array:
    """Silhouettes (s,), by cosine distance, of `samples` (s,) among the clusters `labels` (n,), 0..K−1, of `features` (n, d).

    0 for a singleton, as Rousseeuw has it, and where there is no other cluster. All follows from cluster means μ: the mean
    distance of x from the members of a cluster is 1 − x·μ. A row of zeros stays one.
    """
    silhouettes, size = np.zeros(len(samples)), np.bincount(labels)
    if len(size) < 2:
        return silhouettes
    unit = unit_rows(features)
    order = np.argsort(labels, kind="stable")
    mean = group_sums(unit, order, np.cumsum(size) - size, dtype=np.float64) / size[:, None]
    place = np.flatnonzero(size[labels[samples]] > 1)
    for start in range(0, len(place), BLOCK):
        block = place[start : start + BLOCK]
        rows, own = np.arange(len(block)), labels[samples[block]]
        distance = np.maximum(1 - unit[samples[block]] @ mean.T, 0)
        # the mean over the own cluster counts the sample itself
        within = distance[rows, own] * size[own] / (size[own] - 1)
        distance[rows, own] = np.inf
        silhouettes[block] = silhouettes_of(within, distance.min(axis=1))
    return silhouettes


def mean_over_clusters(labels: Int64Array, samples: Int64Array, silhouettes: Float64Array) -> float:
    """The mean over clusters of their members' mean silhouette, from `silhouettes` of `samples`; NaN for one cluster.

    `labels` (n_samples,) are those of all samples, 0..K−1. A sample of a cluster of n counts 1/n.
    """
    size = np.bincount(labels)
    if len(size) < 2:
        return float("nan")
    return float((silhouettes / size[labels[samples]]).sum() * len(labels) / len(samples) / len(size))
