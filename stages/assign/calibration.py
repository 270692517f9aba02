"""How similar a sample must be to a cluster to be of it, learnt from the clusters themselves: arrays in, arrays out.

Every clustered sample is asked twice where it belongs, as if it were new: once with the rest of its own cluster there, as a
picture of a known individual would be, and once without it, as one of a new individual would. No identity is read.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from stages.errors import DbcError
from stages.typing import BoolArray, Float32Array, Float64Array, Int64Array

LOOKED_AT = 2000
"""Samples that are asked; in larger sets they are spread evenly over the rows."""
LEAST = 8
"""Samples with others in their cluster that a calibration needs."""
_BLOCK = 256
_RIDGE = 1.0
"""Weight of the squared slope, per standard deviation of the similarity, so that separated samples give a finite one."""


@dataclass(frozen=True)
class Nearest:
    """For each of q samples its most similar cluster, the similarity to it, and that to the second (−inf if there is none).

    A sample is as similar to a cluster as to the most similar of its members, by their scalar product. (The mean over members
    told known individuals from new ones a little worse, and both together no better.)
    """

    label: Int64Array
    similarity: Float64Array
    second: Float64Array


@dataclass(frozen=True)
class Calibration:
    """The probability 1 / (1 + exp(−(`slope` · s + `intercept`))) that a sample of similarity s is of a known individual.

    It holds if known and new individuals are equally frequent. `separation` is the share of pairs of a known and a new one, of
    those asked, that it puts in the right order (the area under the ROC curve): 0.5 tells nothing, 1 everything.
    """

    slope: float
    intercept: float
    separation: float

    def probability(self, similarity: Float64Array) -> Float64Array:
        """(q,) for similarities (q,)."""
        found: Float64Array = 1 / (1 + np.exp(-np.clip(self.slope * similarity + self.intercept, -700, 700)))
        return found


def nearest_clusters(
    asked: Float32Array,
    rows: Float32Array,
    labels: Int64Array,
    *,
    own: Int64Array | None = None,
    without_cluster: bool = False,
) -> Nearest:
    """The clusters most similar to each of `asked` (q, d), among those of the `rows` (n, d) that have `labels` (n,), 0..K−1.

    `own` (q,) are the rows that `asked` are: each is left out, with its whole cluster if `without_cluster`. Of equally
    similar clusters the one of the smaller label comes first.
    """
    order = np.argsort(labels, kind="stable")
    starts = np.flatnonzero(np.diff(labels[order], prepend=-1))
    place_of = np.argsort(order)
    sorted_rows = rows[order].astype(np.float64)
    label, first, second = np.zeros(len(asked), dtype=np.int64), np.zeros(len(asked)), np.zeros(len(asked))
    for start in range(0, len(asked), _BLOCK):
        block = slice(start, min(start + _BLOCK, len(asked)))
        each = np.arange(block.stop - start)
        products = asked[block].astype(np.float64) @ sorted_rows.T
        if own is not None:
            products[each, place_of[own[block]]] = -np.inf
        similarity = np.maximum.reduceat(products, starts, axis=1)
        if own is not None and without_cluster:
            similarity[each, labels[own[block]]] = -np.inf
        label[block] = similarity.argmax(axis=1)
        first[block] = similarity[each, label[block]]
        similarity[each, label[block]] = -np.inf
        second[block] = similarity.max(axis=1)
    return Nearest(label, first, second)


def calibrate(rows: Float32Array, labels: Int64Array) -> Calibration:
    """What the clusters `labels` (n,) of `rows` (n, d) say of similarities; DbcError if too few samples have company.

    The probability is that of the logistic regression on both kinds of answers, which weigh the same. Samples that are alone
    in their cluster are asked without it only.
    """
    size = np.bincount(labels)
    asked = np.unique(np.linspace(0, len(labels) - 1, min(len(labels), LOOKED_AT)).round().astype(np.int64))
    in_company = asked[size[labels[asked]] > 1]
    if len(in_company) < LEAST or len(size) < 2:
        raise DbcError(
            f"at least {LEAST} samples in clusters of two or more, and two clusters, are needed to tell known from new, got "
            f"{len(in_company)} and {len(size)}; take a later `stage`"
        )
    known = nearest_clusters(rows[in_company], rows, labels, own=in_company).similarity
    new = nearest_clusters(rows[asked], rows, labels, own=asked, without_cluster=True).similarity
    values, is_known = np.concatenate([known, new]), np.repeat([True, False], [len(known), len(new)])
    slope, intercept = logistic(values, is_known)
    return Calibration(slope, intercept, ordered_share(known, new))


def logistic(values: Float64Array, is_first: BoolArray) -> tuple[float, float]:
    """(slope, intercept) of the logistic regression of `is_first` (n,) on `values` (n,), both classes of equal weight.

    Newton's method; the slope is not negative, and drawn to 0 a little, so that classes that do not overlap have a finite one.
    """
    mean, deviation = float(values.mean()), float(values.std()) or 1.0
    x = (values - mean) / deviation
    weight = np.where(is_first, 0.5 / is_first.mean(), 0.5 / (~is_first).mean())
    slope, intercept = 0.0, 0.0
    for _ in range(50):
        p = 1 / (1 + np.exp(-np.clip(slope * x + intercept, -30, 30)))
        error, curvature = weight * (p - is_first), weight * p * (1 - p)
        gradient = np.array([error @ x + _RIDGE * slope, error.sum()])
        hessian = np.array([[curvature @ (x * x) + _RIDGE, curvature @ x], [curvature @ x, curvature.sum() + 1e-9]])
        step = np.linalg.solve(hessian, gradient)
        slope, intercept = slope - float(step[0]), intercept - float(step[1])
        if np.abs(step).max() < 1e-10:
            break
    slope = max(slope, 0.0)
    return slope / deviation, intercept - slope * mean / deviation


def ordered_share(larger: Float64Array, smaller: Float64Array) -> float:
    """The share of pairs whose first value, of `larger`, is above the second, of `smaller`; ties count half."""
    ordered = np.sort(smaller)
    below = np.searchsorted(ordered, larger, side="left") + np.searchsorted(ordered, larger, side="right")
    return float(below.sum() / (2 * len(larger) * len(smaller)))
