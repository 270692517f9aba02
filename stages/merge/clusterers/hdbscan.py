"""HDBSCAN (Campello et al. 2013) on Euclidean distances of the features, by scikit-learn."""

from __future__ import annotations

import numpy as np

from stages.arrays.memory_limit import limit_of, require_memory
from stages.merge.clustering import Task
from stages.typing import Int64Array


def cluster(task: Task) -> Int64Array:
    """Labels (n,), −1 for outliers, of clusters of `min_samples` samples or more.

    It holds all n² distances and finds the number of clusters; fewer than `min_samples` samples are all outliers. Raises
    MemoryLimitError if the distances do not fit.
    """
    from sklearn.cluster import HDBSCAN

    n_samples = len(task.features)
    limit = limit_of(task.memory_limit, task.features)
    require_memory(3 * 8 * n_samples**2, memory_limit=limit, what=f"`clusterer='hdbscan'` of {n_samples} samples")
    size = max(2, task.parameters.min_samples)
    if size > n_samples:
        return np.full(n_samples, -1, dtype=np.int64)
    found = HDBSCAN(min_cluster_size=size, metric="euclidean", algorithm="brute", copy=True)
    labels = np.asarray(found.fit(task.features.astype(np.float64)).labels_, dtype=np.int64)
    return np.maximum(labels, -1)
