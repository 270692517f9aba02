"""The nearest cluster of samples, some of which the data shows to be different individuals: arrays in, arrays out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields

import numpy as np

from stages.arrays.partition import members_of, relabel
from stages.assign.calibration import Calibration, Nearest, nearest_clusters
from stages.constraints.contradictions import others_of
from stages.samples import UNKNOWN
from stages.typing import BoolArray, Float32Array, Float64Array, Int32Array, Int64Array


@dataclass(frozen=True)
class Apart:
    """Constraints on q new samples: `pairs` (p, 2) of them differ; `labels` (s, 2) are a sample and a cluster it is not of."""

    pairs: Int64Array
    labels: Int64Array


@dataclass(frozen=True)
class NearestClusters:
    """The `nearest` cluster of each of q samples, the `probability` (q,) that it `is_known` (q,) there at all.

    `label` (q,) is the cluster that it is of if it is known: the nearest, unless others of its encounter say otherwise.
    """

    nearest: Nearest
    probability: Float64Array
    is_known: BoolArray
    label: Int64Array


def apart_of(pairs: Int64Array, label: Int64Array) -> Apart:
    """Split `pairs` (p, 2) of samples that differ: two asked samples (`label` −1), or one asked sample and a cluster.

    Nothing if a cluster holds such a pair: then the clusters were made without them, or a person joined what they keep apart.
    """
    labels, number = label[pairs], (np.cumsum(label < 0) - 1)[pairs]
    is_asked = labels < 0
    if ((labels[:, 0] == labels[:, 1]) & ~is_asked[:, 0]).any():
        labels, number, is_asked = labels[:0], number[:0], is_asked[:0]
    n_asked = is_asked.sum(axis=1)
    one = np.stack([np.where(is_asked, number, -1).max(axis=1), labels.max(axis=1)], axis=1)
    return Apart(number[n_asked == 2], one[n_asked == 1])


def answers_apart(
    asked: Float32Array,
    rows: Float32Array,
    labels: Int64Array,
    calibration: Calibration,
    *,
    threshold: float,
    apart: Apart,
    views: tuple[Int64Array, Int64Array] | None = None,
) -> NearestClusters:
    """The nearest of the clusters `labels` (n,) of `rows` (n, d) that each of `asked` (q, d) can be of, if it is known.

    Of samples that differ and have one nearest cluster, the most similar keeps it, if it is known there; of equally similar
    ones the first. The others are asked again without that cluster. A sample that can be of no cluster is new for certain, and
    has the nearest that it was asked for last. With `views` (q,), (n,) only rows of one are compared, and a sample of another
    than all rows is new, for nothing says that it is known, and has the nearest of any view.
    """
    found = nearest_clusters(asked, rows, labels, views=views)
    is_lost = ~np.isfinite(found.similarity)
    if is_lost.any():
        lost = np.flatnonzero(is_lost)
        _replace(found, nearest_clusters(asked[lost], rows, labels), lost, is_lost)
    others = others_of(apart.pairs)
    barred: dict[int, set[int]] = {}
    for sample, label in apart.labels.tolist():
        barred.setdefault(sample, set()).add(label)
    again = sorted(barred)
    while True:
        if again:
            without = [np.array(sorted(barred[each]), dtype=np.int64) for each in again]
            theirs = None if views is None else (views[0][again], views[1])
            others_left = nearest_clusters(asked[again], rows, labels, barred=without, views=theirs)
            _replace(found, others_left, np.array(again), is_lost)
        probability = np.where(is_lost, 0.0, calibration.probability(found))
        is_known = (probability >= threshold) & ~is_lost
        again = _outdone(found, is_known, others)
        if not again:
            return NearestClusters(found, probability, is_known, found.label)
        for sample in again:
            barred.setdefault(sample, set()).add(int(found.label[sample]))


def one_answer_each(
    found: NearestClusters, encounter: Int32Array, there: Mapping[int, set[int]], *, threshold: float, apart: Apart
) -> NearestClusters:
    """The answers of q samples, one for all of an `encounter` (q,), `UNKNOWN` if it is not known.

    It is of the cluster that its samples are nearest to, each counted by its probability, and known with their mean
    probability, of those that can be compared; or, for certain, of the only cluster that `there` has for it, because others
    of the encounter are in it. Encounters that are in several clusters there, or have samples that are known to be `apart`
    from any, stay as they are.
    """
    label, probability, is_known = found.label.copy(), found.probability.copy(), found.is_known.copy()
    kept = np.union1d(apart.pairs, apart.labels[:, 0])
    of_known = np.flatnonzero(encounter != UNKNOWN)
    for own in members_of(relabel(encounter[of_known].astype(np.int64))) if len(of_known) else []:
        samples = of_known[own]
        holding = there.get(int(encounter[samples[0]]), set())
        if len(holding) > 1 or len(samples) + len(holding) < 2 or np.isin(samples, kept).any():
            continue
        # where all are new for certain, each counts as one
        votes = np.bincount(label[samples], probability[samples] if probability[samples].any() else None)
        label[samples] = min(holding, default=int(votes.argmax()))
        told = samples[probability[samples] > 0] if probability[samples].any() else samples
        probability[samples] = 1.0 if holding else probability[told].mean()
        is_known[samples] = probability[samples] >= threshold
    return NearestClusters(found.nearest, probability, is_known, label)


def _replace(found: Nearest, newer: Nearest, place: Int64Array, is_lost: BoolArray) -> None:
    """Put `newer` into `found` at `place`; samples without any cluster left stay as they are and are marked in `is_lost`."""
    is_there = np.isfinite(newer.similarity)
    is_lost[place[~is_there]] = True
    for field in fields(Nearest):
        getattr(found, field.name)[place[is_there]] = getattr(newer, field.name)[is_there]


def _outdone(found: Nearest, is_known: BoolArray, others: dict[int, set[int]]) -> list[int]:
    """The known samples that lose their cluster to a nearer sample, which is another individual (`others`); ascending."""
    asked: Sequence[int] = [each for each in sorted(others) if is_known[each]]
    kept: dict[int, int] = {}
    outdone = []
    for sample in sorted(asked, key=lambda each: -found.similarity[each]):
        label = int(found.label[sample])
        if any(kept.get(other) == label for other in others[sample]):
            outdone.append(sample)
        else:
            kept[sample] = label
    return sorted(outdone)
