"""DGM (Ye et al., ICCV 2017): the samples of two cameras are matched one to one, at the least total cost."""

from __future__ import annotations

import numpy as np
from scipy.optimize import linear_sum_assignment

from stages.merge.cameras_apart import camera_pairs, joined, require_cameras, squared_distances
from stages.merge.clustering import Task
from stages.typing import Float64Array, Int64Array

TRAINS_ON_LABELLED = True


def cluster(task: Task) -> Int64Array:
    """Labels (n,) of samples that are matched across cameras; −1 for samples without a match."""
    camid = require_cameras(task, "dgm")
    links = [
        (rows[a], columns[b])
        for rows, columns in camera_pairs(camid)
        for a, b in matched(squared_distances(task.features[rows], task.features[columns]))
    ]
    return joined(len(task.features), links)


def matched(cost: Float64Array) -> list[tuple[int, int]]:
    """The pairs (a, b) of the least assignment whose `cost` (n_a, n_b) is at or below the mean cost μ.

    The assignment minimises the sum of log(1 + exp(C − μ)), as published.
    """
    mean = cost.mean()
    rows, columns = linear_sum_assignment(np.logaddexp(0, cost - mean))
    return [(int(a), int(b)) for a, b in zip(rows, columns, strict=True) if cost[a, b] <= mean]
