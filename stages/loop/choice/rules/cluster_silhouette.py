"""The stage whose clusters lie farthest apart for their size, every cluster counted once.

A stage before the first merge has no clusters: it is measured by the best that merging its features alone reaches, and it
is chosen if every later stage is clearly worse, which is how training that does harm shows.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from stages.loop.choice.measures import StageMeasures
from stages.loop.choice.rule import StageRule, nearly, values
from stages.typing import Float64Array


def _choose(measures: Sequence[StageMeasures], score: Float64Array) -> int:
    is_merged = values(measures, "stage") > 0
    merged, start = (np.where(is_one, score, np.nan) for is_one in (is_merged, ~is_merged))
    if np.isnan(merged).all():
        return int(np.nanargmax(start))
    if np.isnan(start).all() or np.nanmax(merged) >= nearly(float(np.nanmax(start))):
        return int(np.nanargmax(merged))
    return int(np.nanargmax(start))


RULE = StageRule(
    description="the largest mean silhouette of clusters, each counted once whatever its size",
    needs="a stage with at least two clusters",
    score=lambda measures: values(measures, "cluster_silhouette"),
    choose=_choose,
    precedence=3,
)
