"""Stepwise (Liu, Wang and Lu, ICCV 2017): reciprocal nearest neighbours in another camera share an identity."""

from __future__ import annotations

import numpy as np

from stages.merge.cameras_apart import camera_pairs, joined_groups, require_two_cameras, squared_distances
from stages.merge.clustering import Task
from stages.typing import Float64Array, Int64Array

DEPTH = 5
"""How far down a rank list a match is looked for."""

TRAINS_ON_LABELLED = True


def cluster(task: Task) -> Int64Array:
    """Labels (n,) of samples that a reciprocal match joins across cameras; −1 for the others."""
    camid = require_two_cameras(task, "stepwise")
    links = []
    for rows, columns in camera_pairs(camid):
        across = squared_distances(task.features[rows], task.features[columns])
        links += [(rows[a], columns[b]) for a, b in reciprocal_matches(across)]
    return joined_groups(len(task.features), links)


def reciprocal_matches(cost: Float64Array, *, depth: int = DEPTH) -> list[tuple[int, int]]:
    """Pairs (a, b) of `cost` (n_a, n_b) that survive the check both ways; no sample is in two pairs. Ties go by index.

    In the rank list of a, down to `depth`, candidates that are nearer to another sample of a's camera are eliminated:
    they are hard negatives, whom a only resembles. The first candidate left is a's match if a is, by the same rule, its
    match. With a `depth` of 1 these are the reciprocal nearest neighbours.
    """
    forward, backward = _first_left(cost, depth), _first_left(cost.T, depth)
    return [(a, int(b)) for a, b in enumerate(forward) if b >= 0 and backward[b] == a]


def _first_left(cost: Float64Array, depth: int) -> Int64Array:
    """For each row, the nearest of its `depth` nearest columns that has the row as its own nearest; −1 if none has."""
    nearest_row = cost.argmin(axis=0)
    ranked = np.argsort(cost, axis=1, kind="stable")[:, :depth]
    own = nearest_row[ranked] == np.arange(len(cost))[:, None]
    return np.where(own.any(axis=1), ranked[np.arange(len(cost)), own.argmax(axis=1)], -1)
