"""What speaks for a sample being of a cluster, learnt from the clusters themselves: arrays in, arrays out.

Clustered samples are asked twice where they belong, as if they were new: once with the rest of their own cluster there, as a
picture of a known individual would be, and once without it, as one of a new individual would. Those that are asked have no
part in how features are compared, because whitening drives apart the samples that it is fitted on. No identity is read.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from stages.arrays.partition import relabel
from stages.errors import DbcError
from stages.reporting import SILENT, Advance, Reporter
from stages.samples import UNKNOWN
from stages.typing import BoolArray, Float32Array, Float64Array, Int32Array, Int64Array
from stages.wording import so_many

N_FOLDS = 10
"""Parts that the clustered samples are split into; each is asked while the others are there. With five, more new individuals
were called known, because all that is asked then has fewer samples to be similar to.
"""
LOOKED_AT = 2000
"""Samples that are asked each way, about: in larger sets some folds are, and some samples of each."""
FIT_WORK = 7e11
"""Multiplications that the fits of one way may take, about: if ten folds take more, fewer of them are asked.

About a minute of one core. Eight whitenings of 2,048 numbers, or 33 of 1,280, still leave all ten.
"""
FEWEST_FOLDS = 3
"""Folds that are asked however long their fits take."""
FEWEST_ASKED = 50
"""Samples that are asked each way, if there are so many, however long the fits take."""
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


HeldOut = Callable[[Int64Array, Int64Array], tuple[Float32Array, Float32Array]]
"""Gives the features (m, d) of some clustered samples (m,), and those of others, compared by what is fitted on the first."""


def nearest_clusters(
    asked: Float32Array,
    rows: Float32Array,
    labels: Int64Array,
    *,
    barred: Sequence[Int64Array] | None = None,
    views: tuple[Int64Array, Int64Array] | None = None,
) -> Nearest:
    """The clusters most similar to each of `asked` (q, d), among those of the `rows` (n, d) that have `labels` (n,), 0..K−1.

    `barred` are the labels that each of `asked` cannot have, and `views` (q,), (n,) those of both sets, if only rows of one
    view can be compared; one that can have no label has the similarity −inf. Of equally similar clusters the one of the
    smaller label comes first.
    """
    order = np.argsort(labels, kind="stable")
    sorted_labels = labels[order]
    starts = np.flatnonzero(np.diff(sorted_labels, prepend=-1))
    stops = [*starts[1:].tolist(), len(rows)]
    sorted_rows = np.empty(rows.shape)
    for start in range(0, len(rows), _BLOCK):
        sorted_rows[start : start + _BLOCK] = rows[order[start : start + _BLOCK]]
    asked_view, sorted_view = np.zeros((2, 1), dtype=np.int64) if views is None else (views[0], views[1][order])
    label, n_nearer = np.zeros((2, len(asked)), dtype=np.int64)
    first, second = np.zeros((2, len(asked)))
    for start in range(0, len(asked), _BLOCK):
        block = slice(start, min(start + _BLOCK, len(asked)))
        each = np.arange(block.stop - start)
        products = asked[block].astype(np.float64) @ sorted_rows.T
        if views is not None:
            products[asked_view[block, None] != sorted_view] = -np.inf
        for i, without in enumerate([] if barred is None else barred[block]):
            for cluster in without.tolist():
                products[i, starts[cluster] : stops[cluster]] = -np.inf
        nearest = products.argmax(axis=1)
        similarity = np.maximum.reduceat(products, starts, axis=1)
        label[block] = sorted_labels[nearest]
        first[block] = similarity[each, label[block]]
        similarity[each, label[block]] = -np.inf
        second[block] = similarity.max(axis=1)
        is_nearer = sorted_rows[nearest] @ sorted_rows.T > first[block, None]
        if views is not None:
            is_nearer &= sorted_view[nearest, None] == sorted_view
        is_nearer[each, nearest] = False
        n_nearer[block] = is_nearer.sum(axis=1)
    return Nearest(label, first, second, n_nearer)


def require_company(labels: Int64Array) -> None:
    """Raise DbcError if too few samples of the clusters `labels` (n,) have company for `calibrate`."""
    size = np.bincount(labels)
    n_in_company = int(size[size > 1].sum())
    if n_in_company < LEAST or len(size) < 2:
        advice = (
            "add more with: dbc ingest SOURCE --add, then dbc run" if len(labels) < LEAST else "take another `stage`"
        )
        raise DbcError(
            f"at least {LEAST} samples in clusters of two or more, and two clusters, are needed to tell known from new, got "
            f"{n_in_company} and {len(size)}; {advice}, or dbc merge with another number of clusters"
        )


def calibrate(
    held_out: HeldOut,
    labels: Int64Array,
    encounter: Int32Array | None = None,
    *,
    view: Int64Array | None = None,
    fit_work: float = 0.0,
    reporter: Reporter = SILENT,
) -> Calibration:
    """What the clusters `labels` (n,) say of evidence, by features that `held_out` gives; DbcError if too few have company.

    The probability is that of the logistic regression on both kinds of `held_out_evidence`, which weigh the same. With the
    `view` (n,) of each only samples of one are compared, unless that leaves too few.
    """
    require_company(labels)
    known, new = np.empty((2, 0, 2))
    if view is not None:
        within = np.unique(np.stack([labels, view], axis=1), axis=0, return_inverse=True)[1].ravel()
        if (np.bincount(within)[within] > 1).sum() >= LEAST:
            known, new = held_out_evidence(held_out, within, encounter, view=view, fit_work=fit_work, reporter=reporter)
    if not len(known) or not len(new):
        known, new = held_out_evidence(held_out, labels, encounter, fit_work=fit_work, reporter=reporter)
    slopes, intercept = logistic(np.concatenate([known, new]), np.repeat([True, False], [len(known), len(new)]))
    return Calibration(float(slopes[0]), float(slopes[1]), intercept, ordered_share(known @ slopes, new @ slopes))


def held_out_evidence(
    held_out: HeldOut,
    labels: Int64Array,
    encounter: Int32Array | None = None,
    *,
    view: Int64Array | None = None,
    fit_work: float = 0.0,
    reporter: Reporter = SILENT,
) -> tuple[Float64Array, Float64Array]:
    """The evidence (m, 2) of samples whose cluster's rest is there, and that (k, 2) of samples whose cluster is not.

    `labels` (n,) are clusters. Samples that are alone in theirs are asked without it only. A picture of a known individual is
    likely of another `encounter` (n,), −2 if unknown: samples of its own are not there when it is asked, unless too few have
    company then. With the `view` (n,) of each only samples of one are compared; those that are alone in theirs are left out.
    A fit takes `fit_work` multiplications, by which `folds_asked` chooses. `reporter` is told of each fold.
    """
    alone = np.full(len(labels), UNKNOWN, dtype=np.int32)
    fold = sample_folds(labels, alone if encounter is None else encounter)
    if in_company(labels, fold).sum() < LEAST:
        fold = sample_folds(labels, alone)
    ways = [(fold, in_company(labels, fold)), (cluster_folds(labels), np.ones(len(labels), dtype=np.bool_))]
    numbers = [folds_asked(fold, is_asked, fit_work) for fold, is_asked in ways]
    with reporter.task("tell known from new", total=sum(map(len, numbers)), unit="folds") as advance:
        known, new = (
            _asked_evidence(held_out, labels, view, *way, asked, advance)
            for way, asked in zip(ways, numbers, strict=True)
        )
    return known, new


def sample_folds(labels: Int64Array, encounter: Int32Array) -> Int64Array:
    """The fold (n,) of each sample: samples of a cluster are dealt out in turn, those of an `encounter` stay in one fold."""
    first_of_cluster = np.unique(labels, return_index=True)[1][labels]
    is_alone = np.bincount(labels)[labels] == 1
    order = np.lexsort((first_of_cluster, is_alone))
    place = np.arange(len(labels))
    unit = np.where(encounter == UNKNOWN, place, len(labels) + encounter.astype(np.int64))[order]
    fold = np.empty_like(place)
    fold[order] = relabel(unit) % N_FOLDS
    return fold


def cluster_folds(labels: Int64Array) -> Int64Array:
    """The fold (n,) of each sample, that of its whole cluster: the largest first, each to the fold with the fewest samples."""
    size, first = np.bincount(labels), np.unique(labels, return_index=True)[1]
    n_samples = np.zeros(min(N_FOLDS, len(size)), dtype=np.int64)
    fold = np.zeros(len(size), dtype=np.int64)
    for label in np.lexsort((first, -size)):
        fold[label] = n_samples.argmin()
        n_samples[fold[label]] += size[label]
    return fold[labels]


def in_company(labels: Int64Array, fold: Int64Array) -> BoolArray:
    """Which samples (n,) have others of their cluster `labels` (n,) in another `fold` (n,)."""
    together = np.unique(labels * N_FOLDS + fold, return_inverse=True)[1]
    found: BoolArray = np.bincount(labels)[labels] > np.bincount(together)[together]
    return found


def folds_asked(fold: Int64Array, is_asked: BoolArray, fit_work: float) -> list[int]:
    """The numbers of the folds, of `fold` (n,), whose samples are asked, of those that `is_asked` (n,) marks.

    As few as have `LOOKED_AT`, and no more than the fits take `FIT_WORK` multiplications for, each `fit_work`; but at least
    `FEWEST_FOLDS`, and as many as have `FEWEST_ASKED`. The others are fitted on all the same: all that is asked then has as
    many samples to be similar to.
    """
    n_folds, n_asked = int(fold.max()) + 1, int(is_asked.sum())
    n_paid = max(int(FIT_WORK / max(fit_work, 1.0)), FEWEST_FOLDS, -(-FEWEST_ASKED * n_folds // n_asked))
    found: list[int] = np.unique(fold[is_asked]).tolist()
    return found[: min(-(-LOOKED_AT * n_folds // n_asked), n_paid)]


def _asked_evidence(
    held_out: HeldOut,
    labels: Int64Array,
    view: Int64Array | None,
    fold: Int64Array,
    is_asked: BoolArray,
    numbers: Sequence[int],
    advance: Advance,
) -> Float64Array:
    """The evidence (m, 2) of samples that `is_asked` (n,) marks, each against those of other folds, which alone are fitted on.

    Those of the folds `numbers` are asked, and of more than `LOOKED_AT` some that are spread evenly.
    """
    found = []
    for number in numbers:
        asked, there = np.flatnonzero((fold == number) & is_asked), np.flatnonzero(fold != number)
        spread = np.linspace(0, len(asked) - 1, min(len(asked), -(-LOOKED_AT // len(numbers))))
        asked = asked[spread.astype(np.int64)]
        rows, rows_asked = held_out(there, asked)
        views = None if view is None else (view[asked], view[there])
        nearest = nearest_clusters(rows_asked, rows, np.unique(labels[there], return_inverse=True)[1], views=views)
        found.append(nearest.evidence[np.isfinite(nearest.similarity)])
        advance(1, f"{so_many(len(asked), 'sample')} asked")
    return np.concatenate(found)


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
