"""Which samples are sure enough to be trained on: those that lie nearer to their own cluster than to another."""

from __future__ import annotations

import numpy as np

from stages.arrays.cluster_silhouettes import ClusterMeans, sample_silhouettes
from stages.typing import BoolArray, Float32Array, Int64Array


def sure_samples(rows: Float32Array, labels: Int64Array, *, least: float) -> BoolArray:
    """Whether the silhouette of each of `rows` (n, d) among the clusters `labels` (n,) is at least `least`: (n,).

    A sample that is a cluster of its own has 0. All are sure if fewer than two clusters would be left, or two samples.
    """
    is_sure = np.asarray(sample_silhouettes(ClusterMeans.of(rows, labels), np.arange(len(rows))) >= least)
    return is_sure if len(np.unique(labels[is_sure])) > 1 else np.ones(len(rows), dtype=bool)
