"""What speaks for a sample being of a cluster, learnt from the clusters themselves: arrays in, arrays out.

Every clustered sample is asked twice where it belongs, as if it were new: once with the rest of its own cluster there, as a
picture of a known individual would be, and once without it, as one of a new individual would. No identity is read.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from stages.errors import DbcError
from stages.typing import BoolArray, Float32Array, Float64Array, Int64Array

LOOKED_AT = 2000
"""Samples that are asked; in larger sets they are spread evenly over the rows."""
LEAST = 8
"""Samples with others in their cluster that a calibration needs."""
_BLOCK = 128
_RIDGE = 1.0
"""Weight of the squared slopes, per standard deviation, so that separated samples give finite ones."""


@dataclass(frozen=True)
class Nearest:
    """For each of q samples its most similar cluster, the similarity to it, and that to the second (−inf if there is none).

    A sample is as similar to a cluster as to the most similar of its members, by their scalar product. (The mean over members
    told known individuals from new ones a little worse, and both together no better.) `n_nearer` is how many other rows are
    more similar than the sample to that member: some pictures are similar to everything, others to nothing.
    """

    label: Int64Array
    similarity: Float64Array
    second: Float64Array
    n_nearer: Int64Array

    @property
    def evidence(self) -> Float64Array:
        """(q, 2): the similarity, and −log(1 + `n_nearer`)."""
        return np.stack([self.similarity, -np.log1p(self.n_nearer)], axis=1)


@dataclass(frozen=True)
class Calibration:
    """The probability 1 / (1 + exp(−(`slope` · s − `rank_slope` · log(1 + r) + `intercept`))) of a known individual.

    s is the similarity of a sample and r its `n_nearer`. It holds if known and new individuals are equally frequent.
    `separation` is the share of pairs of a known and a new one, of those asked, that it puts in the right order (the area
    under the ROC curve): 0.5 tells nothing, 1 everything.
    """

    slope: float
    rank_slope: float
    intercept: float
    separation: float

    def probability(self, nearest: Nearest) -> Float64Array:
        """(q,) for samples and what they are nearest to."""
        logit = nearest.evidence @ np.array([self.slope, self.rank_slope]) + self.intercept
        found: Float64Array = 1 / (1 + np.exp(-np.clip(logit, -700, 700)))
        return found


def nearest_clusters(
    asked: Float32Array,
    rows: Float32Array,
    labels: Int64Array,
    *,
    own: Int64Array | None = None,
    without_cluster: bool = False,
    barred: Sequence[Int64Array] | None = None,
) -> Nearest:
    """The clusters most similar to each of `asked` (q, d), among those of the `rows` (n, d) that have `labels` (n,), 0..K−1.

    `own` (q,) are the rows that `asked` are: each is left out, with its whole cluster if `without_cluster`. `barred` are the
    labels that each of `asked` cannot have; one that can have none has the similarity −inf. Of equally similar clusters the
    one of the smaller label comes first.
    """
    order = np.argsort(labels, kind="stable")
    sorted_labels = labels[order]
    starts = np.flatnonzero(np.diff(sorted_labels, prepend=-1))
    stops = [*starts[1:].tolist(), len(rows)]
    place_of = np.argsort(order)
    sorted_rows = rows[order].astype(np.float64)
    label, n_nearer = np.zeros((2, len(asked)), dtype=np.int64)
    first, second = np.zeros((2, len(asked)))
    for start in range(0, len(asked), _BLOCK):
        block = slice(start, min(start + _BLOCK, len(asked)))
        each = np.arange(block.stop - start)
        products = asked[block].astype(np.float64) @ sorted_rows.T
        is_absent = np.zeros(products.shape, dtype=np.bool_)
        if own is not None:
            is_absent[each, place_of[own[block]]] = True
        if own is not None and without_cluster:
            is_absent |= sorted_labels == labels[own[block], None]
        products[is_absent] = -np.inf
        for i, without in enumerate([] if barred is None else barred[block]):
            for cluster in without.tolist():
                products[i, starts[cluster] : stops[cluster]] = -np.inf
        nearest = products.argmax(axis=1)
        similarity = np.maximum.reduceat(products, starts, axis=1)
        label[block] = sorted_labels[nearest]
        first[block] = similarity[each, label[block]]
        similarity[each, label[block]] = -np.inf
        second[block] = similarity.max(axis=1)
        is_absent[each, nearest] = True
        is_nearer = sorted_rows[nearest] @ sorted_rows.T > first[block, None]
        n_nearer[block] = (is_nearer & ~is_absent).sum(axis=1)
    return Nearest(label, first, second, n_nearer)


def require_company(labels: Int64Array) -> Int64Array:
    """The samples (m,) that `calibrate` asks among those of clusters `labels` (n,); DbcError if too few have company."""
    size = np.bincount(labels)
    asked = np.unique(np.linspace(0, len(labels) - 1, min(len(labels), LOOKED_AT)).round().astype(np.int64))
    n_in_company = int((size[labels[asked]] > 1).sum())
    if n_in_company < LEAST or len(size) < 2:
        raise DbcError(
            f"at least {LEAST} samples in clusters of two or more, and two clusters, are needed to tell known from new, got "
            f"{n_in_company} and {len(size)}; take a later `stage`"
        )
    return asked


def calibrate(rows: Float32Array, labels: Int64Array) -> Calibration:
    """What the clusters `labels` (n,) of `rows` (n, d) say of evidence; DbcError if too few samples have company.

    The probability is that of the logistic regression on both kinds of answers, which weigh the same. Samples that are alone
    in their cluster are asked without it only.
    """
    asked = require_company(labels)
    in_company = asked[np.bincount(labels)[labels[asked]] > 1]
    known = nearest_clusters(rows[in_company], rows, labels, own=in_company).evidence
    new = nearest_clusters(rows[asked], rows, labels, own=asked, without_cluster=True).evidence
    slopes, intercept = logistic(np.concatenate([known, new]), np.repeat([True, False], [len(known), len(new)]))
    return Calibration(float(slopes[0]), float(slopes[1]), intercept, ordered_share(known @ slopes, new @ slopes))


def logistic(values: Float64Array, is_first: BoolArray) -> tuple[Float64Array, float]:
    """(slopes (k,), intercept) of the logistic regression of `is_first` (n,) on `values` (n, k), both classes of equal weight.

    No slope is negative: values that tell the wrong way round are left out. All are drawn to 0 a little, so that classes that
    do not overlap have finite ones.
    """
    mean, deviation = values.mean(axis=0), values.std(axis=0)
    deviation[deviation == 0] = 1
    x = (values - mean) / deviation
    weight = np.where(is_first, 0.5 / is_first.mean(), 0.5 / (~is_first).mean())
    kept = np.ones(x.shape[1], dtype=np.bool_)
    while True:
        slopes = np.zeros(len(kept))
        slopes[kept], intercept = _newton(x[:, kept], is_first, weight)
        if (slopes >= 0).all():
            slopes /= deviation
            return slopes, intercept - float(slopes @ mean)
        kept &= slopes >= 0


def _newton(x: Float64Array, is_first: BoolArray, weight: Float64Array) -> tuple[Float64Array, float]:
    """(slopes (k,), intercept) of the weighted logistic regression on `x` (n, k), by Newton's method."""
    design = np.column_stack([x, np.ones(len(x))])
    ridge = np.append(np.full(x.shape[1], _RIDGE), 1e-9)
    found = np.zeros(len(ridge))
    for _ in range(50):
        p = 1 / (1 + np.exp(-np.clip(design @ found, -30, 30)))
        gradient = design.T @ (weight * (p - is_first)) + np.append(ridge[:-1], 0) * found
        hessian = (design * (weight * p * (1 - p))[:, None]).T @ design + np.diag(ridge)
        step = np.linalg.solve(hessian, gradient)
        found = found - step
        if np.abs(step).max() < 1e-10:
            break
    return found[:-1], float(found[-1])


def ordered_share(larger: Float64Array, smaller: Float64Array) -> float:
    """The share of pairs whose first value, of `larger`, is above the second, of `smaller`; ties count half."""
    ordered = np.sort(smaller)
    below = np.searchsorted(ordered, larger, side="left") + np.searchsorted(ordered, larger, side="right")
    return float(below.sum() / (2 * len(larger) * len(smaller)))
