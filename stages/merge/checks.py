"""What a merge refuses before it begins: options out of range, features of no matrix, fewer clusters than merges."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from stages.errors import DbcError, UsageError
from stages.typing import Array


def require_options(lambda_: float, n_merges: int, *, update: str, intra_normalizer: str) -> None:
    """Raise UsageError for λ below 0 or not finite, no merges, or names that mean nothing."""
    if not (np.isfinite(lambda_) and lambda_ >= 0):
        raise UsageError(f"lambda is {lambda_}, wanted a finite number of at least 0; pass --lambda 0.1")
    if n_merges < 1:
        raise UsageError(f"{n_merges} merges wanted, wanted at least 1; raise --merge-percent or add samples")
    require_known("update", update, ("stale", "union", "exact"))
    require_known("intra normalizer", intra_normalizer, ("n", "n2"))


def require_known(name: str, value: str, known: Sequence[str]) -> None:
    """Raise UsageError where `value` is none of `known`; `name` says what it is."""
    if value not in known:
        raise UsageError(f"{name} is '{value}', wanted one of {', '.join(known)}")


def require_matrix(features: Array) -> None:
    """Raise DbcError unless `features` have two dimensions, neither of them 0."""
    if features.ndim != 2 or 0 in features.shape:
        raise DbcError(
            f"features have shape {tuple(features.shape)}, wanted (n_samples, n_dimensions), both at least 1; "
            "extract them again"
        )


def require_clusters(n_clusters: int, n_merges: int) -> None:
    """Raise DbcError where `n_merges` merges leave no cluster of `n_clusters`."""
    if n_merges >= n_clusters:
        raise DbcError(
            f"{n_merges} merges wanted of {n_clusters} clusters, which allow at most {n_clusters - 1}; "
            "lower --merge-percent, or stop at an earlier stage"
        )
