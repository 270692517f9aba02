"""Pairs between sightings: pictures that are known to be of one individual, compared view by view."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from schemas.parameters import MergeParameters
from stages.arrays.partition import connected, members_of, relabel
from stages.merge.constrained import known_from_source
from stages.reporting import SILENT, Reporter
from stages.review.counting import Draws, draw
from stages.review.order import Answers, PairToSee, pairs_worth_a_look
from stages.runs.store import Artifact
from stages.samples import TRAIN
from stages.typing import BoolArray, Float32Array, Int64Array


@dataclass(frozen=True)
class Together:
    """What is known of samples before any answer: pairs `same` (s, 2) of one individual, and the `view` (n,) of each.

    Only samples of one view can be compared.
    """

    same: Int64Array
    view: Int64Array


def known_together(
    dataset: Artifact, parameters: MergeParameters, same: Int64Array, different: Int64Array
) -> Together | None:
    """What a merge by `parameters` took from `dataset` before any answer, as far as answers allow; None if nothing.

    Answers say that train samples are the `same` (s, 2), or `different` (f, 2). Without views all samples are of one.
    """
    if not parameters.by_encounter:
        return None
    linked, view = known_from_source(dataset, parameters, same, different)
    return Together(
        linked, np.zeros(int((dataset.read("split") == TRAIN).sum()), dtype=np.int64) if view is None else view
    )


def sightings_worth_a_look(
    rows: Float32Array,
    labels: Int64Array,
    together: Together,
    *,
    n_pairs: int = 100,
    answers: Answers | None = None,
    seen: Int64Array | None = None,
    lambda_: float,
    cut: float | None = None,
    reporter: Reporter = SILENT,
) -> list[PairToSee]:
    """`pairs_worth_a_look` between what is `together`: no pair of one sighting, and none of two views.

    A sighting stands for its samples: its features are their means in every view, one after the other, so that D of two
    sightings is the mean of D within the views. A pair shows those two samples of one view that are nearest to each other.
    """
    sighting = _sightings(labels, together.same)
    of_sighting = members_of(sighting)
    told = answers or Answers()
    pairs = pairs_worth_a_look(
        _by_view(rows, sighting, together.view),
        relabel(labels[[own[0] for own in of_sighting]]),
        n_pairs=n_pairs,
        answers=Answers(sighting[told.pairs], told.is_same),
        seen=None if seen is None else sighting[seen],
        lambda_=lambda_,
        cut=cut,
        sizes=np.bincount(sighting),
        comparable=_seen_in(sighting, together.view),
        reporter=reporter,
    )
    shown = [_nearest(rows, together.view, of_sighting[pair.first], of_sighting[pair.second]) for pair in pairs]
    return [replace(pair, first=first, second=second) for pair, (first, second) in zip(pairs, shown, strict=True)]


def draw_sightings(
    rows: Float32Array,
    labels: Int64Array,
    together: Together,
    *,
    n_drawn: int,
    seed: int,
    reporter: Reporter = SILENT,
) -> Draws:
    """`draw` of sightings: individuals are as many, and what is together need not be asked about. Pairs show two samples."""
    sighting = _sightings(labels, together.same)
    of_sighting = members_of(sighting)
    own_labels = relabel(labels[[own[0] for own in of_sighting]])
    draws = draw(_by_view(rows, sighting, together.view), own_labels, n_drawn=n_drawn, seed=seed, reporter=reporter)
    ends = draws.pairs().reshape(-1, 2).tolist()
    shown = [_nearest(rows, together.view, of_sighting[first], of_sighting[second]) for first, second in ends]
    has = _seen_in(sighting, together.view)
    blind = np.all(~(has[draws.drawn, None] & has[draws.others]), axis=2)
    return replace(draws, shown=np.array(shown, dtype=np.int64).reshape(draws.pairs().shape), blind=np.asarray(blind))


def _sightings(labels: Int64Array, same: Int64Array) -> Int64Array:
    """The sighting (n,) of every sample, 0..S−1: samples that `same` links and that are in one cluster."""
    return connected(len(labels), same[labels[same[:, 0]] == labels[same[:, 1]]])


def _by_view(rows: Float32Array, sighting: Int64Array, view: Int64Array) -> Float32Array:
    """Features (S, V·d) of sightings: means within each of V views, by 1/√V; a view without sample has the others' mean.

    Every view is moved to mean 0 first, which changes no distance within it.
    """
    views, number = np.unique(view, return_inverse=True)
    has = _seen_in(sighting, view)
    found = np.zeros((len(has), len(views), rows.shape[1]), dtype=np.float32)
    for place in range(len(views)):
        own = np.flatnonzero(number == place)
        sums = np.zeros((len(has), rows.shape[1]))
        np.add.at(sums, sighting[own], rows[own] - rows[own].mean(axis=0, dtype=np.float64))
        found[:, place] = sums / np.maximum(np.bincount(sighting[own], minlength=len(has)), 1)[:, None]
    others = found.sum(axis=1) / has.sum(axis=1, keepdims=True)
    for place in range(len(views)):
        found[~has[:, place], place] = others[~has[:, place]]
    return (found / np.float32(len(views) ** 0.5)).reshape(len(has), -1)


def _seen_in(sighting: Int64Array, view: Int64Array) -> BoolArray:
    """Whether each sighting has a sample of each view (S, V)."""
    views, number = np.unique(view, return_inverse=True)
    found: BoolArray = np.zeros((int(sighting.max()) + 1, len(views)), dtype=bool)
    found[sighting, number] = True
    return found


def _nearest(rows: Float32Array, view: Int64Array, first: Int64Array, second: Int64Array) -> tuple[int, int]:
    """The two samples, one of `first` and one of `second`, that are nearest within a view, the smaller number first.

    If there is no view that both have, any two.
    """
    distance = np.square(rows[first][:, None].astype(np.float64) - rows[second]).sum(axis=2)
    distance[view[first][:, None] != view[second]] = np.inf
    a, b = np.unravel_index(int(distance.argmin()), distance.shape)
    return tuple(sorted((int(first[a]), int(second[b]))))  # type: ignore[return-value]
