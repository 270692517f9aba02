"""Known labels: what a person says of some samples, and the nearest of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from stages.errors import UsageError
from stages.typing import Float32Array, Float64Array, Int64Array

if TYPE_CHECKING:
    from stages.merge.clustering import Task

ROWS_AT_ONCE = 4096


def require_labels(task: Task, method: str) -> Int64Array:
    """The known labels (n,) of `task`, −1 for unknown ones; UsageError if none is known."""
    if task.known is None or not (task.known >= 0).any():
        raise UsageError(f"`clusterer={method!r}` needs `labels`, a table of samples whose identity is known; got none")
    return task.known


def nearest_known(features: Float32Array, known: Int64Array) -> tuple[Int64Array, Float64Array]:
    """(index, squared distance), (n,) each, of every sample's nearest one of `known` (n,) label, not −1; ties by index.

    `features` (n, d) are L2-normalised; products are taken in float64.
    """
    candidates = np.flatnonzero(known >= 0)
    index = np.empty(len(features), dtype=np.int64)
    distance = np.empty(len(features))
    columns = features[candidates].astype(np.float64).T
    for start in range(0, len(features), ROWS_AT_ONCE):
        part = slice(start, start + ROWS_AT_ONCE)
        far = 2 - 2 * (features[part].astype(np.float64) @ columns)
        best = far.argmin(axis=1)
        index[part], distance[part] = candidates[best], far[np.arange(len(best)), best]
    return index, np.maximum(distance, 0)
