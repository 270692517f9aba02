"""Dispersion clustering of any (n, d) array down to one cluster, as a SciPy linkage matrix."""

from __future__ import annotations

from typing import Any

from stages.merge.linkage import empty_linkage, extend_linkage
from stages.merge.merge_stage import merge_stage
from stages.merge.schedule import initial_labels
from stages.typing import Array, Float64Array


def dispersion_linkage(features: Array, **options: Any) -> Float64Array:
    """The linkage matrix (n − 1, 4) float64 of merging always the smallest D, `update='exact'`, from n singletons.

    `features` (n, d), n at least 2; `options` as `merge_stage` takes them, less `update`. Columns as SciPy's: the two
    ids, the height D, and the size. At λ = 0 this is average linkage. Heights never descend, save for float64 rounding,
    because a merged cluster is no nearer to any other than the nearer of its parts (`Criterion`). Memory is linear in
    n: no distance matrix is made. Raises what `merge_stage` raises.
    """
    labels = initial_labels(features.shape[0])
    result = merge_stage(features, labels, max(1, len(labels) - 1), update="exact", **options)
    return extend_linkage(empty_linkage(), labels, result)
