"""Merges with the options of the paper, whatever the defaults are: what the oracles compare with."""

from functools import partial

from stages import merge
from stages.merge.jaccard import merge_stage as jaccard

PUBLISHED = {"lambda_": 0.1, "intra_normalizer": "n"}
merge_stage = partial(merge.merge_stage, update="stale", **PUBLISHED)
dispersion_linkage = partial(merge.dispersion_linkage, **PUBLISHED)
jaccard_merge_stage = partial(jaccard.jaccard_merge_stage, update="stale", **PUBLISHED)
