"""Dispersion clustering of any (n, d) array down to one cluster, as a SciPy linkage matrix."""

from __future__ import annotations

from typing import Any

from stages.arrays.checks import require_matrix
from stages.merge.linkage import empty_linkage, extend_linkage
from stages.merge.merge_stage import merge_stage
from stages.merge.schedule import initial_labels
from stages.typing import Array, Float64Array


def dispersion_linkage(features: Array, **options: Any) -> Float64Array:
    """The linkage matrix of merging single samples down to one cluster, always the pair with the smallest D.

    At λ = 0 this is average linkage ('dbc') or single linkage ('buc'). Heights never descend, except by float64 rounding,
    because a merged cluster is no nearer to any other than the nearer of its parts. Memory is linear in n: no distance
    matrix is made.

    Parameters
    ----------
    features : array (n, d) of a real dtype
        n ≥ 2 samples.
    **options
        Those of `merge_stage`, except `update`, which is 'exact'.

    Returns
    -------
    float64 array (n − 1, 4)
        SciPy's linkage matrix: two cluster ids, the height D, and the size.

    Raises
    ------
    UsageError, DbcError
        As `merge_stage`.

    Examples
    --------
    >>> import numpy as np
    >>> features = np.array([[0.0], [1.0], [5.0]])
    >>> dispersion_linkage(features, lambda_=0.0, metric="euclidean").tolist()
    [[0.0, 1.0, 1.0, 2.0], [2.0, 3.0, 4.5, 3.0]]
    """
    require_matrix(features)
    labels = initial_labels(features.shape[0])
    result = merge_stage(features, labels, max(1, len(labels) - 1), update="exact", **options)
    return extend_linkage(empty_linkage(), labels, result)
