"""The merges inside each cluster: the longest chain, and the merges that joined different identities."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import numpy as np

from stages.typing import BoolArray, Float64Array, Int32Array, Int64Array


@dataclass(frozen=True)
class ClusterTrees:
    """The merges inside each of K clusters, by label.

    `depth` (K, int64): merges on the longest path from a sample to the whole cluster; n members that were added one by one
    give n − 1, merges in pairs about log₂ n. `n_joins` (K, int64): merges whose two sides have different majority
    identities (the smaller pid at equal counts; sides without a known one do not count). `last_joins` (K, bool): whether
    the last merge is one of these.
    """

    depth: Int64Array
    n_joins: Int64Array
    last_joins: BoolArray


def cluster_trees(linkage: Float64Array, labels: Int64Array, pid: Int32Array) -> ClusterTrees:
    """Trees of the clusters `labels` (n_samples, 0..K−1), merged as in SciPy's `linkage` (n_samples − K, 4).

    `pid` (n_samples) is 0 or negative if an identity is unknown, or nobody is meant.
    """
    n, n_clusters = len(labels), int(labels.max(initial=-1)) + 1
    found = ClusterTrees(
        np.zeros(n_clusters, dtype=np.int64), np.zeros(n_clusters, dtype=np.int64), np.zeros(n_clusters, dtype=np.bool_)
    )
    members = {i: Counter([int(pid[i])] if pid[i] > 0 else []) for i in range(n)}
    depth, label = dict.fromkeys(range(n), 0), dict(enumerate(labels.tolist()))
    for node, (left, right) in enumerate(linkage[:, :2].astype(np.int64).tolist(), start=n):
        small, large = sorted((members.pop(left), members.pop(right)), key=len)
        joins = bool(small and large) and majority(small) != majority(large)
        large.update(small)
        members[node], label[node] = large, label[left]
        depth[node] = 1 + max(depth.pop(left), depth.pop(right))
        found.depth[label[node]] = max(found.depth[label[node]], depth[node])
        found.n_joins[label[node]] += joins
        found.last_joins[label[node]] = joins
    return found


def majority(counts: Counter[int]) -> int:
    """The identity with the most counts; the smallest of several."""
    return min(counts, key=lambda identity: (-counts[identity], identity))
