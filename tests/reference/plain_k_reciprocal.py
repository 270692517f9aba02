"""k-reciprocal encoding, Jaccard distance and re-ranking as plain loops over sets, after Zhong et al. (CVPR 2017)."""

from __future__ import annotations

import math

import numpy as np


def plain_squared_distances(features: np.ndarray) -> list[list[float]]:
    """2 − 2 x·y of features rounded to 2⁻²⁶, 0 for a sample itself."""
    rounded = np.rint(features.astype(np.float64) * 2**26) / 2**26
    return [
        [0.0 if i == j else 2 - 2 * math.fsum((x * y).tolist()) for j, y in enumerate(rounded)]
        for i, x in enumerate(rounded)
    ]


def plain_encoding(features: np.ndarray, k1: int, k2: int) -> np.ndarray:
    n = len(features)
    distance = plain_squared_distances(features)
    order = [sorted(range(n), key=lambda j, i=i: (j != i, distance[i][j], j)) for i in range(n)]

    def reciprocal(p: int, k: int) -> set[int]:
        return {q for q in order[p][: k + 1] if p in order[q][: k + 1]}

    half = round(k1 / 2)
    own = np.zeros((n, n))
    for p in range(n):
        members = set(reciprocal(p, k1))
        for q in reciprocal(p, k1):
            near = reciprocal(q, half)
            if 3 * len(near & reciprocal(p, k1)) > 2 * len(near):
                members |= near
        scale = max(distance[p]) or 1.0
        weights = {q: math.exp(-distance[p][q] / scale) for q in members}
        for q, weight in weights.items():
            own[p, q] = weight / sum(weights.values())
    encoding = np.zeros((n, n))
    for p in range(n):
        for q in order[p][:k2]:
            encoding[p] += own[q] / min(k2, n)
    return encoding


def plain_jaccard(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    return np.array([[1 - np.minimum(v, w).sum() / np.maximum(v, w).sum() for w in right] for v in left])
