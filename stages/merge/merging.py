"""One merge stage from features and labels: the plain version, which computes every D and needs no bound."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import array_api_compat
import numpy as np
from numpy.typing import NDArray

from stages.backend import available_bytes, to_host
from stages.errors import DbcError, UsageError
from stages.merge.block_sums import block_sums_of
from stages.merge.clusters import labels_after, members_by_cluster, parse_labels
from stages.merge.dispersion import BlockDispersion, Dispersion, IntraNormalizer, MeanDispersion
from stages.merge.memory import plain_bytes, require_memory
from stages.merge.moments import moments_of
from stages.merge.result import StageMerges
from stages.merge.samples import Metric, canonical_features
from stages.merge.walks import stale_walk
from stages.typing import Array, Int64Array

Update = Literal["stale", "exact"]
Progress = Callable[[int, int], None]

_SHARE_OF_MEMORY = 0.8


def merge_stage(
    features: Array,
    labels: NDArray[Any],
    n_merges: int,
    *,
    lambda_: float = 0.1,
    update: Update = "stale",
    metric: Metric = "sqeuclidean",
    intra_normalizer: IntraNormalizer = "n",
    memory_limit: int | None = None,
    progress: Progress | None = None,
) -> StageMerges:
    """The `n_merges` merges that rank first by D_ab = d_ab + λ (d_a + d_b), eqs. (2)–(4), and the labels they leave.

    `features` (n, d) of a real dtype, of NumPy, CuPy or another array-API library: its library and device do the
    work. `labels` (n,) integers using each of 0..K−1. Ties break by (D, smaller label, larger label).
    `update='stale'` ranks once and walks the pairs (`stale_walk`); `'exact'` ranks again after every merge, and the
    merged cluster keeps the smaller label. `memory_limit` in bytes (default: 0.8 of what is available);
    `progress(done, total)` counts rows of the matrix, then merges.

    Each D has one float64 value, a symmetric function of the contents of the two clusters, the same to the last bit
    for every array library and every order of the samples. So samples permuted together with their labels give the
    same merges. (Labels themselves matter: they break ties, and under `stale` they say who survives and may go on.)

    Raises UsageError for λ, m, or an option out of range; DbcError for features or labels that do not fit each other,
    NaN or infinity, fewer than m + 1 clusters, or too little memory.
    """
    _require_options(lambda_, n_merges, update, metric, intra_normalizer)
    _require_matrix(features)
    n_samples, dim = features.shape
    labels = parse_labels(to_host(labels), n_samples=n_samples)
    n_clusters = int(labels.max()) + 1
    if n_merges >= n_clusters:
        raise DbcError(
            f"{n_merges} merges wanted of {n_clusters} clusters, which allow at most {n_clusters - 1}; "
            "lower --merge-percent, or stop at an earlier stage"
        )
    limit = int(_SHARE_OF_MEMORY * available_bytes(features)) if memory_limit is None else memory_limit
    n_bytes = plain_bytes(n_samples=n_samples, n_clusters=n_clusters, dim=dim, metric=metric, update=update)
    require_memory(n_bytes, memory_limit=limit, what=f"merging {n_clusters} clusters of {n_samples} samples")

    clusters = _dispersion_of(features, labels, metric)
    total = n_clusters + n_merges
    task = _Task(
        n_merges=n_merges,
        lambda_=lambda_,
        normalizer=intra_normalizer,
        report=lambda done: progress(done, total) if progress else None,
    )
    return (_select_stale if update == "stale" else _select_exact)(clusters, labels, task)


@dataclass(frozen=True)
class _Task:
    n_merges: int
    lambda_: float
    normalizer: IntraNormalizer
    report: Callable[[int], None]


def _dispersion_of(features: Array, labels: Int64Array, metric: Metric) -> Dispersion:
    rows = canonical_features(features, metric=metric)
    xp = array_api_compat.array_namespace(rows)
    index = [xp.asarray(part, device=rows.device) for part in members_by_cluster(labels)]
    if metric == "euclidean":
        return BlockDispersion(block_sums_of(rows, *index))
    return MeanDispersion(moments_of(rows, *index), scale=0.5 if metric == "cosine" else 1.0)


def _criterion_matrix(clusters: Dispersion, intra: Array, task: _Task) -> Array:
    """D_ab (K, K) float64 above the diagonal, infinity elsewhere."""
    xp = array_api_compat.array_namespace(intra)
    n_clusters = intra.shape[0]
    criterion = xp.full((n_clusters, n_clusters), xp.inf, dtype=xp.float64, device=intra.device)
    for a in range(n_clusters - 1):
        inter = clusters.inter(a, start=a + 1)
        criterion[a, a + 1 :] = inter + task.lambda_ * (intra[a] + intra[a + 1 :])
        task.report(a + 1)
    return criterion


def _select_stale(clusters: Dispersion, labels: Int64Array, task: _Task) -> StageMerges:
    intra = clusters.intra(normalizer=task.normalizer)
    criterion = to_host(_criterion_matrix(clusters, intra, task))
    n_clusters = criterion.shape[0]
    order = np.argsort(criterion, axis=None, kind="stable")
    pairs = (divmod(int(flat), n_clusters) for flat in order)
    chosen = order[stale_walk(pairs, n_clusters=n_clusters, n_merges=task.n_merges)]
    merges = np.stack(np.divmod(chosen, n_clusters), axis=1).astype(np.int64)
    sizes = to_host(clusters.counts).astype(np.int64)
    task.report(n_clusters + task.n_merges)
    return StageMerges(
        labels=labels_after(labels, merges),
        merges=merges,
        criterion=criterion[merges[:, 0], merges[:, 1]],
        inter=np.array([float(clusters.inter(int(a))[int(b)]) for a, b in merges]),
        intra=to_host(intra)[merges],
        sizes=sizes[merges],
    )


def _select_exact(clusters: Dispersion, labels: Int64Array, task: _Task) -> StageMerges:
    intra = clusters.intra(normalizer=task.normalizer)
    xp = array_api_compat.array_namespace(intra)
    criterion = _criterion_matrix(clusters, intra, task)
    n_clusters = intra.shape[0]
    alive = xp.ones(n_clusters, dtype=xp.bool, device=intra.device)
    index = xp.arange(n_clusters, device=intra.device)
    infinity = xp.asarray(xp.inf, dtype=xp.float64, device=intra.device)
    merges, values = [], []
    for done in range(task.n_merges):
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
        task.report(n_clusters + done + 1)
    numbers_of = np.array(values, dtype=np.float64)
    return StageMerges(
        labels=labels_after(labels, np.array(merges, dtype=np.int64)),
        merges=np.array(merges, dtype=np.int64),
        criterion=numbers_of[:, 0],
        inter=numbers_of[:, 1],
        intra=numbers_of[:, 2:4],
        sizes=numbers_of[:, 4:6].astype(np.int64),
    )


def _require_options(lambda_: float, n_merges: int, update: str, metric: str, intra_normalizer: str) -> None:
    if not (np.isfinite(lambda_) and lambda_ >= 0):
        raise UsageError(f"lambda is {lambda_}, wanted a finite number of at least 0; pass --lambda 0.1")
    if n_merges < 1:
        raise UsageError(f"{n_merges} merges wanted, wanted at least 1; raise --merge-percent or add samples")
    for name, value, known in (
        ("update", update, ("stale", "exact")),
        ("metric", metric, ("sqeuclidean", "euclidean", "cosine")),
        ("intra normalizer", intra_normalizer, ("n", "n2")),
    ):
        if value not in known:
            raise UsageError(f"{name} is '{value}', wanted one of {', '.join(known)}")


def _require_matrix(features: Array) -> None:
    if features.ndim != 2 or 0 in features.shape:
        raise DbcError(
            f"features have shape {tuple(features.shape)}, wanted (n_samples, n_dimensions), both at least 1; "
            "extract them again"
        )
