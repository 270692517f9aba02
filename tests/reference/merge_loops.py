"""The dispersion merge as plain loops over samples, written from eqs. (2)-(4) and the published walks: the oracle."""

import math
from itertools import combinations


def distance(x, y, metric):
    """dist(x, y) of two sequences of floats."""
    if metric == "cosine":
        dot = math.fsum(a * b for a, b in zip(x, y, strict=True))
        return 1 - dot / math.sqrt(math.fsum(a * a for a in x) * math.fsum(b * b for b in y))
    squared = math.fsum((a - b) ** 2 for a, b in zip(x, y, strict=True))
    return math.sqrt(squared) if metric == "euclidean" else squared


def intra_dispersion(members, distances, normalizer):
    """d_a, eq. (2): over ordered pairs."""
    total = math.fsum(distances[i][j] for i in members for j in members if i != j)
    return total / (len(members) if normalizer == "n" else len(members) ** 2)


def inter_dispersion(first, second, distances):
    """d_ab, eq. (3)."""
    return math.fsum(distances[i][j] for i in first for j in second) / (len(first) * len(second))


def criterion(first, second, distances, lambda_, normalizer):
    """(D_ab, d_ab, d_a, d_b), eq. (4)."""
    inter = inter_dispersion(first, second, distances)
    intra = [intra_dispersion(members, distances, normalizer) for members in (first, second)]
    return inter + lambda_ * sum(intra), inter, *intra


def all_distances(features, metric):
    """The N×N table of sample distances, as nested lists."""
    rows = [[float(value) for value in row] for row in features]
    return [[distance(x, y, metric) for y in rows] for x in rows]


def clusters_of(labels):
    """{label: members}."""
    clusters = {}
    for sample, label in enumerate(labels):
        clusters.setdefault(int(label), []).append(sample)
    return clusters


def stale(features, labels, n_merges, *, lambda_, metric, normalizer):
    """[(a, b, D, d_ab, d_a, d_b, n_a, n_b)] and the final clusters: D once, then the walk of the published code."""
    distances, clusters = all_distances(features, metric), clusters_of(labels)
    ranked = sorted(
        (*criterion(clusters[a], clusters[b], distances, lambda_, normalizer), a, b)
        for a, b in combinations(sorted(clusters), 2)
    )
    ranked.sort(key=lambda entry: (entry[0], entry[4], entry[5]))
    sizes = {label: len(members) for label, members in clusters.items()}
    absorbed, merges = set(), []
    for big_d, inter, intra_a, intra_b, a, b in ranked:
        if len(merges) == n_merges:
            break
        if a in absorbed or b in absorbed:
            continue
        absorbed.add(b)
        merges.append((a, b, big_d, inter, intra_a, intra_b, sizes[a], sizes[b]))
        clusters[a] = clusters[a] + clusters.pop(b)
    return merges, clusters


def exact(features, labels, n_merges, *, lambda_, metric, normalizer):
    """The same, with everything recomputed from the samples after every merge."""
    distances, clusters, merges = all_distances(features, metric), clusters_of(labels), []
    for _ in range(n_merges):
        big_d, a, b, inter, intra_a, intra_b = min(
            (values[0], a, b, *values[1:])
            for a, b in combinations(sorted(clusters), 2)
            for values in [criterion(clusters[a], clusters[b], distances, lambda_, normalizer)]
        )
        merges.append((a, b, big_d, inter, intra_a, intra_b, len(clusters[a]), len(clusters[b])))
        clusters[a] = clusters[a] + clusters.pop(b)
    return merges, clusters


def labels_of(clusters):
    """Labels 0..K-1 in order of each cluster's smallest sample."""
    labels = {}
    for rank, members in enumerate(sorted(clusters.values(), key=min)):
        labels.update(dict.fromkeys(members, rank))
    return [labels[sample] for sample in sorted(labels)]
