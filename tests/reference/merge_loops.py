"""The merge as plain loops over samples, written from eqs. (2)-(4) and the published walks: the first oracle."""

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


def dbc(first, second, distances, lambda_, normalizer):
    """(D_ab, d_ab, d_a, d_b), eq. (4)."""
    inter = inter_dispersion(first, second, distances)
    intra = [intra_dispersion(members, distances, normalizer) for members in (first, second)]
    return inter + lambda_ * sum(intra), inter, *intra


def buc(first, second, distances, lambda_, normalizer):
    """The same of BUC: the smallest distance, and the sizes."""
    inter = min(distances[i][j] for i in first for j in second)
    sizes = [len(first), len(second)]
    return inter + lambda_ * sum(sizes), inter, *sizes


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


def merged(features, labels, n_merges, *, update, criterion="dbc", lambda_=0.1, metric="sqeuclidean", normalizer="n"):
    """([(a, b, D, d_ab, p_a, p_b, n_a, n_b)], final clusters) by the rule `update`."""
    rank = {"dbc": dbc, "buc": buc}[criterion]
    distances, clusters = all_distances(features, metric), clusters_of(labels)
    walk = {"stale": stale, "union": union, "exact": exact}[update]
    return walk(clusters, n_merges, lambda first, second: rank(first, second, distances, lambda_, normalizer))


def ranked_pairs(clusters, rank):
    """[(a, b, D, d_ab, p_a, p_b, n_a, n_b)] in ascending (D, a, b)."""
    entries = [
        (a, b, *rank(clusters[a], clusters[b]), len(clusters[a]), len(clusters[b]))
        for a, b in combinations(sorted(clusters), 2)
    ]
    return sorted(entries, key=lambda entry: (entry[2], entry[0], entry[1]))


def stale(clusters, n_merges, rank):
    """D once, then the walk of the published DBC code."""
    absorbed, merges = set(), []
    for a, b, *numbers in ranked_pairs(clusters, rank):
        if len(merges) == n_merges:
            break
        if a in absorbed or b in absorbed:
            continue
        absorbed.add(b)
        merges.append((a, b, *numbers))
        clusters[a] = clusters[a] + clusters.pop(b)
    return merges, clusters


def union(clusters, n_merges, rank):
    """D once, then union-find as in the published BUC code."""
    home, merges = {label: label for label in clusters}, []
    for a, b, *numbers in ranked_pairs(clusters, rank):
        if len(merges) == n_merges:
            break
        first, second = sorted((home[a], home[b]))
        if first == second:
            continue
        merges.append((a, b, *numbers))
        clusters[first] = clusters[first] + clusters.pop(second)
        home = {label: first if owner == second else owner for label, owner in home.items()}
    return merges, clusters


def exact(clusters, n_merges, rank):
    """Everything recomputed from the samples after every merge."""
    merges = []
    for _ in range(n_merges):
        a, b, *numbers = ranked_pairs(clusters, rank)[0]
        merges.append((a, b, *numbers))
        clusters[a] = clusters[a] + clusters.pop(b)
    return merges, clusters


def labels_of(clusters):
    """Labels 0..K-1 in order of each cluster's smallest sample."""
    labels = {}
    for rank, members in enumerate(sorted(clusters.values(), key=min)):
        labels.update(dict.fromkeys(members, rank))
    return [labels[sample] for sample in sorted(labels)]
