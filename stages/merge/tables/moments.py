"""Clusters under squared Euclidean distance: sums and counts from which every dispersion follows, no N×N matrix."""

from __future__ import annotations

from dataclasses import dataclass, replace

import array_api_compat
import numpy as np

from stages.arrays.exact_sums import halving_sum, segment_sums, split_on_grids
from stages.merge.tables.canonical_rows import CanonicalRows, parts_of
from stages.typing import Array, Int64Array


@dataclass(frozen=True)
class Moments:
    """K clusters by the sums over their members; each sum is exact, so the order of samples and merges changes nothing.

    `sums` (K, d): Σ x; `norms_high`, `norms_low` (K,): the two halves of Σ ‖x‖² (`split_on_grids`); `counts` (K,):
    the number of members, all float64. `norm_bound` and `n_samples` fix the grid of the norms; that of x itself is
    `FeatureGrid`.
    """

    sums: Array
    norms_high: Array
    norms_low: Array
    counts: Array
    norm_bound: float
    n_samples: int

    def means(self) -> Array:
        """μ_a, (K, d) float64. Exactly x if every member is x, because n·x is exact."""
        return self.sums / self.counts[:, None]

    def variances(self) -> Array:
        """mean‖x‖² − ‖μ_a‖², (K,) float64, at least 0: half the mean squared distance over ordered pairs.

        The mean norm is formed as high/n + low/n and ‖μ‖² is put on the same two grids, so that a cluster of
        identical members, a singleton among them, has variance exactly 0.
        """
        xp = array_api_compat.array_namespace(self.sums)
        means = self.means()
        high, low = split_on_grids(halving_sum(means * means), bound=self.norm_bound, n_terms=self.n_samples)
        mean_norms = self.norms_high / self.counts + self.norms_low / self.counts
        return xp.maximum(mean_norms - (high + low), xp.zeros_like(mean_norms))


def moments_in_parts(rows: CanonicalRows, order: Int64Array, counts: Int64Array) -> Moments:
    """`Moments` of clusters of `counts` (K,) members, which are rows[order], cluster after cluster; read in parts.

    The sums are exact, so the parts of a cluster add up to the same bits.
    """
    xp = array_api_compat.array_namespace(rows.features)
    device, dim = array_api_compat.device(rows.features), rows.features.shape[1]
    stops = np.cumsum(counts)
    starts = stops - counts
    sums = xp.zeros((len(counts), dim), dtype=xp.float64, device=device)
    halves = [xp.zeros(len(counts), dtype=xp.float64, device=device) for _ in range(2)]
    for first, stop in parts_of(len(order), dim):
        begin, end = (int(np.searchsorted(stops, position, side="right")) for position in (first, stop - 1))
        cuts = [
            xp.asarray(np.clip(bounds[begin : end + 1], first, stop) - first, device=device)
            for bounds in (starts, stops)
        ]
        part = rows.take(xp.asarray(order[first:stop], device=device))
        split = split_on_grids(halving_sum(part * part), bound=rows.grid.norm_bound, n_terms=rows.grid.n_samples)
        sums[begin : end + 1, :] += segment_sums(part, *cuts)
        for half, more in zip(halves, split, strict=True):
            half[begin : end + 1] += segment_sums(more, *cuts)
    return Moments(
        sums=sums,
        norms_high=halves[0],
        norms_low=halves[1],
        counts=xp.asarray(counts, dtype=xp.float64, device=device),
        norm_bound=rows.grid.norm_bound,
        n_samples=rows.grid.n_samples,
    )


def variances_in_parts(moments: Moments) -> Array:
    """`Moments.variances` (K,), made in parts."""
    xp = array_api_compat.array_namespace(moments.sums)
    found = [xp.zeros(0, dtype=xp.float64, device=array_api_compat.device(moments.sums))]
    for first, stop in parts_of(*moments.sums.shape):
        part = replace(
            moments,
            sums=moments.sums[first:stop, :],
            norms_high=moments.norms_high[first:stop],
            norms_low=moments.norms_low[first:stop],
            counts=moments.counts[first:stop],
        )
        found.append(part.variances())
    return xp.concat(found)
