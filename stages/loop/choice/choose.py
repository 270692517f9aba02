"""Which stage to take, judged without identity labels."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from schemas.stage_names import stage_label
from stages.errors import UsageError
from stages.loop.choice.measures import StageMeasures
from stages.loop.choice.rule import StageRule, all_rules
from stages.typing import Float64Array
from stages.wording import so_many


def default_rule(measures: Sequence[StageMeasures]) -> str:
    """The rule used if none is named: the first, by precedence, that has a score for a stage; else the last."""
    tried = sorted((rule.precedence, name) for name, rule in all_rules().items() if rule.precedence is not None)
    known = (name for _, name in tried if not np.isnan(scores(measures, rule=name)).all())
    return next(known, tried[-1][1])


def scores(measures: Sequence[StageMeasures], *, rule: str) -> Float64Array:
    """The score (n_stages) float64 that `rule` gives each of `measures`, in order of stage; UsageError for another rule."""
    return _rule(rule).score(measures) if measures else np.zeros(0)


def choose(measures: Sequence[StageMeasures], *, rule: str | None = None) -> int | None:
    """The stage that `rule` (default: `default_rule`) chooses; None if it has a score for none."""
    rule = rule or default_rule(measures)
    score, pick = scores(measures, rule=rule), _rule(rule).choose
    if np.isnan(score).all():
        return None
    return measures[int(np.nanargmax(score)) if pick is None else pick(measures, score)].stage


def choose_clusters(measures: Sequence[StageMeasures]) -> int | None:
    """The stage whose clusters to look at: the chosen one; if that is before the first merge, the best later one.

    None if none can be chosen.
    """
    chosen = choose(measures)
    if chosen is not None and chosen > 0:
        return chosen
    return choose([measured for measured in measures if measured.stage > 0])


def reason(measures: Sequence[StageMeasures], *, rule: str | None = None) -> str:
    """Which stage `rule` chooses and why, in one line; it says so if that is the last stage, as later ones may be better."""
    rule = rule or default_rule(measures)
    chosen = choose(measures, rule=rule)
    if chosen is None:
        return f"no stage chosen: {rule} needs {_rule(rule).needs}"
    place = next(place for place, stage in enumerate(measures) if stage.stage == chosen)
    score = scores(measures, rule=rule)
    best = float(np.nanmax(score))
    if score[place] == best:
        which = "the best"
    elif measures[0].stage < 1 and score[place] == score[0]:
        which = f"the features of before training, which the best ({best:.3f}) are not clearly above in"
    else:
        which = f"the newest features near the best ({best:.3f}) in"
    clusters = so_many(measures[place].n_clusters, "cluster")
    told = f"stage {stage_label(chosen)}, {clusters}, has {which} {rule}, {score[place]:.3f}"
    if place < len(measures) - 1 or measures[place].ends_run:
        return told
    return f"{told}; it is the last stage made, so later ones might be better"


def told_unjudged(measures: Sequence[StageMeasures], *, rule: str, above: float = -math.inf) -> str:
    """The stages that `rule` leaves out, with a score `above` that, in a sentence; '' if there are none."""
    left_out = _rule(rule).left_out
    by_reason: dict[str, dict[str, str]] = {}
    for stage, score, why in left_out(measures) if measures and left_out is not None else ():
        if score > above:
            by_reason.setdefault(why, {})[stage_label(stage)] = f"{score:.3f}"
    told = [
        f"stage{'s' * (len(found) > 1)} {', '.join(found)} ({rule} {', '.join(found.values())}), where {why}"
        for why, found in by_reason.items()
    ]
    return f"Left out: {'; '.join(told)}." if told else ""


def is_enough(measures: Sequence[StageMeasures], *, patience: int, rule: str | None = None) -> bool:
    """Whether the stage that `rule` chooses lies `patience` stages or more before the last."""
    chosen = choose(measures, rule=rule)
    return chosen is not None and measures[-1].stage - chosen >= patience


def _rule(name: str) -> StageRule:
    if name not in all_rules():
        raise UsageError(f"`rule` must be one of {', '.join(all_rules())}, got {name!r}")
    return all_rules()[name]
