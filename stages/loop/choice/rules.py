"""Rules that choose a stage by measures that need no identities."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TypeAlias

import numpy as np

from stages.errors import UsageError
from stages.loop.choice.measures import StageMeasures
from stages.typing import Float64Array

Rule: TypeAlias = Callable[[Sequence[StageMeasures]], Float64Array]

DEFAULT_RULES = ("separation", "cluster-silhouette")
"""What a stage is chosen by where no rule is named: the first that is known of any stage. On three sets the first lost
nothing with whitened dispersions; with other merges it went on where training did harm, and the second did not."""

CLEARLY = 0.9
"""A silhouette below this share of another is clearly less. Seven runs: 0.49 where training took mAP from 0.67 to 0.49,
0.998 where it took it from 0.26 to 0.31; above 1 in the others. Features that told identities apart best had a separation
of 0.95 to 1 of the best in the six runs it was tried on."""


def _separation(measures: Sequence[StageMeasures]) -> Float64Array:
    # a stage of one cluster is none to choose, however well its features separate others
    return np.array([np.nan if np.isnan(stage.cluster_silhouette) else stage.separation for stage in measures])


def _silhouette(measures: Sequence[StageMeasures]) -> Float64Array:
    return np.array([stage.silhouette for stage in measures])


def _cluster_silhouette(measures: Sequence[StageMeasures]) -> Float64Array:
    return np.array([stage.cluster_silhouette for stage in measures])


def _dispersion_ratio(measures: Sequence[StageMeasures]) -> Float64Array:
    return -np.array([stage.dispersion_ratio for stage in measures])


def _jump(measures: Sequence[StageMeasures]) -> Float64Array:
    """How much dearer the merges of the next stage were; NaN for the last stage, which has no next."""
    return _to_the_next(np.diff([stage.criterion for stage in measures]))


def _stability(measures: Sequence[StageMeasures]) -> Float64Array:
    """How much of the partition the next stage kept; NaN for the last stage, which has no next."""
    return _to_the_next(np.array([stage.kept for stage in measures[1:]]))


def _to_the_next(values: Float64Array) -> Float64Array:
    return np.append(values, np.nan)


RULES: Mapping[str, Rule] = {
    "separation": _separation,
    "cluster-silhouette": _cluster_silhouette,
    "silhouette": _silhouette,
    "jump": _jump,
    "dispersion-ratio": _dispersion_ratio,
    "stability": _stability,
}
"""By name, a score (n_stages) of stages that follow each other: the larger, the better; NaN where it has no meaning.

That of 'separation' is of features alone: see `choose`."""


def default_rule(measures: Sequence[StageMeasures]) -> str:
    """The first of `DEFAULT_RULES` that any stage has a score by; the last where none has."""
    known = (rule for rule in DEFAULT_RULES if not np.isnan(scores(measures, rule=rule)).all())
    return next(known, DEFAULT_RULES[-1])


def scores(measures: Sequence[StageMeasures], *, rule: str) -> Float64Array:
    """The score (n_stages) that `rule` gives each of `measures`, which are in order of stage; UsageError for no rule."""
    if rule not in RULES:
        raise UsageError(f"--rule: found {rule!r}, wanted one of {', '.join(RULES)}")
    return RULES[rule](measures) if measures else np.zeros(0)


def choose(measures: Sequence[StageMeasures], *, rule: str | None = None) -> int | None:
    """The stage with the largest score by `rule` (default: `default_rule`), the earlier of two; None where none has one.

    By 'separation', of the stages that have the newest features not clearly worse than the best, as training goes on to tell
    identities apart where silhouettes rise no more: the one with the largest cluster-silhouette.
    """
    rule = rule or default_rule(measures)
    score = scores(measures, rule=rule)
    if np.isnan(score).all():
        return None
    if rule == "separation":
        newest = score[np.flatnonzero(score >= _nearly(float(np.nanmax(score))))[-1]]
        score = np.where(score == newest, _cluster_silhouette(measures), np.nan)
    return measures[int(np.nanargmax(score))].stage


def _nearly(best: float) -> float:
    """The least score that is not clearly less than `best`."""
    return best - (1 - CLEARLY) * abs(best)


def reason(measures: Sequence[StageMeasures], *, rule: str | None = None) -> str:
    """Which stage `rule` chooses and why, in a line that says so where it is the last one, which might yet be bettered."""
    rule = rule or default_rule(measures)
    chosen = choose(measures, rule=rule)
    if chosen is None:
        return f"no stage chosen: {rule} is known of none"
    place = next(place for place, stage in enumerate(measures) if stage.stage == chosen)
    score = scores(measures, rule=rule)[place]
    best = float(np.nanmax(scores(measures, rule=rule)))
    which = "the best" if score == best else f"the newest features near the best ({best:.3f}) in"
    told = f"stage {chosen}, {measures[place].n_clusters} clusters, has {which} {rule}, {score:.3f}"
    if place < len(measures) - 1:
        return told
    return f"{told}; it is the last stage made, so later ones might be better"


def harm_of_training(trained: Sequence[StageMeasures], merged: Sequence[StageMeasures]) -> str | None:
    """A line where the best stage of `trained` separates clusters clearly less than the best of merging alone, `merged`.

    By the cluster-silhouette of each under its own features. None where it is as good, or where one is not known.
    """
    found, best = _most_separate(trained), _most_separate(merged)
    if found is None or best is None:
        return None
    if found.cluster_silhouette >= _nearly(best.cluster_silhouette):
        return None
    return (
        "training has not made clusters more separate than the initial features did: cluster-silhouette "
        f"{found.cluster_silhouette:.3f} at stage {found.stage}, {best.cluster_silhouette:.3f} at stage {best.stage} of "
        "merging alone; the features of stage init may be better"
    )


def _most_separate(measures: Sequence[StageMeasures]) -> StageMeasures | None:
    chosen = choose(measures, rule="cluster-silhouette")
    return next((stage for stage in measures if stage.stage == chosen), None)


def is_enough(measures: Sequence[StageMeasures], *, patience: int, rule: str | None = None) -> bool:
    """Whether the stage that `rule` chooses lies `patience` stages or more before the last."""
    chosen = choose(measures, rule=rule)
    return chosen is not None and measures[-1].stage - chosen >= patience
