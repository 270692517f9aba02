"""The newest features that, merged anew, still separate clusters about as well as the best ones.

Training goes on to tell identities apart when silhouettes rise no more. On three sets this lost nothing with whitened
dispersions; on features as they are, and by nearest pairs, it went on when training did harm (benchmarks/RESULTS.md).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from stages.loop.choice.measures import StageMeasures
from stages.loop.choice.rule import CLEARLY, StageRule, is_hardly_better, most_separate, newest_near_best, of_features
from stages.typing import Float64Array


def _choose(measures: Sequence[StageMeasures], score: Float64Array) -> int:
    chosen = newest_near_best(measures, score, share=CLEARLY)
    if measures[0].stage < 1 and is_hardly_better(float(score[0]), float(np.nanmax(score))):
        chosen = float(score[0])
    return most_separate(measures, score == chosen)


RULE = StageRule(
    description="the newest trained features, whitened, that, merged anew, separate clusters within a tenth of the best, or "
    "those of before training if none is better by the error (any rise, of fewer than 100 samples), or all are below 0.12 "
    "and none twice as good; of the stages that have them, the one with the largest cluster-silhouette",
    needs="stages merged by `criterion='dbc'` on features whitened by `whiten`",
    score=lambda measures: of_features(measures, "separation"),
    choose=_choose,
    precedence=2,
)
