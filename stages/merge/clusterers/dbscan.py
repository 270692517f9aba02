"""DBSCAN on the k-reciprocal Jaccard distance, as SpCL (Ge et al. 2020) and Cluster Contrast (Dai et al. 2022) cluster."""

from __future__ import annotations

import numpy as np
from scipy import sparse

from stages.merge.clustering import Task
from stages.merge.jaccard.similarities import jaccard_similarities
from stages.typing import Int64Array


def cluster(task: Task) -> Int64Array:
    """Labels (n,), −1 for outliers: samples within `eps` of `min_samples` others, itself counted, and all they reach.

    `k1` and `k2` are the neighbours of the distance; only pairs that share one are held. DBSCAN finds the number of
    clusters.
    """
    from sklearn.cluster import DBSCAN

    asked = task.parameters
    similarity = jaccard_similarities(task.features, k1=asked.k1, k2=asked.k2, processes=task.processes)
    distance = sparse.csr_matrix((np.maximum(1 - similarity.data, 0), similarity.indices, similarity.indptr))
    found = DBSCAN(eps=asked.eps, min_samples=asked.min_samples, metric="precomputed").fit(distance)
    return np.asarray(found.labels_, dtype=np.int64)
