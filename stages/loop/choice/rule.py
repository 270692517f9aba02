"""What a rule is that chooses a stage without identity labels, and what rules share. Each is a file in `rules/`."""

from __future__ import annotations

import importlib
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np

from stages.arrays.silhouette import SAMPLE_LIMIT
from stages.loop.choice import rules
from stages.loop.choice.measures import StageMeasures
from stages.typing import BoolArray, Float64Array

CLEARLY = 0.9
"""A silhouette below this share of another is clearly less. Seven runs: 0.49 where training took mAP from 0.67 to 0.49,
0.998 where it took it from 0.26 to 0.31; above 1 in the others. Features that told identities apart best had a separation
of 0.95 to 1 of the best in the six runs it was tried on."""


ERROR = 0.25
"""Over the root of the number of train samples: a standard error of how much a silhouette changed, and less cannot be told
from no change. In 21 runs (seven sets of 284 to 640 samples, half-samples of the first and the best stage) 0.13 to 0.51,
0.23 in the median. The change was 2 to 17 times as much in all of them, and mAP rose in all 14 whose mAP is recorded. Where
it was less, mAP fell: on lions' faces in four runs by 0.03 to 0.08, on people's in two from 0.668 to 0.594 and 0.659."""
ENOUGH = 100
"""Samples from which a change within the error leaves features as they were, also if they tell individuals apart. Of fewer,
trained features are as good, and ask for a number of clusters nearer to that of individuals: three times sixty pictures of
six toys ended with an ARI of 0.41 and 0.44 by them, and of 0.36 and 0.19 by those of before; 48 with 0.62, and 0.14.
"""
HARDLY = 0.12
"""The silhouette below which clusters hold together hardly at all: in most sets most are wrong, and training fits the very
clusters that are then measured, so that it has to show by far that it helped. On ears it rose from 0.07 to 0.114 and mAP fell
by 0.06."""
DOUBLED = 2
"""Times the score of before that features must reach to be said to be better where it still is below `HARDLY`. Seals went from
0.056 to 0.118, and mAP from 0.18 to 0.20; others from 0.065 to 0.098 and lions from 0.07 to 0.10: mAP from 0.212 to 0.203,
from 0.151 to 0.149 and 0.166. Across cameras such features are taken, and it is not told that training helped: people went
from 0.02 to 0.04 and from 0.03 to 0.06, and mAP rose, vehicles by day and night from 0.053 to 0.086, and it fell."""
LEAST_ACROSS = 0.02
"""The silhouette across cameras that says something: less is noise, as if cameras are day and night and features see no
individual in both. 12 antelopes so had 0.01 at best, and would have been 2 clusters; 22 runs of eight sets had 0.13 or more.
"""


@dataclass(frozen=True)
class StageRule:
    """How to choose a stage without identity labels.

    Parameters
    ----------
    description
        What it chooses, in a line for people.
    needs
        What it cannot do without, for the message if no stage has a score.
    score
        From the measures of stages in order, at least one, a score (n_stages) float64: larger is better, NaN is unknown.
    choose
        From those measures and scores, of which one is known, the place of the chosen stage; None takes the largest
        score, the earlier of two.
    relative_error
        Times a score, what `ERROR` is at most of it.
    least
        A score below it says nothing.
    left_out
        From the same measures, stages that have no score whatever their features are worth: each stage, what its score would
        be, and why, as the end of a sentence.
    precedence
        If no rule is named, the one with a score and the smallest precedence is taken; never one with None.
    """

    description: str
    needs: str
    score: Callable[[Sequence[StageMeasures]], Float64Array]
    choose: Callable[[Sequence[StageMeasures], Float64Array], int] | None = None
    relative_error: float = math.inf
    least: float = -math.inf
    left_out: Callable[[Sequence[StageMeasures]], Sequence[tuple[int, float, str]]] | None = None
    precedence: int | None = None


@cache
def all_rules() -> Mapping[str, StageRule]:
    """Every rule by its name, in the order of names."""
    found = {}
    for name in rules.rule_names():
        module = importlib.import_module(f"{rules.__name__}.{name.replace('-', '_')}")
        found[name] = module.RULE
    return found


def values(measures: Sequence[StageMeasures], name: str) -> Float64Array:
    """The field `name` of each of `measures`: (n_stages,) float64."""
    return np.array([getattr(stage, name) for stage in measures], dtype=np.float64)


def of_features(measures: Sequence[StageMeasures], name: str) -> Float64Array:
    """`values` of a measure of features; NaN for a stage of one cluster, which is not a choice however good they are."""
    return np.where(np.isnan(values(measures, "cluster_silhouette")), np.nan, values(measures, name))


def nearly(best: float) -> float:
    """The least score that is not clearly less than `best`."""
    return best - (1 - CLEARLY) * abs(best)


def near_best_range(n_clusters: Sequence[int], silhouettes: Sequence[float]) -> tuple[int, int] | None:
    """The fewest and the most clusters around the largest of `silhouettes` that stay near it; None if none is known.

    Both are in order of falling number of clusters.
    """
    score = np.array(silhouettes, dtype=np.float64)
    if not len(score) or np.isnan(score).all():
        return None
    best = int(np.nanargmax(score))
    is_near = score >= nearly(float(score[best]))
    first, last = best, best
    while first > 0 and is_near[first - 1]:
        first -= 1
    while last < len(score) - 1 and is_near[last + 1]:
        last += 1
    return n_clusters[last], n_clusters[first]


def newest_near_best(
    measures: Sequence[StageMeasures], score: Float64Array, *, share: float, relative_error: float = math.inf
) -> float:
    """The newest score that is at least `share` of the largest of `score` (n_stages), and more than that of before training.

    It is that of before any training if the largest is no more than that by the error, of `ENOUGH` samples or below `HARDLY`,
    and the largest if no newer one is more. `measures` of stages with merges alone have none such.
    """
    best, first = float(np.nanmax(score)), float(score[0]) if measures[0].stage < 1 else math.nan
    is_sure = n_measured(measures) >= ENOUGH or best < HARDLY
    if is_sure and best - first < standard_error(measures, best, relative_error):
        return first
    near = np.flatnonzero((score >= best - (1 - share) * abs(best)) & ~(score <= first))
    return float(score[near[-1]]) if len(near) else best


def is_hardly_better(before: float, after: float) -> bool:
    """Whether the score `after` training is too small to say that it helped, though it is above that of `before`."""
    return after < HARDLY and after < DOUBLED * before


def standard_error(measures: Sequence[StageMeasures], score: float, relative_error: float) -> float:
    """How far silhouettes of two of `measures`, the larger of which is `score`, differ by chance: of as many samples as they
    are of.
    """
    return min(ERROR, relative_error * abs(score)) / math.sqrt(n_measured(measures))


def n_measured(measures: Sequence[StageMeasures]) -> int:
    """How many samples silhouettes are measured at: all train samples, at most `SAMPLE_LIMIT`."""
    return min(measures[0].n_clusters, SAMPLE_LIMIT)


def most_separate(measures: Sequence[StageMeasures], candidates: BoolArray) -> int:
    """The place of the stage among `candidates` (n_stages) with the largest cluster-silhouette.

    One whose number of clusters was chosen, at the end of a run, goes first, then one with merges.
    """
    for goes_first in (values(measures, "stage") > 0, values(measures, "ends_run") > 0):
        if (candidates & goes_first).any():
            candidates = candidates & goes_first
    return int(np.nanargmax(np.where(candidates, values(measures, "cluster_silhouette"), np.nan)))
