"""Rules choose the stage they say they choose."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from sklearn.metrics import adjusted_rand_score

from stages.errors import UsageError
from stages.loop.choice.choose import choose, choose_clusters, default_rule, is_enough, reason, scores, told_unjudged
from stages.loop.choice.measures import StageMeasures, measure
from stages.loop.choice.rule import all_rules, standard_error
from stages.loop.choice.rules import rule_names
from stages.loop.choice.verdict import verdict
from stages.merge import initial_labels
from tests.reference.published import merge_stage

NAN = float("nan")


def stages(**figures: list[float]) -> list[StageMeasures]:
    """Stages 1, 2, … with these figures; those not given are 0."""
    names = ("silhouette", "cluster_silhouette", "separation", *(figures.keys() & {"across_cameras", "camera_mixing"}))
    length = len(next(iter(figures.values())))
    rows = [{name: figures.get(name, [0.0] * length)[i] for name in names} for i in range(length)]
    return [StageMeasures(stage=i + 1, n_clusters=100 - i, singleton_share=0.0, **row) for i, row in enumerate(rows)]


def place_from_the_initial_stage(measures: list[StageMeasures], rule: str | None = None) -> int | None:
    """The place, from 1, of the chosen one of `measures`, the first of which is of before training."""
    chosen = choose([replace(each, stage=each.stage - 2 + (each.stage > 1)) for each in measures], rule=rule)
    return None if chosen is None else chosen + 1 + (chosen < 0)


def test_each_rule_takes_the_stage_that_its_measure_points_at() -> None:
    assert choose(stages(cluster_silhouette=[0.1, 0.4, 0.2]), rule="cluster-silhouette") == 2
    assert choose(stages(silhouette=[0.1, 0.2, 0.4]), rule="silhouette") == 3


@pytest.mark.parametrize(
    ("separation", "cluster_silhouette", "chosen"),
    [
        ([0.1, 0.4, 0.37], [0.0, 0.9, 0.1], 3),
        ([0.1, 0.4, 0.35], [0.0, 0.2, 0.9], 2),
        ([0.4, 0.4, 0.4], [0.1, 0.3, 0.2], 2),
        ([0.39, 0.42, 0.38], [0.1, 0.3, 0.2], 2),  # newer ones are below those of before training
        ([0.1, 0.4, 0.4, 0.2], [0.9, 0.1, 0.3, 0.9], 3),
        ([-0.5, -0.47, -0.6], [0.1, 0.2, 0.3], 2),
        ([-0.5, -0.48, -0.6], [0.1, 0.2, 0.3], 1),  # weak, and within the error of 100 samples
        ([0.05, 0.07, 0.065], [0.1, 0.3, 0.2], 1),
        ([0.05, 0.08, 0.076], [0.1, 0.3, 0.2], 1),  # weak, and not twice as good
        ([0.03, 0.08, 0.076], [0.1, 0.3, 0.2], 3),
        ([NAN, 0.4, 0.5], [0.9, 0.1, NAN], 2),
    ],
)
def test_the_newest_features_near_the_best_are_chosen_and_of_their_stages_the_one_with_the_best_clusters(
    separation: list[float], cluster_silhouette: list[float], chosen: int
) -> None:
    measures = stages(separation=separation, cluster_silhouette=cluster_silhouette)
    assert place_from_the_initial_stage(measures) == chosen


@pytest.mark.parametrize(
    ("across", "chosen"),
    [
        ([0.1, 0.2, 0.196], 3),  # newer features, about as good
        ([0.1, 0.2, 0.18], 2),
        ([0.1, 0.1, 0.099], 2),  # features of before training, handed on, are best: not left for newer ones
        ([0.1, 0.098, 0.101], 1),  # within the error of 100 samples
        ([0.1, 0.1, 0.124], 2),
        ([0.1, 0.1, 0.126], 3),
        ([0.05, 0.07, 0.068], 3),
        ([0.03, 0.0374, 0.0374], 1),  # the error is at most twice the score of that of one
        ([0.03, 0.0376, 0.0376], 2),
        ([0.05, 0.08, 0.077], 3),
    ],
)
def test_across_cameras_newer_trained_features_are_taken_if_they_are_about_as_good(
    across: list[float], chosen: int
) -> None:
    measures = stages(separation=[0.0] * 3, across_cameras=across, camera_mixing=[1.0] * 3)
    assert place_from_the_initial_stage(measures, "across-cameras") == chosen


def test_without_separation_the_cluster_silhouette_is_the_rule() -> None:
    plain = stages(separation=[NAN, NAN, NAN], cluster_silhouette=[0.1, 0.4, 0.2])
    assert default_rule(plain) == "cluster-silhouette"
    assert choose(plain) == 2
    assert reason(plain) == "stage 2, 99 clusters, has the best cluster-silhouette, 0.400"
    assert default_rule(stages(separation=[NAN, 0.1, NAN])) == "separation"


def test_ties_go_to_the_earlier_stage_and_what_is_unknown_is_passed_over() -> None:
    assert choose(stages(silhouette=[NAN, 0.3, 0.3]), rule="silhouette") == 2
    assert choose(stages(silhouette=[NAN, NAN]), rule="silhouette") is None
    assert choose([]) is None


def test_every_file_of_rules_is_a_rule_of_its_name() -> None:
    assert tuple(all_rules()) == rule_names() == tuple(sorted(rule_names()))


@pytest.mark.parametrize("rule", rule_names())
def test_every_rule_scores_every_stage_of_one_or_more(rule: str) -> None:
    assert len(scores(stages(silhouette=[0.1]), rule=rule)) == 1
    assert len(scores(stages(silhouette=[0.1, 0.2, 0.3]), rule=rule)) == 3


def test_it_is_enough_once_patience_stages_were_no_better() -> None:
    rising = [0.1, 0.3, 0.2, 0.25, 0.29]
    told = [is_enough(stages(silhouette=rising[: n + 1]), patience=3, rule="silhouette") for n in range(5)]
    assert told == [False, False, False, False, True]
    assert not is_enough(stages(separation=[0.1, 0.2, 0.3, 0.4, 0.5]), patience=3)
    assert is_enough(stages(separation=[0.5, 0.2, 0.3, 0.4]), patience=3)


def test_the_reason_names_stage_score_and_whether_it_is_the_last_made() -> None:
    middle, last = stages(separation=[0.1, 0.4, 0.2]), stages(separation=[0.1, 0.2, 0.4])
    assert reason(middle) == "stage 2, 99 clusters, has the best separation, 0.400"
    told = "stage 3, 98 clusters, has the best separation, 0.400; it is the last stage made, so later ones might"
    assert reason(last).startswith(told)
    near = "stage 3, 98 clusters, has the newest features near the best (0.400) in separation, 0.390; it is the last"
    assert reason(stages(separation=[0.1, 0.4, 0.39])).startswith(near)
    assert reason([]) == "no stage chosen: cluster-silhouette needs a stage with at least two clusters"


def starting(separation: float, cluster_silhouette: float, **figures: float) -> StageMeasures:
    """The stage before training, of 100 samples."""
    return StageMeasures(-1, 100, 1.0, NAN, cluster_silhouette, separation=separation, **figures)


def test_the_initial_stage_is_chosen_unless_later_features_separate_better_by_the_error() -> None:
    assert choose([starting(0.4, 0.4), *stages(separation=[0.3, 0.35])]) == -1
    assert choose([starting(0.4, 0.4), *stages(separation=[0.3, 0.41])]) == -1
    assert choose([starting(0.4, 0.4), *stages(separation=[0.3, 0.43])]) == 2


def test_of_few_samples_any_rise_is_enough_where_individuals_are_told_apart() -> None:
    toys = [replace(starting(0.19, 0.1), n_clusters=60), *stages(separation=[0.2, 0.22])]
    assert choose(toys) == 2
    assert choose([replace(toys[0], n_clusters=101), *stages(separation=[0.2, 0.21])]) == -1
    assert choose([toys[0], *stages(separation=[0.18, 0.17])]) == -1


def test_features_that_separate_hardly_at_all_are_left_alone_unless_training_clearly_helped() -> None:
    # faces of lions, 139: mAP 0.359 before, 0.278 to 0.316 after
    lions = [replace(starting(0.042, 0.04), n_clusters=139), *stages(separation=[0.05, 0.057])]
    assert choose(lions) == -1
    assert reason(lions).startswith(
        "stage init, 139 clusters, has the features of before training, which the best (0.057) are not clearly above in "
        "separation, 0.042"
    )
    # more samples tell smaller differences, but training fits the clusters that are measured
    many = [replace(lions[0], n_clusters=1390), *lions[1:]]
    assert choose(many) == -1
    assert choose([replace(each, separation=each.separation + 0.1) for each in many]) == 2
    # ears, 999: mAP 0.152 before, 0.094 after
    assert choose([replace(lions[0], separation=0.073, n_clusters=999), *stages(separation=[0.09, 0.114])]) == -1


@pytest.mark.parametrize("rule", ["separation", "across_cameras"])
def test_of_stages_with_merges_alone_the_first_is_not_taken_for_that_before_training(rule: str) -> None:
    found = {rule: [0.300, 0.302, 0.304], "camera_mixing": [1.0] * 3, "cluster_silhouette": [0.1, 0.2, 0.3]}
    merged = stages(**{"separation": [0.0] * 3} | found)
    first = replace(starting(0.4, 0.4), **{rule: 0.4}, camera_mixing=1.0)  # type: ignore[arg-type]
    assert (choose([first, *merged]), choose_clusters([first, *merged])) == (-1, 3)
    named = rule.replace("_", "-")
    assert reason(merged).startswith(f"stage 3, 98 clusters, has the best {named}, 0.304; it is the last stage made")
    told = f"stage 3, 98 clusters, has the newest features near the best (0.304) in {named}, 0.302"
    near = [replace(each, **{rule: score}) for each, score in zip(merged, (0.302, 0.304, 0.302), strict=True)]  # type: ignore[arg-type]
    assert reason(near).startswith(told)


def test_features_that_are_handed_on_are_chosen_with_the_clusters_that_they_gave() -> None:
    merged = stages(separation=[0.4, 0.4, 0.2], cluster_silhouette=[0.1, 0.3, 0.2])
    assert choose([starting(0.4, 0.4), *merged]) == 2


@pytest.mark.parametrize(
    ("trained", "alone", "chosen"),
    [
        (0.056, 0.116, -1),
        (0.056, 0.060, 1),
        (-0.47, -0.50, 1),
        (-0.50, -0.47, 1),
        (-0.60, -0.50, -1),
        (0.0, 0.0, 1),
        (NAN, 0.9, -1),
        (0.1, NAN, 1),
    ],
)
def test_without_whitening_the_initial_stage_is_chosen_if_its_features_merged_alone_are_clearly_better(
    trained: float, alone: float, chosen: int
) -> None:
    assert choose([starting(NAN, alone), *stages(cluster_silhouette=[trained], separation=[NAN])]) == chosen


def test_features_that_keep_to_their_camera_are_not_chosen_however_well_they_separate() -> None:
    first = starting(0.2, 0.2, across_cameras=0.07, camera_mixing=0.47)
    # eth80-market whose cameras have a weak look of their own: mAP 0.183, 0.185 and 0.146
    weak = stages(separation=[0.26, 0.30], across_cameras=[0.118, 0.160], camera_mixing=[0.418, 0.386])
    assert choose([first, *weak]) == -1
    assert choose([first, *weak], rule="separation") == 2
    assert default_rule([first, *weak]) == "across-cameras"
    above_chance = stages(separation=[0.2, 0.3], across_cameras=[0.1, 0.2], camera_mixing=[1.0, 0.96])
    assert choose([replace(first, camera_mixing=1.1), *above_chance]) == 2
    good = stages(separation=[0.26, 0.30], across_cameras=[0.118, 0.160], camera_mixing=[0.5, 0.465])
    assert choose([first, *good]) == 2


def test_stages_that_are_left_out_are_named_with_what_they_would_score() -> None:
    """Seen with people whom cameras took twice: nobody learned that stages with larger scores were left out."""
    first = replace(starting(0.137, 0.1, across_cameras=0.017, camera_mixing=0.93), n_clusters=400)
    trained = stages(across_cameras=[0.019, 0.021, 0.027, 0.025], camera_mixing=[0.925, 0.833, 0.848, 0.96])
    measures = [first, *trained[:3], replace(trained[3], n_clusters=40, best_clusters=133)]
    told = "where features are best in more than twice as many clusters."
    assert told_unjudged(measures, rule="across-cameras") == (
        "Left out: stages 2, 3 (across-cameras 0.021, 0.027), where near neighbours keep to one camera more than at stage "
        f"init; stage 4 (across-cameras 0.025), {told}"
    )
    assert told_unjudged(measures, rule="across-cameras", above=0.026) == (
        "Left out: stage 3 (across-cameras 0.027), where near neighbours keep to one camera more than at stage init."
    )
    assert not told_unjudged(measures, rule="separation") + told_unjudged([], rule="across-cameras")
    found = verdict(measures)
    assert found is not None
    assert " Left out: stages 2, 3 (across-cameras 0.021, 0.027), where near" in found.line
    assert f"{told} The number of clusters" in found.line
    found = verdict([first, *trained[1:3]])
    assert found is not None
    assert found.line.startswith(
        "Whether training helped cannot be told without identities: near neighbours from other cameras, over chance, 0.848 "
        "at stage 3, 0.930 at stage init, and across-cameras at stage init so low, below 0.02, that it says nothing, so "
        "features are taken as they were before it. Left out: stages 2, 3 (across-cameras 0.021, 0.027), where"
    )
    noise = [replace(each, across_cameras=each.across_cameras / 2) for each in measures]
    assert "Left out" not in getattr(verdict(noise), "line", "Left out")


def test_an_unknown_rule_is_named() -> None:
    with pytest.raises(UsageError, match=f"`rule` must be one of {', '.join(rule_names())}, got 'elbow'"):
        choose(stages(silhouette=[0.1]), rule="elbow")


@pytest.mark.parametrize("size", [2, 5, 20])
def test_well_separated_identities_are_found_whatever_their_size(size: int) -> None:
    generator = np.random.default_rng(size)
    n_identities = 200 // size
    pid = np.repeat(np.arange(n_identities), size)
    features = generator.normal(size=(n_identities, 32))[pid] + 0.3 * generator.normal(size=(200, 32))
    unit = (features / np.linalg.norm(features, axis=1, keepdims=True)).astype(np.float32)
    labels, measures, agreement = initial_labels(200), [], []
    for stage in range(1, 20):
        merged = merge_stage(unit, labels, 10)
        measures.append(measure(unit, merged.labels, stage=stage, generator=generator))
        labels = merged.labels
        agreement.append(adjusted_rand_score(pid, labels))
    for rule in ("cluster-silhouette", "silhouette"):
        chosen = choose(measures, rule=rule)
        assert chosen is not None
        assert agreement[chosen - 1] >= max(agreement) - 0.02


def test_features_trained_on_half_of_the_clusters_that_they_ask_for_are_not_chosen() -> None:
    # vehicles with two pictures each, merges of 5 %: mAP 0.791 before, 0.784 and 0.683
    trained = stages(across_cameras=[0.165, 0.169], camera_mixing=[1.0, 1.0])
    fit, over_merged = (
        replace(stage, n_clusters=n, best_clusters=189) for stage, n in zip(trained, (118, 62), strict=True)
    )
    first = replace(starting(0.099, 0.1, across_cameras=0.099, camera_mixing=0.6), n_clusters=566, best_clusters=283)
    assert choose([first, fit, over_merged]) == 1
    assert choose([first, fit, replace(over_merged, n_clusters=95)]) == 2


def test_the_error_is_of_as_many_samples_as_silhouettes_are_of() -> None:
    lions = [replace(starting(0.342, 0.04), n_clusters=60_000), *stages(separation=[0.35, 0.3454])]
    assert standard_error(lions, 0.354, math.inf) == pytest.approx(0.25 / 5000**0.5)
    assert choose([lions[0], replace(lions[2], separation=0.3454)]) == -1
    assert choose([lions[0], replace(lions[2], separation=0.3456)]) == 2
