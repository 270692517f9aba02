"""The stage whose samples lie closest to their own cluster beside the nearest other one (Rousseeuw 1987)."""

from stages.loop.choice.rule import StageRule, values

RULE = StageRule(
    description="the largest mean silhouette of samples",
    needs="a stage with at least two clusters",
    score=lambda measures: values(measures, "silhouette"),
)
