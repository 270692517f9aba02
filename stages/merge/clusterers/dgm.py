"""DGM (Ye et al., ICCV 2017): the samples of two cameras are matched one to one, at the least total cost, and weighed."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.optimize import linear_sum_assignment

from stages.merge.cameras_apart import camera_pairs, joined_groups, require_two_cameras, squared_distances
from stages.merge.clustering import Task, WeightedLabels
from stages.typing import Float32Array, Float64Array

TRAINS_ON_LABELLED = True
Match = tuple[int, int, float]
"""A row and a column of the costs, and the weight of their pair."""


def cluster(task: Task) -> WeightedLabels:
    """Labels of samples that are matched across cameras, −1 without a match; and of each the mean weight of its matches."""
    camid = require_two_cameras(task, "dgm")
    matches = [
        (int(rows[a]), int(columns[b]), weight)
        for rows, columns in camera_pairs(camid)
        for a, b, weight in matched(squared_distances(task.features[rows], task.features[columns]))
    ]
    labels = joined_groups(len(task.features), [(a, b) for a, b, _ in matches])
    return WeightedLabels(labels, mean_weights(len(task.features), matches))


def matched(cost: Float64Array) -> list[Match]:
    """The pairs (a, b) of the least assignment whose `cost` (n_a, n_b) is at or below the mean cost μ, with their weights.

    The assignment minimises the sum of log(1 + exp(C − μ)), and a pair weighs exp(−C_ab / max_b' C_ab'), as published; a
    sample that is like all of the other camera has pairs of weight 1. Pairs above the mean weigh 0: they are left out.
    """
    mean = cost.mean()
    rows, columns = linear_sum_assignment(np.logaddexp(0, cost - mean))
    largest = cost.max(axis=1)
    weights = np.exp(-cost[rows, columns] / np.where(largest > 0, largest, 1)[rows])
    return [
        (int(a), int(b), float(weight))
        for a, b, weight in zip(rows, columns, weights, strict=True)
        if cost[a, b] <= mean
    ]


def mean_weights(n_samples: int, matches: Sequence[Match]) -> Float32Array:
    """The mean weight (n_samples,) of the `matches` that a sample is in; 0 if it is in none."""
    index = np.array([sample for a, b, _ in matches for sample in (a, b)], dtype=np.int64)
    weights = np.repeat([weight for _, _, weight in matches], 2)
    count = np.bincount(index, minlength=n_samples)
    total = np.bincount(index, weights=weights, minlength=n_samples)
    return (total / np.maximum(count, 1)).astype(np.float32)
