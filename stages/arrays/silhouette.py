"""Silhouettes from mean distances to clusters, and which of many samples they are measured at."""

from __future__ import annotations

import numpy as np

from stages.typing import Float64Array, Int64Array

SAMPLE_LIMIT = 5000
"""Samples and clusters measured; more are drawn from at random."""


def silhouettes_from(distance: Float64Array, own: Int64Array, size: Int64Array) -> Float64Array:
    """Silhouettes (r,), (b − a) / max(a, b), of samples in clusters `own` (r,) of two members or more (Rousseeuw 1987).

    `distance` (r, K) float64, which is overwritten: mean distances to the members of each cluster, a sample's distance 0
    from itself counted; `size` (K,). a is the mean distance to the other members of the own cluster, b the smallest to
    another cluster; 0 where both are.
    """
    rows = np.arange(len(own))
    within = distance[rows, own] * size[own] / (size[own] - 1)
    distance[rows, own] = np.inf
    nearest = distance.min(axis=1)
    larger = np.maximum(within, nearest)
    return np.asarray(np.divide(nearest - within, larger, out=np.zeros(len(own)), where=larger > 0))


def drawn(n: int, limit: int, generator: np.random.Generator) -> Int64Array:
    """All of 0..n−1, or `limit` of them drawn without replacement, ascending."""
    if n <= limit:
        return np.arange(n)
    return np.sort(generator.choice(n, size=limit, replace=False))
