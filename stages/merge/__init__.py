"""Merge the clusters that the dispersion criterion ranks closest.

The public names work on any (n, d) array: `merge_stage` and `jaccard_merge_stage` make one stage of merges,
`extend_linkage` adds them to a SciPy linkage matrix, and `dispersion_linkage` merges down to one cluster at once.
"""

from stages.merge.full_linkage import dispersion_linkage
from stages.merge.jaccard.merge_stage import jaccard_merge_stage
from stages.merge.linkage import cluster_ids, empty_linkage, extend_linkage, labels_of_linkage
from stages.merge.merge_stage import merge_stage
from stages.merge.result import StageMerges
from stages.merge.schedule import initial_labels, last_stage, number_of_merges

__all__ = [
    "StageMerges",
    "cluster_ids",
    "dispersion_linkage",
    "empty_linkage",
    "extend_linkage",
    "initial_labels",
    "jaccard_merge_stage",
    "labels_of_linkage",
    "last_stage",
    "merge_stage",
    "number_of_merges",
]
