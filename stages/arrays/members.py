"""The members of each cluster of a partition."""

from __future__ import annotations

import numpy as np

from stages.typing import Int64Array


def members_of(labels: Int64Array) -> list[Int64Array]:
    """The members of each of the clusters `labels` (n,), 0..K−1, ascending."""
    return np.split(np.argsort(labels, kind="stable"), np.cumsum(np.bincount(labels))[:-1])
