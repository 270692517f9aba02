"""The newest features that, merged anew, still separate clusters about as well as the best ones.

Training goes on to tell identities apart when silhouettes rise no more. On three sets this lost nothing with whitened
dispersions; on features as they are, and by nearest pairs, it went on when training did harm (benchmarks/RESULTS.md).
"""

from stages.loop.choice.rule import CLEARLY, Rule, most_separate, newest_near_best, of_features

RULE = Rule(
    description="the newest whitened features that, merged anew, separate clusters within a tenth of the best, or those of "
    "before training if all are below 0.1 and none clearly better; of the stages that have them, the one with the largest "
    "cluster-silhouette",
    needs="stages merged by `criterion='dbc'` on features whitened by `whiten`",
    score=lambda measures: of_features(measures, "separation"),
    choose=lambda measures, score: most_separate(measures, score == newest_near_best(measures, score, share=CLEARLY)),
    precedence=2,
)
