"""The result of a merge stage: the new labels, and each merge with the numbers that ranked it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from stages.merge.clusters import labels_after
from stages.typing import BoolArray, Float32Array, Float64Array, Int64Array


@dataclass(frozen=True)
class StageMerges:
    """One stage of m merges, in the order they were made; NumPy arrays.

    Attributes
    ----------
    labels : int64 array (n,)
        The clusters after the stage, 0..K−1 in order of each cluster's smallest sample index.
    merges : int64 array (m, 2)
        (a, b), a < b, by the labels that the stage started from; b is absorbed by a.
    distance : float64 array (m,)
        D_ab, eq. (4). The clusters artifact calls it `criterion`.
    inter : float64 array (m,)
        d_ab, eq. (3).
    intra : float64 array (m, 2)
        d_a and d_b, eq. (2); under 'buc' n_a and n_b.
    sizes : int64 array (m, 2)
        n_a and n_b when D was computed: under 'stale' and 'union' at the start of the stage, under 'exact' at the merge.
    pairs_in : str or None
        What a GPU multiplied to find pairs: 'float16', or 'float32' if a probe told that its float16 sums lose bits. None if
        none did. It changes speed and no result.
    selected : bool array (n,) or None
        The samples to train on, for a method that leaves some out; None for all.
    weights : float32 array (n,) or None
        How much the loss of each sample counts in training; None if all count alike.
    """

    labels: Int64Array
    merges: Int64Array
    distance: Float64Array
    inter: Float64Array
    intra: Float64Array
    sizes: Int64Array
    pairs_in: str | None = None
    selected: BoolArray | None = None
    weights: Float32Array | None = None

    def then(self, others: StageMerges, names: Int64Array) -> StageMerges:
        """These merges and those of `others`, whose label c is names[c] here."""
        distance, inter, intra, sizes = (
            np.concatenate([getattr(self, name), getattr(others, name)])
            for name in ("distance", "inter", "intra", "sizes")
        )
        merges = np.concatenate([self.merges, names[others.merges]])
        return StageMerges(others.labels, merges, distance, inter, intra, sizes)

    @staticmethod
    def one_by_one(labels: Int64Array, merges: Int64Array, numbers: Sequence[tuple[float, ...]]) -> StageMerges:
        """The result of `merges` (m, 2) from `labels` (n,), each with its (D_ab, d_ab, d_a, d_b, n_a, n_b)."""
        columns = np.array(numbers, dtype=np.float64).reshape(-1, 6)
        return StageMerges(
            labels=labels_after(labels, merges),
            merges=merges,
            distance=columns[:, 0],
            inter=columns[:, 1],
            intra=columns[:, 2:4],
            sizes=columns[:, 4:6].astype(np.int64),
        )
