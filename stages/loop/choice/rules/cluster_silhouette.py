"""The stage whose clusters lie farthest apart for their size, every cluster counted once."""

from stages.loop.choice.rule import Rule, values

RULE = Rule(
    told="the largest mean silhouette of clusters, each counted once whatever its size",
    needs="a stage with at least two clusters",
    score=lambda measures: values(measures, "cluster_silhouette"),
    precedence=3,
)
