"""RACE (Ye, Lan and Yuen, ECCV 2018): every sample is rebuilt from its nearest labelled ones, whose weights tell its label."""

from __future__ import annotations

import numpy as np

from stages.merge.clustering import Task
from stages.merge.known import require_labels
from stages.typing import Float32Array, Float64Array, Int64Array

N_ANCHORS = 5
"""k, the anchors that a sample is rebuilt from."""
PENALTY = 0.1
"""λ, which keeps weight on near anchors."""

TRAINS_ON_LABELLED = True


def cluster(task: Task) -> Int64Array:
    """Labels (n,) of the known samples and of others whose label is clear; −1 for the rest."""
    return anchored_labels(task.features, require_labels(task, "race"))


def anchored_labels(features: Float32Array, known: Int64Array, *, n_anchors: int = N_ANCHORS) -> Int64Array:
    """Labels (n,) int64: those of `known` (n,), −1 where unknown, and for other samples what their anchors agree on.

    The anchors are the known samples. A sample is rebuilt from its 1, 2, … `n_anchors` nearest ones; each time the label
    with the largest weight has a vote. A label with more than half of the votes is taken, else the sample stays −1. The
    published method counts labels over the frames of a sequence; here a sample is one feature. `features` (n, d) are
    L2-normalised.
    """
    anchors = np.flatnonzero(known >= 0)
    n_anchors = min(n_anchors, len(anchors))
    labels = known.copy()
    means = features[anchors].astype(np.float64)
    for sample in np.flatnonzero(known < 0):
        own = features[sample].astype(np.float64)
        nearest = np.argsort(((means - own) ** 2).sum(axis=1), kind="stable")[:n_anchors]
        votes = [_heaviest(own, means[nearest[:k]], known[anchors[nearest[:k]]]) for k in range(1, n_anchors + 1)]
        values, counts = np.unique(votes, return_counts=True)
        if 2 * counts.max() > len(votes):
            labels[sample] = values[counts.argmax()]
    return labels


def _heaviest(own: Float64Array, anchors: Float64Array, labels: Int64Array) -> int:
    """The label with the largest sum of weights."""
    weights = embedding_weights(own, anchors, penalty=PENALTY)
    values, place = np.unique(labels, return_inverse=True)
    return int(values[np.bincount(place, weights=weights).argmax()])


def embedding_weights(own: Float64Array, anchors: Float64Array, *, penalty: float) -> Float64Array:
    """The w (k,) that minimise ‖p − Aw‖² + λ‖d∘w‖² with Σw = 1, for p = `own` (d) and the rows of `anchors` (k, d).

    d is the distance to each anchor, divided by the largest. With Σw = 1 the first term is wᵀGw, G the products of the
    differences, so w is proportional to (G + λ diag(d²))⁻¹ 1.
    """
    differences = anchors - own
    squared = (differences**2).sum(axis=1)
    largest = squared.max()
    if largest == 0:
        return np.full(len(anchors), 1 / len(anchors))
    matrix = differences @ differences.T + penalty * np.diag(squared / largest)
    # an anchor equal to the sample has a row of zeros: it takes all the weight
    matrix[np.diag_indices(len(anchors))] += 1e-12 * largest
    weights = np.linalg.solve(matrix, np.ones(len(anchors)))
    scaled: Float64Array = weights / weights.sum()
    return scaled
