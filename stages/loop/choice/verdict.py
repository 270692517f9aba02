"""Whether training helped, judged without identity labels, and what to be warned of: measures in, lines out."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from schemas.choices import CameraUse
from schemas.stage_names import INIT_STAGE, stage_label
from stages.features.extracted_alike import named
from stages.loop.choice.choose import choose, choose_clusters, default_rule, scores, told_unjudged
from stages.loop.choice.measures import StageMeasures
from stages.loop.choice.rule import (
    CLEARLY,
    DOUBLED,
    HARDLY,
    LEAST_ACROSS,
    all_rules,
    is_hardly_better,
    n_measured,
    standard_error,
)
from stages.wording import so_many

FAR_ABOVE_CHANCE = 0.7
"""Of the way from chance to 1: pairs joined within a camera. At the last stage of four runs that helped 0.15 to 0.33, of
two that did harm 0.78 and 0.99."""
COLLAPSED = 0.01
"""Features have collapsed if two samples lie closer than this share of their distance before training. Seven runs that
did not: 0.58 to 0.89."""
WEAK_SILHOUETTE = 0.25
"""No substantial structure below (Kaufman and Rousseeuw 1990)."""
FAIR_SILHOUETTE = 0.5
"""Reasonable structure from here on (the same)."""
TOO_LARGE = 8
"""Times as many clusters as individuals there were, at most, below `FAIR_SILHOUETTE`: by silhouettes alone 1.3 to 6.9 on most
sets, 8.2 on tracks of ten people, which were not tried by random walks; by these, too, 1 to 5.2, and 0.6 on nyala."""
WIDE = 1.5
"""Times as many clusters that hold together nearly as well: some may be of several individuals. 13,518 drawn people of 751
ended in 563 clusters of a silhouette of 0.57, where 563 to 1,126 were likely: ARI 0.65, and 0.85 at 1,359.
"""
MOST_LABELLED = 0.9
"""Above this share of samples with labels these say what the clusters are, and not the features."""
FEW_QUERIES = 50
"""Below, the number of queries stands beside what known identities say."""
FAR_LESS = 0.5
"""Of the camera mixing before training: training then learned cameras. 0.01 in a run that did so; 0.82 to 2.0 in others."""
_NOT_EVENED: Collection[CameraUse] = ("ignored", "centring")
"""Uses of cameras that leave near pairs of one camera nearer than others: `auto` is worth a try."""
_EVENED = "`camera='auto'`"
_LESS_TRAINING = "a lower `learning_rate` or fewer `stages`"


@dataclass(frozen=True)
class JoinedPairs:
    """The `share` of the pairs joined by merges that one camera took, what `chance` gives, and how the merge used cameras."""

    share: float
    chance: float
    camera: CameraUse = "ignored"


@dataclass(frozen=True)
class RightPairs:
    """By known identities of train samples: the `share` of the pairs in clusters that is right, and the clusters' `purity`."""

    share: float
    purity: float


@dataclass(frozen=True)
class Verdict:
    """`helped` is None if nothing was trained or it cannot be told; `line` says it for people; `warnings` may be none.

    `warnings` name arguments in backticks. `chosen` is the stage to take, None if none can be chosen, and `shown` that whose
    clusters to look at (`choose_clusters`); `trust` says in plain words how far these can be trusted, and `is_weak` that
    each has to be looked at.
    """

    chosen: int | None
    helped: bool | None
    line: str
    warnings: tuple[str, ...]
    trust: str = ""
    shown: int | None = None
    is_weak: bool = False


def verdict(
    measures: Sequence[StageMeasures],
    *,
    joined: JoinedPairs | None = None,
    mean_average_precision: dict[int, float] | None = None,
    n_queries: int | None = None,
    guessing: Collection[int] = (),
    labelled: float = 0.0,
    right_pairs: Mapping[int, RightPairs] | None = None,
    unlike: Mapping[int, Sequence[str]] | None = None,
) -> Verdict | None:
    """Whether training helped, from the `measures` of stages in order; None if there are none with merges.

    `joined` is of the last stage; None without cameras. `guessing` are the stages whose training ended with a loss as high
    as that of guessing. `labelled` is the share of samples whose clusters a person's labels say.
    `mean_average_precision` by stage, of `n_queries`, and `right_pairs` by stage, stand beside the judgement if identities are
    known, and never decide it. `unlike`: by each stage whose features were extracted otherwise than those of the first, the
    parameters that differ, to which a better score may be due.
    """
    if not measures or measures[-1].stage < 1:
        return None
    rule, by_stage = default_rule(measures), {each.stage: each for each in measures}
    chosen, first, last = choose(measures, rule=rule), measures[0], last_of_schedule(measures)
    # what ends a run has the features of another stage, which is to be named
    best = choose([each for each in measures if not each.ends_run] or measures, rule=rule)
    is_trained = first.stage < 1 and not all(_has_features_of(first, each) for each in measures)
    shown = measures[-1].stage if measures[-1].ends_run else choose_clusters(measures)
    clustered = last if shown is None else by_stage[shown]
    helped, lines, whose = None, [], "its features"
    if best is not None and is_trained:
        score = dict(zip(by_stage, scores(measures, rule=rule).tolist(), strict=True))
        helped = not _has_features_of(first, by_stage[best])
        judged = by_stage[best if helped else _best_trained(measures, score)]
        change = score[first.stage], score[judged.stage]
        otherwise = (unlike or {}).get(judged.stage, ())
        doubt = _doubt(measures, rule, *change, as_guessing=helped and judged.stage in guessing)
        if otherwise:
            doubt = f"but features were extracted with another {named(otherwise)}"
        maps = {} if otherwise else mean_average_precision or {}
        known = _by_known_identities(maps, first.stage, judged.stage, n_queries, is_taken=helped)
        options = {"helped": helped, "is_unlike": bool(otherwise)}
        lines.append(_line(first, judged, rule, *change, doubt=doubt, known=known, **options))
        # those that might have been chosen, if they were not left out; max would pass over all that follow a NaN
        above = max(each for each in (all_rules()[rule].least, *change) if not math.isnan(each))
        lines.append(told_unjudged(measures, rule=rule, above=above))
        if lines[-1] or not _has_features_of(judged, clustered):
            own = next(each.stage for each in measures if _has_features_of(each, clustered))
            whose = f"the features of stage {stage_label(own)}"
        helped = None if doubt else helped
    elif first.stage == INIT_STAGE and not is_trained:
        lines.append("No stage was trained, so all have the features of stage init.")
    lines.append(_labels_line(labelled) or _clusters_line(clustered, whose))
    collapse = _collapse(first, last) if is_trained else None
    # nor may what another extraction changed be laid to training
    before = None if last.stage in (unlike or {}) else first
    warnings = [None if helped is not False else _harm(joined), _camera(joined, before, last), collapse]
    told = tuple(text for text in warnings if text is not None)
    # a loss says nothing of features of before it
    of_before = first.stage < 1 and _has_features_of(first, clustered)
    guessed = set() if of_before else set(guessing)
    is_untrained_on = clustered.ends_run and clustered.likely_clusters is not None
    is_drawn = is_trained and not is_untrained_on and not _has_features_of(first, clustered)
    known_pairs, is_unknown = (right_pairs or {}).get(clustered.stage), _tells_hardly(first, clustered)
    as_guessing = bool({best, last.stage} & guessed)
    weak = (
        _unknown(first, known_pairs)
        if is_unknown
        else _weak(clustered, has_collapsed=collapse is not None, as_guessing=as_guessing)
    )
    trust, is_weak = weak or _trust(clustered, guessed=bool(guessed), is_drawn=is_drawn), weak is not None
    if known_pairs is not None and not is_unknown:
        trust += f"; {_right(known_pairs)}"
    if labelled > MOST_LABELLED:
        trust = "as far as the labels that say them; how well features tell these apart is the last line of dbc assign"
        is_weak = False
    return Verdict(chosen, helped, " ".join(filter(None, lines)), told, trust, shown, is_weak)


def last_of_schedule(measures: Sequence[StageMeasures]) -> StageMeasures:
    """The last of `measures`, at least one, that does not end a run; the last one if all do."""
    return next((measured for measured in reversed(measures) if not measured.ends_run), measures[-1])


def _best_trained(measures: Sequence[StageMeasures], score: Mapping[int, float]) -> int:
    """The trained stage with the largest `score`; without scores, the last stage of the schedule."""
    trained = [each.stage for each in measures if not (each.ends_run or _has_features_of(measures[0], each))]
    known = [stage for stage in trained if not math.isnan(score[stage])]
    return max(known, key=lambda stage: score[stage], default=last_of_schedule(measures).stage)


def _has_features_of(first: StageMeasures, other: StageMeasures) -> bool:
    """Whether both measure the same features: those that are handed on measure the same to the last bit."""
    names = ("spread", "separation", "across_cameras")
    return all(first.known(name) == other.known(name) for name in names)


def _doubt(measures: Sequence[StageMeasures], rule: str, before: float, after: float, *, as_guessing: bool) -> str:
    """Why it cannot be told whether `after` is better or worse than `before`, as the end of a sentence; '' if it can."""
    if max(before, after) < (least := all_rules()[rule].least):
        if math.isnan(after):
            return f"and {rule} at stage {stage_label(measures[0].stage)} so low, below {least:g}, that it says nothing"
        return f"both so low, below {least:g}, that they say nothing"
    error = standard_error(measures, max(after, before), all_rules()[rule].relative_error)
    if abs(after - before) < error:
        return f"a difference within the error of {n_measured(measures)} samples, about {error:.3f}"
    if after > before and is_hardly_better(before, after):
        return "and clusters of either hold together hardly at all"
    if as_guessing:
        return "but the loss there is as high as that of guessing"
    return ""


def _line(
    first: StageMeasures,
    judged: StageMeasures,
    rule: str,
    before: float,
    after: float,
    *,
    helped: bool,
    doubt: str,
    known: str,
    is_unlike: bool,
) -> str:
    stage, name = judged.stage, rule
    is_left_out = math.isnan(after)
    if is_left_out:
        name = "near neighbours from other cameras, over chance,"
        before, after = first.camera_mixing, judged.camera_mixing
    shown = f"{name} {after:.3f} at stage {stage}, {before:.3f} at stage {stage_label(first.stage)}"
    if is_left_out and judged.is_over_merged:
        best = so_many(judged.best_clusters or 0, "cluster")
        shown = f"the features of stage {stage} are best in {best}, but it has {judged.n_clusters}"
    if doubt:
        taken = (
            f", and features of stage {stage} are taken" if helped else ", so features are taken as they were before it"
        )
        cannot = "cannot be told" if is_unlike else "cannot be told without identities"
        return f"Whether training helped {cannot}: {shown}, {doubt}{taken}.{known}"
    # found clusters may get worse while the features that they are found in get better
    what = f"Training {'helped' if helped else 'did not help'}{'' if judged.is_by_schedule else ' the features'}"
    return f"{what}, judged without identities: {shown}.{known}"


def _by_known_identities(
    known: dict[int, float], first: int, stage: int, n_queries: int | None, *, is_taken: bool
) -> str:
    """What known identities say of it, a sentence after a space; nothing if they are not known."""
    if stage not in known or first not in known:
        return ""
    before, after = f"{known[first]:.3f}", f"{known[stage]:.3f}"
    few = "" if n_queries is None or n_queries >= FEW_QUERIES else f", of {so_many(n_queries, 'query')} alone"
    few += "" if is_taken else f" at stage {stage}, which is not taken"
    if before == after:
        return f" mAP with the known identities stayed at {after}{few}."
    if after > before:
        return f" mAP with the known identities rose from {before} to {after}{few}."
    return f" {'But mAP' if is_taken else 'mAP'} with the known identities fell from {before} to {after}{few}."


def _best_silhouette(chosen: StageMeasures) -> float:
    """What merging the features of a stage anew reaches; NaN if that is not known."""
    score = chosen.separation if math.isnan(chosen.across_cameras) else chosen.across_cameras
    return chosen.cluster_silhouette if math.isnan(score) else score


def _weak(chosen: StageMeasures, *, has_collapsed: bool, as_guessing: bool) -> str | None:
    """How far to trust the clusters there are if each has to be looked at, and why; else None."""
    score = _best_silhouette(chosen)
    if math.isnan(score):
        return "how far is not known: look at every cluster before you count"
    if has_collapsed:
        return "little: features have collapsed, as a warning says, so look at each before you count"
    if score < WEAK_SILHOUETTE:
        return "little: clusters overlap, so look at each before you count"
    if as_guessing:
        # near-copies hold together well whatever was learned
        return "little: the loss of training stayed near that of guessing, so look at each before you count"
    fewest, most = chosen.likely_clusters or (chosen.n_clusters, chosen.n_clusters)
    if not fewest <= chosen.n_clusters <= most:
        wrong = "individuals may be in several" if chosen.n_clusters > most else "each may hold several individuals"
        return f"little: features hold together best in {_span(fewest, most)}, not in these {chosen.n_clusters}, so {wrong}"
    return None


def _trust(chosen: StageMeasures, *, guessed: bool, is_drawn: bool) -> str:
    """How far to trust clusters that are not `_weak`: no further than both their silhouette and that of merging anew go.

    It tells whether clusters hold together, as near-copies always do, and not whether an individual is in several. If
    training drew members of such clusters together (`is_drawn`), a high one tells little: 44 clusters of people had 0.62, and
    15 of them, with 184 of 422 pictures, held several.
    """
    score = _best_silhouette(chosen)
    most = chosen.n_clusters if chosen.likely_clusters is None else chosen.likely_clusters[1]
    score = score if math.isnan(chosen.cluster_silhouette) else min(score, chosen.cluster_silhouette)
    is_wide = most >= WIDE * chosen.n_clusters
    is_fair = score < FAIR_SILHOUETTE or guessed or is_drawn or is_wide
    how, which, look = ("fairly", "most", "the loosest") if is_fair else ("well", "nearly all", "a few")
    if chosen.silhouette < CLEARLY * chosen.cluster_silhouette:
        # samples count here as often as there are, and clusters there: DBSCAN's that joined seven people had -0.1
        how, which, look = "fairly", "small", "the largest first, which do less and may hold several individuals"
    drawn = ", as training makes any do" if is_drawn and score >= FAIR_SILHOUETTE else ""
    drawn += f", but up to {most} do so nearly as well and some may hold several individuals" if is_wide else ""
    return (
        f"{how}: {which} clusters hold together{drawn}, so look at {look}; whether one individual is in several clusters is "
        "not known without dbc review or dbc count"
    )


def _tells_hardly(first: StageMeasures, chosen: StageMeasures) -> bool:
    """Whether features of before training told next to nothing apart, and training little more.

    Without cameras ears, elephants, lions, seals and drawn edges of people began so, from 0.04 to 0.08, and their clusters had
    an ARI of 0.12 at most; so had turtles of 0.088, and 43 % of the pairs in their clusters were right. But of faces of dogs
    of 0.077, a few of each, 76 % were, and the ARI was 0.55, as of cats and people, whose faces began at 0.13 and 0.18. Across
    cameras features that began so became good ones, if any were alike there: where none were, sets of people that began from
    0.02 to 0.05 had an ARI of 0.04 at most, those and vehicles that began from 0.08 to 0.14 had 0.13 to 0.50.
    """
    least = HARDLY if math.isnan(first.across_cameras) else HARDLY / 2
    if first.stage >= 1 or not first.separation < least or chosen.across_cameras >= LEAST_ACROSS:
        return False
    return chosen.separation < min(WEAK_SILHOUETTE, DOUBLED * first.separation)


def _unknown(first: StageMeasures, known: RightPairs | None) -> str:
    """How far to trust clusters of which the features say nothing (`_tells_hardly`): as far as `known` identities say."""
    weak = f"the separation of features is so weak ({first.separation:.3f} before training)"
    if known is not None:
        return f"{_right(known)}; without these it would not be known, because {weak}: look at every cluster"
    return (
        f"that is not known: {weak} that clusters may be mostly wrong, as in most such sets, or mostly right, so look at "
        "every cluster before you count; try tighter boxes, larger pictures or other `weights`"
    )


def _right(known: RightPairs) -> str:
    return f"{known.share:.0%} of the pairs in clusters are right by the known identities, purity {known.purity:.2f}"


def _span(fewest: int, most: int) -> str:
    return f"{fewest} to {most} clusters" if fewest < most else f"about {so_many(most, 'cluster')}"


def _clusters_line(chosen: StageMeasures, whose: str) -> str:
    """What is known of the number of clusters, which mostly the schedule decides and not the data."""
    if chosen.likely_clusters is None and chosen.ends_run:
        return (
            "The number of clusters is the one that was asked for, or that what is known left: check clusters by eye."
        )
    if chosen.likely_clusters is None and not chosen.is_by_schedule:
        return f"The clusterer found its {chosen.n_clusters} clusters by itself, not identities: check clusters by eye."
    if chosen.likely_clusters is None:
        return "The number of clusters is that of the schedule, not of identities: check clusters by eye."
    fewest, most = chosen.likely_clusters
    score = _best_silhouette(chosen)
    weak = ", which is weak: check clusters by eye" if score < WEAK_SILHOUETTE else ""
    if chosen.across_cameras < LEAST_ACROSS:
        weak = (
            " across cameras, where hardly any are alike, so the number is judged by all pairs and an individual may count "
            "once for each camera: check clusters by eye"
        )
    weak += "; fewer were not looked at" if chosen.is_open_below else ""
    if chosen.ends_run and chosen.n_clusters != fewest:
        number = f"the {chosen.n_clusters} clusters are those that were asked for, or that what is known left"
    elif chosen.ends_run:
        large = f" mostly too large where clusters overlap, by up to {TOO_LARGE} times, and"
        large = f"{large} too small where most have one or two pictures, by half:" if score < FAIR_SILHOUETTE else ""
        number = (
            f"this is a guess, among the numbers that were looked at, and no count of identities:{large} "
            "give `n_clusters` if you know about how many there are"
        )
    elif chosen.is_by_schedule:
        number = "the schedule's number of clusters is no estimate of identities"
    else:
        number = (
            f"the clusterer found its {chosen.n_clusters} by itself, and whether they gain with training is not known: "
            "dbc merge --n-clusters auto --clusterer dbc merges the same features, to compare"
        )
    return f"Merged anew, {whose} hold together best in {_span(fewest, most)} (silhouette {score:.2f}{weak}); {number}."


def _labels_line(labelled: float) -> str | None:
    """What is known of the number of clusters if labels say nearly all of them; else None."""
    if labelled <= MOST_LABELLED:
        return None
    return f"Labels name {labelled:.0%} of the samples, so clusters are what they say, at every stage."


def _harm(joined: JoinedPairs | None) -> str:
    cameras = f"{_EVENED}, " if joined is not None and joined.camera in _NOT_EVENED else ""
    return f"training did not help; take the features of stage init, or try {cameras}{_LESS_TRAINING}"


def _camera(joined: JoinedPairs | None, first: StageMeasures | None, last: StageMeasures) -> str | None:
    """What to be warned of if clusters are of one camera each, and how it may have come about.

    `first` is None if what the last stage differs in from the first may not be due to training.

    One camera may have taken an individual several times: of four sets of people and vehicles whose clusters were so, 61 to
    99 % of their pairs were right, and `camera='penalty'` took the ARI from 0.125, 0.495 and 0.441 to 0.040, 0.380 and 0.334.
    """
    if joined is None or not joined.share > joined.chance + FAR_ABOVE_CHANCE * (1 - joined.chance):
        return None
    told = f"{joined.share:.0%} of the pairs joined up to stage {last.stage} are of one camera, {joined.chance:.0%} by chance"
    is_evened = joined.camera not in _NOT_EVENED
    if first is not None and last.camera_mixing < FAR_LESS * first.camera_mixing:
        return (
            f"{told}, and near neighbours from other cameras, over chance, fell from {first.camera_mixing:.3f} to "
            f"{last.camera_mixing:.3f}: training learned cameras, not identities; try "
            f"{_LESS_TRAINING if is_evened else _EVENED}"
        )
    look = "look at clusters before you count: dbc report"
    return (
        f"{told}: features may follow cameras, or a camera took individuals several times, who then may have a cluster for "
        f"each camera; {look if is_evened else f'try {_EVENED}, and {look}'}"
    )


def _collapse(first: StageMeasures, last: StageMeasures) -> str | None:
    if not last.spread < COLLAPSED * first.spread:
        return None
    return (
        f"features have collapsed: two samples are {last.spread:.1e} apart at stage {last.stage}, {first.spread:.1e} before; "
        "try a lower `learning_rate`, fewer `epochs` or fewer `stages`"
    )
