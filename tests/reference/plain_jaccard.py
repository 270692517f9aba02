"""Merging under the Jaccard distance as plain loops over a full matrix of distances."""

from __future__ import annotations

import numpy as np
from plain_k_reciprocal import plain_encoding, plain_jaccard

WEIGHT_GRID = 2.0**-40


def plain_jaccard_distances(features, k1, k2):
    encoding = plain_encoding(features, k1, k2)
    distances = plain_jaccard(encoding, encoding)
    np.fill_diagonal(distances, 0)
    return distances


def plain_merges(distances, labels, n_merges, *, lambda_, update, normalizer):
    """(merges, D) of a stage; D with λ·d_a rounded to 2^-40, and to 12 digits, which makes ties of what rounding split."""
    groups = {c: list(np.flatnonzero(labels == c)) for c in range(labels.max() + 1)}
    alive, merges, values = dict(groups), [], []
    parent = {c: c for c in groups}
    fixed = sorted(all_pairs(distances, groups, lambda_, normalizer))
    while len(merges) < n_merges:
        if update == "exact":
            value, a, b = min(all_pairs(distances, alive, lambda_, normalizer))
        else:
            value, a, b = fixed.pop(0)
            if update == "stale" and not (a in alive and b in alive):
                continue
            if update == "union" and parent[a] == parent[b]:
                continue
        merges.append((a, b))
        values.append(value)
        if update == "union":
            low, high = sorted((parent[a], parent[b]))
            parent = {c: low if p == high else p for c, p in parent.items()}
        else:
            alive[a] = alive[a] + alive.pop(b)
    return np.array(merges), np.array(values)


def all_pairs(distances, groups, lambda_, normalizer):
    weight = {c: rounded(lambda_ * intra(distances, members, normalizer)) for c, members in groups.items()}
    for a in groups:
        for b in groups:
            if a < b:
                inter = np.mean([distances[i, j] for i in groups[a] for j in groups[b]])
                yield round(inter + weight[a] + weight[b], 12), a, b


def intra(distances, members, normalizer):
    total = sum(distances[i, j] for i in members for j in members)
    return total / (len(members) if normalizer == "n" else len(members) ** 2)


def rounded(value):
    return np.rint(value / WEIGHT_GRID) * WEIGHT_GRID
