"""One merge stage under the k-reciprocal Jaccard distance, from sparse similarities: no n×n or K×K matrix."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from stages.arrays.backend import to_host
from stages.arrays.memory_limit import limit_of, require_memory
from stages.errors import UsageError
from stages.merge.checks import require_clusters, require_matrix, require_options
from stages.merge.clusters import labels_after, parse_labels, root_of
from stages.merge.jaccard.exact import merge_one_by_one
from stages.merge.jaccard.pairs import distant_pairs, pair_numbers, penalties_of, stored_pairs, weights_of
from stages.merge.jaccard.similarities import jaccard_similarities, own_samples
from stages.merge.memory import jaccard_bytes
from stages.merge.merge_stage import Progress
from stages.merge.result import StageMerges
from stages.merge.selection.criteria.dispersion import DispersionCriterion
from stages.merge.selection.criterion import IntraNormalizer
from stages.merge.selection.engine import Update
from stages.merge.tables.canonical_rows import require_finite
from stages.processes import OneProcess, Processes
from stages.typing import Array, Int64Array


def jaccard_merge_stage(
    features: Array,
    labels: NDArray[Any],
    n_merges: int,
    *,
    lambda_: float = 0.1,
    update: Update = "stale",
    intra_normalizer: IntraNormalizer = "n",
    criterion: str = "dbc",
    k1: int = 20,
    k2: int = 6,
    memory_limit: int | None = None,
    progress: Progress | None = None,
    processes: Processes | None = None,
    camid: NDArray[Any] | None = None,
) -> StageMerges:
    """The `n_merges` merges that rank first by D_ab = d_ab + λ (d_a + d_b), eqs. (2)–(4), and the labels they leave.

    `dist` is the Jaccard distance between k-reciprocal encodings (`stages.arrays.k_reciprocal`) of the L2-normalised
    `features` (n, d) float32: 0 to 1, and exactly 1 where two samples share no neighbour, which nothing is stored for.
    `labels` (n,) integers using each of 0..K−1; `update` and ties as in `stages.merge.merge_stage`. Similarities are rounded
    to a grid on which their sums are exact, so that the order of the samples and the array library decide nothing.
    `memory_limit` in bytes (default: 0.8 of what is available). `progress(done, total)` counts the samples whose
    neighbours this process finds, those it compares, and the merges. Processes given the same arguments share the
    samples through `processes`, which changes no result; each then has all similarities and makes all merges.

    Raises UsageError for an option out of range, for the criterion `buc`, which reads no dispersion, and for `camid`, which
    is no part of this distance; DbcError for
    features or labels that do not fit each other, NaN or infinity, fewer than m + 1 clusters, or too little memory.
    """
    if criterion != "dbc":
        raise UsageError(f"--criterion: found {criterion} with --metric jaccard, wanted dbc; leave one of them out")
    if camid is not None:
        raise UsageError(
            "--camera: found penalty with --metric jaccard, wanted sqeuclidean, euclidean or cosine; leave one of them out"
        )
    require_options(lambda_, n_merges, update=update, intra_normalizer=intra_normalizer)
    require_matrix(features)
    require_finite(features)
    labels = parse_labels(to_host(labels), n_samples=features.shape[0])
    require_clusters(int(labels.max()) + 1, n_merges)
    processes = processes or OneProcess()
    advance = _advance(progress, total=2 * len(own_samples(features.shape[0], processes)) + n_merges)
    limit = limit_of(memory_limit, features)
    sums = similarity_sums(
        _similarities_within(limit, features, k1=k1, k2=k2, processes=processes, report=advance), labels
    )
    counts = np.bincount(labels).astype(np.float64)
    dispersion = DispersionCriterion(lambda_, intra_normalizer)
    if update == "exact":
        return merge_one_by_one(sums, labels, n_merges, criterion=dispersion, report=advance)
    penalties = penalties_of(sums.diagonal(), counts, dispersion)
    weights = weights_of(penalties, dispersion)
    merges = _walk(sums, counts, weights, n_merges=n_merges, update=update)
    advance(n_merges)
    inter, distance = pair_numbers(sums, counts, weights, merges)
    return StageMerges(
        labels=labels_after(labels, merges),
        merges=merges,
        criterion=distance,
        inter=inter,
        intra=penalties[merges],
        sizes=counts[merges].astype(np.int64),
    )


def _advance(progress: Progress | None, *, total: int) -> Callable[[int], None]:
    """A callback told of steps done since, which tells `progress` of all so far."""
    done = 0

    def advance(n_steps: int) -> None:
        nonlocal done
        done += n_steps
        if progress is not None:
            progress(done, total)

    return advance


def _similarities_within(
    memory_limit: int, features: Array, *, k1: int, k2: int, processes: Processes, report: Callable[[int], object]
) -> sparse.csr_matrix:
    """`jaccard_similarities`; DbcError where `memory_limit` is too low.

    That is known before they are made if it would be whatever they are, else once they can be counted.
    """
    n_samples, dim = features.shape

    def require(n_similarities: int) -> None:
        n_bytes = jaccard_bytes(
            n_samples=n_samples, dim=dim, k1=k1, k2=k2, n_similarities=n_similarities, n_processes=processes.size
        )
        require_memory(n_bytes, memory_limit=memory_limit, what=f"comparing neighbours of {n_samples} samples")

    require(n_samples)
    similarities = jaccard_similarities(features, k1=k1, k2=k2, processes=processes, report=report)
    require(similarities.nnz)
    return similarities


def similarity_sums(similarity: sparse.csr_matrix, labels: Int64Array) -> sparse.csr_matrix:
    """Sums of `similarity` over the pairs of members of every two clusters of `labels`, (K, K) sparse, sorted."""
    n_samples = len(labels)
    member = sparse.csr_matrix((np.ones(n_samples), (labels, np.arange(n_samples))))
    sums = sparse.csr_matrix(member @ similarity @ member.T)
    sums.sort_indices()
    return sums


def _walk(
    sums: sparse.csr_matrix,
    counts: NDArray[np.float64],
    weights: NDArray[np.float64],
    *,
    n_merges: int,
    update: Update,
) -> Int64Array:
    """The merges (m, 2) of pairs in ascending (D, a, b), D computed once, by the rule of `update`: stale or union."""
    ranked = heapq.merge(stored_pairs(sums, counts, weights), distant_pairs(sums, weights))
    parent = np.arange(len(counts))
    merges: list[tuple[int, int]] = []
    for _, a, b in ranked:
        if update == "union":
            first, second = sorted((root_of(parent, a), root_of(parent, b)))
        else:
            first, second = (a, b) if parent[a] == a and parent[b] == b else (a, a)
        if first != second:
            parent[second] = first
            merges.append((a, b))
            if len(merges) == n_merges:
                break
    return np.array(merges, dtype=np.int64)
