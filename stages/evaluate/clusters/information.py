"""How much clusters tell of identities: scores of pairs and of information, from the sizes of what they share.

scikit-learn has the same scores, but to import it takes as long as to evaluate a small set.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from stages.samples import consecutive
from stages.typing import Float64Array, Int32Array, Int64Array

_EPSILON = float(np.finfo(np.float64).eps)


@dataclass(frozen=True)
class Contingency:
    """The non-empty cells of clusters × classes: `count` (n_cells) samples of `cluster` and `class_`; both sizes."""

    cluster: Int64Array
    class_: Int64Array
    count: Int64Array
    cluster_size: Int64Array
    class_size: Int64Array

    @staticmethod
    def of(labels: Int64Array, classes: Int32Array | Int64Array) -> Contingency:
        """The table of the clusters `labels` (n,) and the `classes` (n,) of the same samples."""
        _, cluster, cluster_size = np.unique(labels, return_inverse=True, return_counts=True)
        _, class_, class_size = np.unique(classes, return_inverse=True, return_counts=True)
        cell, count = np.unique(cluster * max(len(class_size), 1) + class_, return_counts=True)
        cluster_of_cell, class_of_cell = np.divmod(cell, max(len(class_size), 1))
        return Contingency(cluster_of_cell, class_of_cell, count, cluster_size, class_size)


def n_pairs(size: Int64Array) -> int:
    """Unordered pairs inside groups of these sizes."""
    return int((size * (size - 1) // 2).sum())


def information_scores(table: Contingency) -> dict[str, float]:
    """ARI, AMI, NMI, homogeneity, completeness and V-measure of clusters against classes (n ≥ 1 samples).

    Normalised by the mean of both entropies (Vinh, Epps and Bailey, JMLR 11, 2010; Rosenberg and Hirschberg, EMNLP 2007).
    """
    n = int(table.count.sum())
    shared = mutual_information(table)
    of_clusters, of_classes = entropy(table.cluster_size), entropy(table.class_size)
    mean = (of_clusters + of_classes) / 2
    homogeneity = shared / of_classes if of_classes else 1.0
    completeness = shared / of_clusters if of_clusters else 1.0
    total = homogeneity + completeness
    n_groups = len(table.cluster_size), len(table.class_size)
    if min(n_groups) == 1:
        adjusted = float(n_groups == (1, 1))
    else:
        expected = expected_information(table.cluster_size, table.class_size, n)
        adjusted = _away_from_zero(shared - expected) / _away_from_zero(mean - expected)
    return {
        "ari": _adjusted_rand(table, n),
        "ami": adjusted,
        "nmi": 1.0 if n_groups == (1, 1) else shared / mean if shared else 0.0,
        "homogeneity": homogeneity,
        "completeness": completeness,
        "v_measure": 2 * homogeneity * completeness / total if total else 0.0,
    }


def adjusted_rand(labels: Int64Array, others: Int64Array) -> float:
    """The adjusted Rand index of two partitions (n ≥ 1) of the same samples."""
    return _adjusted_rand(Contingency.of(labels, others), len(labels))


def _adjusted_rand(table: Contingency, n: int) -> float:
    """(Hubert and Arabie 1985): 1 if both agree in every pair, 0 by chance."""
    both, in_clusters, in_classes = (n_pairs(size) for size in (table.count, table.cluster_size, table.class_size))
    if both == in_clusters == in_classes:
        return 1.0
    # in whole numbers until the last step
    total = n * (n - 1) // 2
    by_chance = in_clusters * in_classes
    return 2 * (both * total - by_chance) / ((in_clusters + in_classes) * total - 2 * by_chance)


def entropy(size: Int64Array) -> float:
    """The entropy, in nats, of a sample's group among groups of these sizes."""
    if len(size) == 1:
        return 0.0
    n = int(size.sum())
    return -float((size / n * (np.log(size) - math.log(n))).sum())


def mutual_information(table: Contingency) -> float:
    """What clusters and classes tell of each other, in nats, at least 0."""
    if min(len(table.cluster_size), len(table.class_size)) == 1:
        return 0.0
    n = int(table.count.sum())
    alone = table.cluster_size[table.cluster] * table.class_size[table.class_]
    terms = table.count / n * (np.log(table.count) - np.log(alone) + math.log(n))
    return max(0.0, float(np.where(np.abs(terms) < _EPSILON, 0.0, terms).sum()))


def expected_information(left: Int64Array, right: Int64Array, n: int) -> float:
    """The mean of `mutual_information` over all ways to put `n` samples into groups of sizes `left` and `right`.

    The sum over pairs of groups of Vinh, Epps and Bailey, eq. (24a), once for groups of the same size.
    """
    log_factorial: Float64Array = np.array([math.lgamma(k + 1) for k in range(n + 1)])
    others, n_others = np.unique(right, return_counts=True)
    total = 0.0
    for size, n_same in zip(*(values.tolist() for values in np.unique(left, return_counts=True)), strict=True):
        least, most = np.maximum(1, size + others - n), np.minimum(size, others)
        length = most - least + 1
        which = np.repeat(np.arange(len(others)), length)
        shared = consecutive(least, length)
        other = others[which]
        chance = log_factorial[other] + log_factorial[n - other]
        chance -= log_factorial[shared] + log_factorial[size - shared] + log_factorial[other - shared]
        chance -= log_factorial[n - size - other + shared]
        chance += log_factorial[size] + log_factorial[n - size] - log_factorial[n]
        terms = shared / n * (np.log(n * shared) - np.log(size * other)) * np.exp(chance)
        total += n_same * float((n_others[which] * terms).sum())
    return total


def _away_from_zero(value: float) -> float:
    """`value`, at least a rounding error from 0 on its side: equal numbers then give 1."""
    return min(value, -_EPSILON) if value < 0 else max(value, _EPSILON)
