"""How far clusters follow cameras: the share of same-camera pairs that merges join, and that by chance."""

from __future__ import annotations

import numpy as np

from stages.samples import UNKNOWN
from stages.typing import Float64Array, Int32Array, Int64Array


def same_camera_chance(camid: Int32Array) -> float:
    """Share of all pairs of samples, both cameras known, that one camera took; NaN if there is no such pair."""
    size = np.unique_counts(camid[camid != UNKNOWN]).counts.astype(np.float64)
    pairs = size.sum() * (size.sum() - 1)
    return float((size * (size - 1)).sum() / pairs) if pairs else float("nan")


def same_camera_merges(linkage: Float64Array, camid: Int32Array) -> float:
    """Mean over merges of the share of the pairs that they join, both cameras known, that one camera took.

    `linkage` (r, 4) is SciPy's matrix, maybe of few merges, over the samples of `camid` (n_samples). A merge of two
    images counts 0 or 1, a merge of clusters of a and b members the share over their a·b pairs: so early merges weigh
    as much as late ones, and large clusters no more than small ones. NaN if no merge joins known cameras.
    """
    cameras, place = np.unique(camid, return_inverse=True)
    one = np.eye(len(cameras), dtype=np.int64)
    one[cameras == UNKNOWN] = 0
    seen: list[Int64Array] = []
    shares = []
    for left, right in linkage[:, :2].astype(np.int64):
        parts = [one[place[node]] if node < len(camid) else seen[node - len(camid)] for node in (left, right)]
        pairs = int(parts[0].sum() * parts[1].sum())
        if pairs:
            shares.append(int(parts[0] @ parts[1]) / pairs)
        seen.append(parts[0] + parts[1])
    return float(np.mean(shares)) if shares else float("nan")
