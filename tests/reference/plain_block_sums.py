"""Clusters under plain Euclidean distance: sums of sample distances between every two clusters."""

from __future__ import annotations

from dataclasses import dataclass

import array_api_compat

from stages.arrays.exact_sums import halving_sum, segment_sums, split_on_grids
from stages.merge.tables.canonical_rows import FeatureGrid
from stages.typing import Array

_CHUNK_VALUES = 1 << 17


@dataclass(frozen=True)
class BlockSums:
    """high + low (K, K) is Σ ‖x_i − x_j‖ over i in cluster a and j in cluster b, each half an exact sum.

    The diagonal counts ordered pairs, as eq. (2) does. `counts` (K,) float64.
    """

    high: Array
    low: Array
    counts: Array


def block_sums_of(rows: Array, grid: FeatureGrid, order: Array, starts: Array, stops: Array) -> BlockSums:
    """The block sums of clusters whose members are rows[order[starts[c]:stops[c]]]; arguments as `moments_of`.

    Each distance is computed once, √ of a `halving_sum`, and split on grids on which a sum over all n² ordered
    pairs is exact: so sums do not depend on the order of the samples, and are additive under merges.
    """
    xp = array_api_compat.array_namespace(rows)
    rows = xp.take(rows, order, axis=0)
    n_samples, n_clusters = rows.shape[0], starts.shape[0]
    sums = [xp.zeros((n_clusters, n_clusters), dtype=xp.float64, device=rows.device) for _ in range(2)]
    for cluster in range(n_clusters):
        high = xp.zeros(n_samples, dtype=xp.float64, device=rows.device)
        low = xp.zeros(n_samples, dtype=xp.float64, device=rows.device)
        for sample in range(int(starts[cluster]), int(stops[cluster])):
            more = split_on_grids(distances_to(rows, sample), bound=grid.distance_bound, n_terms=n_samples**2)
            high, low = high + more[0], low + more[1]
        sums[0][cluster, :] = segment_sums(high, starts, stops)
        sums[1][cluster, :] = segment_sums(low, starts, stops)
    return BlockSums(high=sums[0], low=sums[1], counts=xp.astype(stops - starts, xp.float64))


def distances_to(rows: Array, sample: int) -> Array:
    """‖x_i − x_sample‖ for every row i, (n,) float64, from `rows` (n, d) float64."""
    xp = array_api_compat.array_namespace(rows)
    n_samples, dim = rows.shape
    step = max(1, _CHUNK_VALUES // dim)
    parts = []
    for first in range(0, n_samples, step):
        difference = rows[first : min(first + step, n_samples), :] - rows[sample, :]
        parts.append(halving_sum(difference * difference))
    return xp.sqrt(xp.concat(parts))
