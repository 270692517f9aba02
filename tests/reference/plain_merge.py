"""The plain dispersion merge: every D in a K×K matrix, selected by sorting; the oracle of the engine.

It shares with the engine the definition of a canonical value (`exact_sums`, `canonical_rows`, `moments`), and nothing of how
pairs are found or merges are selected.
"""

from __future__ import annotations

from dataclasses import dataclass

import array_api_compat
import numpy as np
from plain_block_sums import block_sums_of
from plain_dispersion import BlockDispersion, MeanDispersion, NearestDispersion
from plain_moments import canonical_features, moments_of

from stages.arrays.backend import to_host
from stages.merge.clusters import labels_after, members_by_cluster
from stages.merge.result import StageMerges


def plain_merge_stage(
    features,
    labels,
    n_merges,
    *,
    lambda_=0.1,
    update="stale",
    metric="sqeuclidean",
    intra_normalizer="n",
    criterion="dbc",
):
    """As `stages.merge.merge_stage`."""
    task = _Task(n_merges=n_merges, lambda_=lambda_, normalizer=intra_normalizer)
    labels = np.asarray(labels, dtype=np.int64)
    if criterion == "dbc":
        clusters = _dispersion_of(features, labels, metric)
    else:
        singles = _dispersion_of(features, np.arange(len(labels)), metric)
        distances = np.stack([to_host(singles.inter(sample)) for sample in range(len(labels))])
        clusters = NearestDispersion(distances, [np.flatnonzero(labels == c) for c in range(labels.max() + 1)])
    if update == "exact":
        return _select_exact(clusters, labels, task)
    return _select_once(clusters, labels, task, _stale if update == "stale" else _union)


def _stale(order, n_clusters, n_merges):
    absorbed, chosen = np.zeros(n_clusters, dtype=bool), []
    for flat in order:
        a, b = divmod(int(flat), n_clusters)
        if not absorbed[a] and not absorbed[b] and len(chosen) < n_merges:
            absorbed[b] = True
            chosen.append(flat)
    return chosen


def _union(order, n_clusters, n_merges):
    component, chosen = np.arange(n_clusters), []
    for flat in order:
        a, b = divmod(int(flat), n_clusters)
        if component[a] != component[b] and len(chosen) < n_merges:
            component[component == component[b]] = component[a]
            chosen.append(flat)
    return chosen


@dataclass(frozen=True)
class _Task:
    n_merges: int
    lambda_: float
    normalizer: str


def _dispersion_of(features, labels, metric):
    rows, grid = canonical_features(features, metric=metric)
    xp = array_api_compat.array_namespace(rows)
    index = [xp.asarray(part, device=rows.device) for part in members_by_cluster(labels)]
    if metric == "euclidean":
        return BlockDispersion(block_sums_of(rows, grid, *index))
    return MeanDispersion(moments_of(rows, grid, *index), scale=0.5 if metric == "cosine" else 1.0)


def _criterion_matrix(clusters, intra, task):
    """D_ab (K, K) float64 above the diagonal, infinity elsewhere."""
    xp = array_api_compat.array_namespace(intra)
    n_clusters = intra.shape[0]
    criterion = xp.full((n_clusters, n_clusters), xp.inf, dtype=xp.float64, device=intra.device)
    for a in range(n_clusters - 1):
        inter = clusters.inter(a, start=a + 1)
        criterion[a, a + 1 :] = inter + task.lambda_ * (intra[a] + intra[a + 1 :])
    return criterion


def _select_once(clusters, labels, task, walk):
    intra = clusters.intra(normalizer=task.normalizer)
    criterion = to_host(_criterion_matrix(clusters, intra, task))
    n_clusters = criterion.shape[0]
    order = np.argsort(criterion, axis=None, kind="stable")
    chosen = np.array(walk(order[: n_clusters * (n_clusters - 1) // 2], n_clusters, task.n_merges))
    merges = np.stack(np.divmod(chosen, n_clusters), axis=1).astype(np.int64)
    sizes = to_host(clusters.counts).astype(np.int64)
    return StageMerges(
        labels=labels_after(labels, merges),
        merges=merges,
        distance=criterion[merges[:, 0], merges[:, 1]],
        inter=np.array([float(clusters.inter(int(a))[int(b)]) for a, b in merges]),
        intra=to_host(intra)[merges],
        sizes=sizes[merges],
    )


def _select_exact(clusters, labels, task):
    intra = clusters.intra(normalizer=task.normalizer)
    xp = array_api_compat.array_namespace(intra)
    criterion = _criterion_matrix(clusters, intra, task)
    n_clusters = intra.shape[0]
    alive = xp.ones(n_clusters, dtype=xp.bool, device=intra.device)
    index = xp.arange(n_clusters, device=intra.device)
    infinity = xp.asarray(xp.inf, dtype=xp.float64, device=intra.device)
    merges, values = [], []
    for _ in range(task.n_merges):
        a, b = divmod(int(xp.argmin(xp.reshape(criterion, (-1,)))), n_clusters)
        merges.append((a, b))
        numbers = (criterion[a, b], clusters.inter(a)[b], intra[a], intra[b], clusters.counts[a], clusters.counts[b])
        values.append([float(number) for number in numbers])
        clusters = clusters.merge(a, b)
        intra = clusters.intra(normalizer=task.normalizer)
        alive[b] = False
        row = clusters.inter(a) + task.lambda_ * (intra[a] + intra)
        criterion[a, :] = xp.where(alive & (index > a), row, infinity)
        criterion[:, a] = xp.where(alive & (index < a), row, infinity)
        criterion[b, :] = infinity
        criterion[:, b] = infinity
    numbers_of = np.array(values, dtype=np.float64)
    return StageMerges(
        labels=labels_after(labels, np.array(merges, dtype=np.int64)),
        merges=np.array(merges, dtype=np.int64),
        distance=numbers_of[:, 0],
        inter=numbers_of[:, 1],
        intra=numbers_of[:, 2:4],
        sizes=numbers_of[:, 4:6].astype(np.int64),
    )
