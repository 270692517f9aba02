"""Canonical rows of all samples at once, and the moments of clusters from them, for the oracle of the merge."""

from __future__ import annotations

import array_api_compat

from stages.arrays.exact_sums import halving_sum, segment_sums, split_on_grids
from stages.merge.tables.canonical_rows import FeatureGrid, canonical_rows
from stages.merge.tables.moments import Moments
from stages.typing import Array


def canonical_features(features: Array, *, metric) -> tuple[Array, FeatureGrid]:
    """All rows of `CanonicalRows`, (n, d) float64, and their grid."""
    rows = canonical_rows(features, metric=metric)
    xp = array_api_compat.array_namespace(features)
    return rows.take(xp.arange(features.shape[0], device=array_api_compat.device(features))), rows.grid


def moments_of(rows: Array, grid: FeatureGrid, order: Array, starts: Array, stops: Array) -> Moments:
    """The moments of clusters whose members are rows[order[starts[c]:stops[c]]].

    `rows` (n, d) and `grid` from `canonical_features`; `order` (n,) sorts samples by cluster; `starts`, `stops` (K,) int64.
    """
    xp = array_api_compat.array_namespace(rows)
    norms = halving_sum(rows * rows)
    high, low = split_on_grids(norms, bound=grid.norm_bound, n_terms=grid.n_samples)
    return Moments(
        sums=segment_sums(xp.take(rows, order, axis=0), starts, stops),
        norms_high=segment_sums(xp.take(high, order), starts, stops),
        norms_low=segment_sums(xp.take(low, order), starts, stops),
        counts=xp.astype(stops - starts, xp.float64),
        norm_bound=grid.norm_bound,
        n_samples=grid.n_samples,
    )
