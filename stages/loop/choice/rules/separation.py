"""The newest features that, merged anew, still separate clusters about as well as the best ones.

Training goes on to tell identities apart when silhouettes rise no more. On three sets this lost nothing with whitened
dispersions; on features as they are, and by nearest pairs, it went on when training did harm (benchmarks/RESULTS.md).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from stages.loop.choice.measures import StageMeasures
from stages.loop.choice.rule import Rule, most_separate, newest_near_best, values
from stages.typing import Float64Array


def _score(measures: Sequence[StageMeasures]) -> Float64Array:
    # a stage of one cluster is not a choice, however well its features separate others
    is_one_cluster = np.isnan(values(measures, "cluster_silhouette"))
    return np.where(is_one_cluster, np.nan, values(measures, "separation"))


RULE = Rule(
    told="the newest whitened features that, merged anew, separate clusters within a tenth of the best; of the stages that "
    "have them, the one with the largest cluster-silhouette",
    needs="stages merged by `criterion='dbc'` on features whitened by `whiten`",
    score=_score,
    choose=lambda measures, score: most_separate(measures, score == newest_near_best(score)),
    precedence=2,
)
