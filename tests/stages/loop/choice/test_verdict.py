"""Whether training helped, and warnings: of runs that did harm and of runs that did not, with figures they gave."""

from __future__ import annotations

from dataclasses import replace

import pytest

from stages.loop.choice.measures import StageMeasures
from stages.loop.choice.verdict import JoinedPairs, RightPairs, Verdict, verdict

NAN = float("nan")


def stage(
    number: int, separation: float, across: float, mixing: float, spread: float, silhouette: float = 0.2
) -> StageMeasures:
    return StageMeasures(
        number,
        max(10, 820 - 82 * max(number, 0)),
        0.0,
        silhouette,
        silhouette,
        separation=separation,
        across_cameras=across,
        camera_mixing=mixing,
        spread=spread,
        likely_clusters=(51, 68),
    )


# eth80-market at 64×64, merges of 10 %: as it is, and with a look for every camera at strength 1
HELPED = [
    stage(-1, 0.211, 0.151, 0.812, 0.523),
    stage(7, 0.211, 0.151, 0.812, 0.523),
    stage(8, 0.266, 0.208, 0.820, 0.472),
    stage(9, 0.302, 0.258, 0.841, 0.453),
]
COLLAPSED_INTO_CAMERAS = [
    stage(-1, 0.223, 0.022, 0.231, 0.557),
    stage(7, 0.223, 0.022, 0.231, 0.557),
    stage(8, 0.293, 0.017, 0.041, 0.482),
    stage(9, 0.386, 0.011, 0.003, 0.418),
]


def judged(measures: list[StageMeasures], **options: object) -> Verdict:
    found = verdict(measures, **options)  # type: ignore[arg-type]
    assert found is not None
    return found


def test_a_run_that_helped_is_told_so_and_warned_of_nothing() -> None:
    found = judged(HELPED, joined=JoinedPairs(0.494, 0.25), mean_average_precision={-1: 0.299, 8: 0.392, 9: 0.432})
    assert (found.chosen, found.helped, found.warnings) == (9, True, ())
    assert found.line == (
        "Training helped, judged without identities: across-cameras 0.258 at stage 9, 0.151 at stage init. "
        "mAP with the known identities rose from 0.299 to 0.432. Merged anew, its features hold together best in "
        "51 to 68 clusters (silhouette 0.26); the schedule's number of clusters is no estimate of identities."
    )


def test_another_extraction_takes_neither_credit_nor_blame() -> None:
    known = {-1: 0.299, 8: 0.392, 9: 0.432}
    unlike = {9: ["flip", "camera_norm"]}
    found = judged(HELPED, joined=JoinedPairs(0.494, 0.25), mean_average_precision=known, unlike=unlike)
    assert (found.chosen, found.helped, found.warnings) == (9, None, ())
    assert found.line.startswith(
        "Whether training helped cannot be told: across-cameras 0.258 at stage 9, 0.151 at stage init, but features were "
        "extracted with another `flip` and `camera_norm`, and features of stage 9 are taken. Merged anew, "
    )
    assert judged(HELPED, unlike={8: ["flip"]}).helped
    harmed = judged(COLLAPSED_INTO_CAMERAS, joined=JoinedPairs(0.99, 0.25), unlike={8: ["flip"], 9: ["flip"]})
    assert harmed.helped is None
    assert not [warning for warning in harmed.warnings if "training" in warning]


@pytest.mark.parametrize(
    ("n_clusters", "likely", "score", "trust"),
    [
        (
            14,
            (5, 7),
            0.6,
            "little: features hold together best in 5 to 7 clusters, not in these 14, so individuals may be in several",
        ),
        (
            3,
            (5, 5),
            0.6,
            "little: features hold together best in about 5 clusters, not in these 3, so each may hold several",
        ),
        (14, (5, 7), 0.2, "little: clusters overlap"),
        (6, (5, 7), 0.4, "fairly: "),
        (6, (5, 7), 0.6, "well: "),
        (6, None, 0.6, "well: "),
        (
            5,
            (5, 10),
            0.6,
            "fairly: most clusters hold together, but up to 10 do so nearly as well and some may hold several individuals",
        ),
        # DBSCAN's clusters of people, one of seven of them: merging anew was better than what there is
        (6, (5, 7), (0.52, 0.46, 0.41), "fairly: small clusters hold together, so look at the largest first"),
        (6, (5, 7), (0.52, 0.46, 0.46), "fairly: most clusters"),
    ],
)
def test_trust_is_in_the_clusters_that_were_found(
    n_clusters: int, likely: tuple[int, int] | None, score: float | tuple[float, float, float], trust: str
) -> None:
    separation, own, of_samples = (score,) * 3 if isinstance(score, float) else score
    found = StageMeasures(1, n_clusters, 0.5, of_samples, own, separation=separation, likely_clusters=likely)
    told = judged([found]).trust
    assert told.startswith(trust)
    assert told.startswith("little") or "whether one individual is in several clusters is not known" in told


def test_clusters_are_not_trusted_beside_warnings_that_nothing_was_learned() -> None:
    """Seen with near-copies of photographs, whose silhouette is high whatever the features are."""
    first, last = (replace(stage(n, 0.7, NAN, NAN, spread, 0.7), n_clusters=60) for n, spread in ((-1, 0.5), (2, 0.4)))
    assert judged([first, replace(last, ends_run=True)]).trust.startswith("well: ")
    assert judged([first, replace(last, ends_run=True)], guessing=[0]).trust.startswith("fairly: ")
    assert judged([first, last], guessing=[2]).trust.startswith("little: the loss of training stayed near")
    assert judged([first, replace(last, spread=0.001)]).trust.startswith("little: features have collapsed")
    # palms: features of before training were taken, of which its loss says nothing
    assert judged([first, last, replace(first, stage=3, ends_run=True)], guessing=[2]).trust.startswith("well: ")
    # of people features gained at such a loss, so it is not said that nothing was learned
    weak = [replace(each, separation=0.2, cluster_silhouette=0.2) for each in (first, last)]
    assert judged(weak, guessing=[2]).trust.startswith("little: clusters overlap")


def test_features_that_began_without_telling_anything_apart_are_called_so() -> None:
    """Ears, elephants: ARI of 0.12 at most at any number of clusters; dogs began as low, and had 0.55."""
    first, last = stage(-1, 0.073, NAN, NAN, 0.5), replace(stage(9, 0.114, NAN, NAN, 0.4), ends_run=True)
    assert judged([first, last]).trust.startswith("that is not known: ")
    assert judged([replace(first, separation=0.12), last]).trust.startswith("little: ")
    assert judged([first, replace(last, separation=0.2)]).trust.startswith("little: ")
    across = [replace(each, across_cameras=0.073) for each in (first, last)]
    assert judged(across).trust.startswith("little: ")
    # people in two cameras, hardly any alike across them: an ARI of 0.035, and of 0.50
    for before, after, hardly in ((0.049, 0.058, True), (0.112, 0.176, False)):
        noise = [
            replace(each, across_cameras=0.01, separation=score) for each, score in ((first, before), (last, after))
        ]
        assert judged(noise).trust.startswith("that is not known: ") == hardly


def test_known_identities_say_how_many_pairs_are_right() -> None:
    """Of dogs "most pairs in clusters were wrong" was said, where 76 % were right."""
    first, last = stage(-1, 0.077, NAN, NAN, 0.5), replace(stage(9, 0.08, NAN, NAN, 0.4), ends_run=True)
    told = "76% of the pairs in clusters are right by the known identities, purity 0.84"
    right = {9: RightPairs(0.757, 0.84)}
    found = judged([first, last], right_pairs=right)
    assert found.trust.startswith(
        f"{told}; without these it would not be known, because the separation of features is so"
    )
    assert found.is_weak
    assert "mostly" not in found.trust
    good = [
        replace(each, separation=0.6, cluster_silhouette=0.6, silhouette=0.6, n_clusters=60) for each in (first, last)
    ]
    assert not judged(good).is_weak
    assert judged(good, right_pairs=right).trust == f"{judged(good).trust}; {told}"
    # those of other stages say nothing of these
    assert "known identities" not in judged([first, last], right_pairs={-1: right[9]}).trust


def test_scores_across_cameras_that_are_noise_say_neither_that_training_helped_nor_that_it_did_not() -> None:
    """Seen with vehicles of 8 cameras (0.004 to 0.010: "helped") and people in two (0.011 to 0.005: "did not")."""
    for before, after, taken in ((0.004, 0.010, "and features of stage 9 are"), (0.011, 0.005, "so features are")):
        noise = [replace(HELPED[0], across_cameras=before), replace(HELPED[3], across_cameras=after)]
        found = judged(noise)
        assert (found.helped, found.warnings) == (None, ())
        assert f"at stage init, both so low, below 0.02, that they say nothing, {taken} taken" in found.line
        assert "an individual may count once for each camera" in found.line
    assert judged([noise[0], replace(noise[1], across_cameras=0.05)]).helped is True


def test_the_features_whose_number_of_clusters_is_told_are_named_if_another_stage_was() -> None:
    taken = [HELPED[0], replace(HELPED[3], across_cameras=0.1), replace(HELPED[1], stage=10, ends_run=True)]
    assert (
        "0.100 at stage 9, 0.151 at stage init. Merged anew, the features of stage init hold together"
        in judged(taken).line
    )


def test_the_number_found_is_said_to_be_mostly_too_large_where_clusters_overlap() -> None:
    found, clear = (replace(stage(10, score, NAN, NAN, 0.4), ends_run=True, n_clusters=51) for score in (0.3, 0.6))
    told = "a guess, among the numbers that were looked at, and no count of identities:"
    wrong = (
        "mostly too large where clusters overlap, by up to 8 times, and too small where most have one or two pictures"
    )
    assert f"{told} {wrong}, by half: give" in judged([found]).line
    assert f"{told} give" in judged([clear]).line
    asked = judged([replace(found, n_clusters=30)]).line
    assert "the 30 clusters are those that were asked for, or that what is known left." in asked
    assert "give `n_clusters`" not in asked


def test_clusters_that_labels_say_are_trusted_as_far_as_these() -> None:
    first, last = stage(-1, 0.03, NAN, NAN, 0.5), replace(stage(9, 0.04, NAN, NAN, 0.4), ends_run=True)
    found = judged([first, last], labelled=1.0)
    assert found.trust.startswith("as far as the labels")
    assert found.line.endswith("Labels name 100% of the samples, so clusters are what they say, at every stage.")
    assert judged([first, last], labelled=0.5).trust.startswith("that is not known")


def test_clusters_that_training_drew_together_are_not_trusted_for_holding_together() -> None:
    """Seen with `paper` on people: 44 clusters with a silhouette of 0.62, and a pair in three of them was wrong."""
    first, last = (replace(stage(n, 0.7, NAN, NAN, spread, 0.7), n_clusters=60) for n, spread in ((-1, 0.5), (2, 0.4)))
    told = "fairly: most clusters hold together, as training makes any do, so look at the loosest"
    assert judged([first, last]).trust.startswith(told)
    assert judged([first, replace(last, ends_run=True, likely_clusters=None)]).trust.startswith(told)
    assert judged([first, replace(last, spread=0.5)]).trust.startswith("well: ")


def test_clusters_that_the_clusterer_counted_are_not_said_to_gain_by_training() -> None:
    """Seen with DBSCAN on people: features gained, and those of before training were the best clusters."""
    found = judged([HELPED[0], *(replace(each, is_by_schedule=False) for each in HELPED[1:])])
    assert found.line.startswith("Training helped the features, judged without identities: ")
    assert (
        "the clusterer found its 82 by itself, and whether they gain with training is not known: dbc merge"
        in found.line
    )
    assert "the schedule's" not in found.line
    alone = judged([replace(HELPED[3], is_by_schedule=False, likely_clusters=None)])
    assert alone.line == "The clusterer found its 82 clusters by itself, not identities: check clusters by eye."


def test_a_run_that_collapsed_into_cameras_is_not_chosen_and_warned_of() -> None:
    found = judged(
        COLLAPSED_INTO_CAMERAS, joined=JoinedPairs(0.995, 0.25), mean_average_precision={-1: 0.097, 9: 0.037}
    )
    assert (found.chosen, found.helped) == (7, False)
    assert found.line.startswith(
        "Training did not help, judged without identities: near neighbours from other cameras, over chance, 0.003 at stage "
        "9, 0.231 at stage init. mAP with the known identities fell from 0.097 to 0.037 at stage 9, which is not "
        "taken. "
    )
    assert "(silhouette 0.02, which is weak: check clusters by eye)" in found.line
    harm, cameras = found.warnings
    assert harm.startswith("training did not help; take the features of stage init, or try `camera='auto'`, a lower")
    assert cameras == (
        "100% of the pairs joined up to stage 9 are of one camera, 25% by chance, and near neighbours from other cameras, "
        "over chance, fell from 0.231 to 0.003: training learned cameras, not identities; try `camera='auto'`"
    )


# as vehicles of two images each at 48×48, merges of 10 %: mAP 0.672, 0.704 and 0.671
OVER_MERGED = [
    replace(stage(-1, 0.104, 0.077, 0.793, 0.466), n_clusters=284, best_clusters=142),
    replace(stage(8, 0.120, 0.093, 0.834, 0.326), n_clusters=72, best_clusters=142),
    replace(stage(9, 0.151, 0.115, 0.820, 0.322), n_clusters=32, best_clusters=142),
]


def test_a_stage_whose_clusters_join_identities_is_not_chosen_however_compact_its_features() -> None:
    # 0.077 -> 0.093, which is too little to be sure of
    found = judged(OVER_MERGED)
    assert (found.chosen, found.helped) == (8, None)
    assert judged([OVER_MERGED[0], replace(OVER_MERGED[2], n_clusters=71)]).chosen == 9
    assert judged([OVER_MERGED[0], replace(OVER_MERGED[2], is_by_schedule=False)]).chosen == 9
    found = judged([OVER_MERGED[0], OVER_MERGED[2]], mean_average_precision={-1: 0.672, 9: 0.671})
    assert (found.chosen, found.helped) == (-1, False)
    assert found.line.startswith(
        "Training did not help, judged without identities: the features of stage 9 are best in 142 clusters, but it has "
        "32. mAP with the known identities fell from 0.672 to 0.671 at stage 9, which is not taken. "
    )


def test_the_best_trained_features_are_judged_where_the_last_stage_is_over_merged() -> None:
    found = judged([OVER_MERGED[0], replace(OVER_MERGED[1], across_cameras=0.085), OVER_MERGED[2]])
    assert (found.chosen, found.helped, found.warnings) == (-1, None, ())
    assert found.line.startswith(
        "Whether training helped cannot be told without identities: across-cameras 0.085 at stage 8, 0.077 at stage init, "
    )


def test_a_difference_within_the_error_of_so_few_samples_cannot_be_told_and_is_no_harm() -> None:
    few = [replace(each, n_clusters=max(6, each.n_clusters // 26), likely_clusters=(5, 9)) for each in HELPED]
    close = [few[0], replace(few[3], across_cameras=0.163)]
    found = judged(close, mean_average_precision={-1: 0.385, 9: 0.376})
    assert (found.chosen, found.helped, found.warnings) == (9, None, ())
    assert found.line.startswith(
        "Whether training helped cannot be told without identities: across-cameras 0.163 at stage 9, 0.151 at stage init, a "
        "difference within the error of 31 samples, about 0.045, and features of stage 9 are taken. But mAP "
        "with the known identities fell from 0.385 to 0.376. "
    )
    below = judged([few[0], replace(few[3], across_cameras=0.14)])
    assert (below.chosen, below.helped, below.warnings) == (-1, None, ())


def test_features_that_separate_less_than_those_of_before_are_not_taken() -> None:
    plain = [replace(each, across_cameras=NAN, camera_mixing=NAN, n_clusters=1000) for each in HELPED]
    found = judged([replace(plain[0], separation=0.4), replace(plain[3], separation=0.37, n_clusters=100)])
    assert (found.chosen, found.helped) == (-1, False)


@pytest.mark.parametrize(
    ("before", "after", "helped"),
    [(0.065, 0.098, None), (0.068, 0.103, None), (0.021, 0.092, True), (0.099, 0.16, True)],
)
def test_features_that_hold_together_hardly_at_all_helped_only_if_they_do_so_twice_as_well(
    before: float, after: float, helped: bool | None
) -> None:
    """Seals and lions, whose mAP did not rise, and people and vehicles, whose did."""
    across = [replace(HELPED[0], across_cameras=before, n_clusters=400), replace(HELPED[3], across_cameras=after)]
    assert (judged(across).chosen, judged(across).helped) == (9, helped)
    measures = [replace(each, separation=each.across_cameras, across_cameras=NAN, camera_mixing=NAN) for each in across]
    found = judged(measures)
    assert (found.chosen, found.helped) == (9 if helped else -1, helped)
    assert ("and clusters of either hold together hardly at all" in found.line) == (helped is None)


def test_few_queries_are_named_beside_what_identities_say() -> None:
    known = {-1: 0.561, 9: 0.551}
    assert (
        "fell from 0.561 to 0.551, of 11 queries alone."
        in judged(HELPED, mean_average_precision=known, n_queries=11).line
    )
    assert "fell from 0.561 to 0.551." in judged(HELPED, mean_average_precision=known, n_queries=50).line


def test_a_stage_that_learned_no_more_than_a_guess_is_not_said_to_help() -> None:
    found = judged(HELPED, guessing={8, 9})
    assert (found.chosen, found.helped) == (9, None)
    assert (
        "0.151 at stage init, but the loss there is as high as that of guessing, and features of stage 9 " in found.line
    )
    assert judged(HELPED, guessing={8}).helped is True


def test_clusters_of_one_camera_each_are_to_be_looked_at_and_nothing_is_said_to_follow() -> None:
    """Of people and vehicles whom a camera took several times, most such pairs are right, and a penalty parts them."""
    look = "who then may have a cluster for each camera; look at clusters before you count: dbc report"
    for camera in ("auto", "penalty"):
        (told,) = judged(HELPED, joined=JoinedPairs(0.99, 0.5, camera)).warnings
        assert told.startswith("99% of the pairs joined up to stage 9 are of one camera, 50% by chance: features may")
        assert told.endswith(look)
        harm, learned = judged(COLLAPSED_INTO_CAMERAS, joined=JoinedPairs(0.99, 0.25, camera)).warnings
        less = "a lower `learning_rate` or fewer `stages`"
        assert harm == f"training did not help; take the features of stage init, or try {less}"
        assert learned.endswith(f"fell from 0.231 to 0.003: training learned cameras, not identities; try {less}")
    (ignored,) = judged(HELPED, joined=JoinedPairs(0.99, 0.5, "ignored")).warnings
    assert ignored.endswith("; try `camera='auto'`, and look at clusters before you count: dbc report")


def test_without_cameras_separation_judges_and_identities_that_disagree_are_told() -> None:
    blind = [replace(measured, across_cameras=NAN, camera_mixing=NAN) for measured in COLLAPSED_INTO_CAMERAS]
    found = judged(blind, mean_average_precision={-1: 0.097, 9: 0.037})
    assert (found.chosen, found.helped) == (9, True)
    assert " But mAP with the known identities fell from 0.097 to 0.037." in found.line


def test_features_that_collapse_are_warned_of() -> None:
    point = StageMeasures(9, 10, 0.0, NAN, NAN, spread=0.0)
    found = judged([*HELPED[:3], point])
    assert (found.chosen, found.helped) == (8, True)
    assert found.warnings[0].startswith(
        "features have collapsed: two samples are 0.0e+00 apart at stage 9, 5.2e-01 before"
    )
    assert judged([*HELPED[:3], replace(HELPED[3], spread=0.004)]).warnings


@pytest.mark.parametrize(
    ("start", "line"),
    [
        ([HELPED[0]], "No stage was trained, so all have the features of stage init. "),
        ([], ""),
        ([replace(HELPED[0], stage=0)], ""),
    ],
)
def test_without_training_that_is_said(start: list[StageMeasures], line: str) -> None:
    found = judged([*start, HELPED[1]])
    assert (found.chosen, found.helped, found.warnings) == (7, None, ())
    assert found.line.startswith(f"{line}Merged anew")


def test_before_the_first_merge_there_is_no_verdict() -> None:
    assert verdict([]) is None
    assert verdict(HELPED[:1]) is None
    assert "check clusters by eye" in judged([replace(HELPED[3], likely_clusters=None)]).line


def test_that_weak_features_are_not_twice_as_good_is_no_harm() -> None:
    plain = [replace(each, across_cameras=NAN, camera_mixing=NAN, n_clusters=999) for each in HELPED]
    ears = [replace(plain[0], separation=0.073), replace(plain[3], separation=0.114, n_clusters=108)]
    found = judged(ears)
    assert (found.chosen, found.helped, found.warnings) == (-1, None, ())
    assert found.line.startswith(
        "Whether training helped cannot be told without identities: separation 0.114 at stage 9, 0.073 at stage init, and "
        "clusters of either hold together hardly at all, so features are taken as they were before it. "
    )
    assert judged([ears[0], replace(ears[1], separation=0.06)]).helped is False
