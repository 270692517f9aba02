"""What a merge stage leaves: the new labels, and each merge with the numbers that ranked it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from stages.merge.clusters import labels_after
from stages.typing import Float64Array, Int64Array


@dataclass(frozen=True)
class StageMerges:
    """One stage of m merges, in the order they were made; host NumPy arrays.

    `labels` (n,) int64: clusters after the stage, 0..K−1 in order of each cluster's smallest sample index.
    `merges` (m, 2) int64: (a, b), a < b, labels that the stage started from; the cluster called a lives on, b is absorbed.
    `criterion` (m,) float64: D_ab of eq. (4); `inter` (m,): d_ab of eq. (3); `intra` (m, 2): d_a and d_b of eq. (2).
    `sizes` (m, 2) int64: n_a and n_b as the dispersions saw them: under `stale` those of the previous stage, even
    where a has absorbed others since; under `exact` those at the moment of the merge.
    """

    labels: Int64Array
    merges: Int64Array
    criterion: Float64Array
    inter: Float64Array
    intra: Float64Array
    sizes: Int64Array

    @staticmethod
    def one_by_one(labels: Int64Array, merges: Int64Array, numbers: Sequence[tuple[float, ...]]) -> StageMerges:
        """Those that `merges` (m, 2) leave of `labels` (n,), each with (D_ab, d_ab, d_a, d_b, n_a, n_b) of its moment."""
        columns = np.array(numbers, dtype=np.float64)
        return StageMerges(
            labels=labels_after(labels, merges),
            merges=merges,
            criterion=columns[:, 0],
            inter=columns[:, 1],
            intra=columns[:, 2:4],
            sizes=columns[:, 4:6].astype(np.int64),
        )
