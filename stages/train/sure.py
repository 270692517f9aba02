"""Which samples are sure enough to be trained on: those that lie nearer to the rest of their cluster than to another."""

from __future__ import annotations

import numpy as np

from stages.arrays.cluster_silhouettes import ClusterMeans, sample_silhouettes
from stages.typing import BoolArray, Float32Array, Int64Array


def sure_samples(rows: Float32Array, labels: Int64Array, *, above: float) -> BoolArray:
    """Whether the silhouette of each of `rows` (n, d) among the clusters `labels` (n,) is above `above`: (n,).

    A sample that is a cluster of its own has 0. All are sure if fewer than two clusters would be left.
    """
    is_sure = np.asarray(sample_silhouettes(ClusterMeans.of(rows, labels), np.arange(len(rows))) > above)
    return is_sure if len(np.unique(labels[is_sure])) > 1 else np.ones(len(rows), dtype=bool)
