"""The features under which clusters hold together across cameras, which is what re-identification asks for.

Features that learn the camera make other silhouettes rise, because clusters of one camera lie far apart. The silhouette
that counts only other cameras falls with mAP when the collapse is strong, but not when it is weak; the share of near
neighbours that are of other cameras falls in both. So stages with less of it than the first one are left out, and so are
stages whose clusters join identities: trained on them, features grow more compact and tell less. Of trained features that
are about as good, the newest are taken: in 21 runs these had a mAP of 0.576 in the mean, the best 0.571, the last 0.578.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from schemas.stage_names import stage_label
from stages.loop.choice.measures import StageMeasures
from stages.loop.choice.rule import LEAST_ACROSS, StageRule, most_separate, newest_near_best, of_features
from stages.typing import Float64Array

KEPT_MIXING = 0.95
"""What a stage keeps, at least, of the camera mixing of the first one, or of 1, which is chance, if that had more. At the
last stages of nine runs that helped it was 1.03 to 2.0 of it, of two that collapsed into cameras 0.01 and 0.82. Training
that does another harm may keep more: 0.92 on vehicles by `paper`."""


RELATIVE_ERROR = 2.0
"""Half-samples of people in six cameras, whose score was 0.05, had an error of 0.07 over the root of their number. People in
two and in six cameras went from 0.02 and 0.03 to 0.04 and 0.06, and their mAP from 0.16 to 0.24 and from 0.32 to 0.42."""
NEARLY = 0.95
"""Of the best score: newer features with so much of it are about as good."""


def _score(measures: Sequence[StageMeasures]) -> Float64Array:
    is_kept = [not (_keeps_to_camera(measures[0], stage) or stage.is_over_merged) for stage in measures]
    return np.where(is_kept, of_features(measures, "across_cameras"), np.nan)


def _keeps_to_camera(first: StageMeasures, stage: StageMeasures) -> bool:
    return not stage.camera_mixing >= KEPT_MIXING * min(1.0, first.camera_mixing)


def _left_out(measures: Sequence[StageMeasures]) -> list[tuple[int, float, str]]:
    first, found = measures[0], []
    for measured, score in zip(measures, of_features(measures, "across_cameras").tolist(), strict=True):
        if _keeps_to_camera(first, measured):
            label = stage_label(first.stage)
            found.append((measured.stage, score, f"near neighbours keep to one camera more than at stage {label}"))
        elif measured.is_over_merged:
            found.append((measured.stage, score, "features are best in more than twice as many clusters"))
    return [each for each in found if not math.isnan(each[1])]


def _choose(measures: Sequence[StageMeasures], score: Float64Array) -> int:
    # features of before any training have the score of the first stage, to the last bit
    return most_separate(
        measures, score == newest_near_best(measures, score, share=NEARLY, relative_error=RELATIVE_ERROR)
    )


RULE = StageRule(
    description="the newest trained features that, merged anew, give within a twentieth of the best silhouette counting only "
    "other cameras, or those of before training if none is better by the error (any rise, of fewer than 100 samples); "
    "not if their neighbours keep to one camera more than at the first stage, or they are best in twice the clusters; of the "
    "stages that have them, the largest cluster-silhouette",
    needs="known cameras, at least two",
    score=_score,
    choose=_choose,
    relative_error=RELATIVE_ERROR,
    least=LEAST_ACROSS,
    left_out=_left_out,
    precedence=1,
)
