"""Clusters under squared Euclidean distance: sums and counts from which every dispersion follows, no N×N matrix."""

from __future__ import annotations

from dataclasses import dataclass

import array_api_compat

from stages.merge.exact_sums import halving_sum, segment_sums, split_on_grids
from stages.merge.samples import Frame
from stages.typing import Array


@dataclass(frozen=True)
class Moments:
    """K clusters by the sums over their members; each sum is exact, so no order of samples or merges shows in it.

    `sums` (K, d): Σ x; `norms_high`, `norms_low` (K,): the two halves of Σ ‖x‖² (`split_on_grids`); `counts` (K,):
    the number of members, all float64. `norm_bound` and `n_samples` fix the grid of the norms. The grid for x itself
    is that of `canonical_features`.
    """

    sums: Array
    norms_high: Array
    norms_low: Array
    counts: Array
    norm_bound: float
    n_samples: int

    def means(self) -> Array:
        """μ_a, (K, d) float64. Exactly x where every member is x, because n·x is exact."""
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


def moments_of(rows: Array, frame: Frame, order: Array, starts: Array, stops: Array) -> Moments:
    """The moments of clusters whose members are rows[order[starts[c]:stops[c]]].

    `rows` (n, d) and `frame` from `canonical_features`; `order` (n,) sorts samples by cluster; `starts`, `stops` (K,) int64.
    """
    xp = array_api_compat.array_namespace(rows)
    norms = halving_sum(rows * rows)
    high, low = split_on_grids(norms, bound=frame.norm_bound, n_terms=frame.n_samples)
    return Moments(
        sums=segment_sums(xp.take(rows, order, axis=0), starts, stops),
        norms_high=segment_sums(xp.take(high, order), starts, stops),
        norms_low=segment_sums(xp.take(low, order), starts, stops),
        counts=xp.astype(stops - starts, xp.float64),
        norm_bound=frame.norm_bound,
        n_samples=frame.n_samples,
    )
