"""One merge stage under the k-reciprocal Jaccard distance, from sparse similarities: no n×n or K×K matrix."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from schemas.choices import PUBLISHED_K1, PUBLISHED_K2, IntraNormalizer, Update
from stages.arrays.backend import binder_of
from stages.arrays.device_memory import limited_pool
from stages.arrays.finite import require_finite
from stages.arrays.memory_limit import limit_of, require_memory
from stages.arrays.neighbours import block_bytes_of
from stages.arrays.unit_rows import as_unit_rows
from stages.merge.beginning import beginning_of
from stages.merge.checks import require_counts, require_together
from stages.merge.clusters import labels_after
from stages.merge.jaccard.exact import merge_one_by_one
from stages.merge.jaccard.pairs import distant_pairs, penalties_of, stored_pairs, weighted_distance, weights_of
from stages.merge.jaccard.similarities import jaccard_similarities, own_samples
from stages.merge.memory_model import jaccard_bytes
from stages.merge.merge_stage import Progress
from stages.merge.result import StageMerges
from stages.merge.selection.criteria.dispersion import DispersionCriterion
from stages.merge.selection.links import PairConstraints
from stages.merge.selection.walks import accepted, merges_array
from stages.processes import OneProcess, Processes
from stages.typing import Array, Int64Array


def jaccard_merge_stage(
    features: Array,
    labels: NDArray[Any],
    n_merges: int,
    *,
    lambda_: float | None = None,
    update: Update | None = None,
    intra_normalizer: IntraNormalizer | None = None,
    criterion: str = "dbc",
    k1: int = PUBLISHED_K1,
    k2: int = PUBLISHED_K2,
    memory_limit: int | None = None,
    progress: Progress | None = None,
    processes: Processes | None = None,
    camid: NDArray[Any] | None = None,
    constraints: PairConstraints | None = None,
) -> StageMerges:
    """Merge the pairs of clusters that rank first by D_ab = d_ab + λ (d_a + d_b) of Jaccard distances, one stage of them.

    The distance of two samples compares their k-reciprocal neighbours (Zhong et al., CVPR 2017): 0 to 1, and exactly 1 if
    they share none, for which nothing is stored. Similarities are rounded to a grid on which their sums are exact, so the
    order of the samples and the array library change nothing.

    Parameters
    ----------
    features : array (n, d) of a real dtype
        L2-normalised, which is checked, of NumPy, CuPy or another array-API library.
    labels : integer array (n,)
        The clusters that the stage starts from; each of 0..K−1 is used.
    n_merges : int
        m, how many merges to make: 1 to K − 1.
    lambda_ : float, optional
        λ ≥ 0, the weight of the penalties; by default 0.1.
    update : {'stale', 'union', 'exact'}, optional
        As in `merge_stage`, with the same ties.
    intra_normalizer : {'n', 'n2'}, optional
        As in `merge_stage`.
    criterion : {'dbc'}
        No other works on this distance.
    k1, k2 : int
        How many neighbours are compared, and how many encodings averaged; each at least 1.
    memory_limit : int, optional
        In bytes; by default 0.8 of what is available.
    progress : callable, optional
        Called with (done, total): samples whose neighbours this process finds, samples it compares, and merges.
    processes : Processes, optional
        Processes that were given the same arguments and share the samples, which changes no result.
    camid : None
        This distance has no penalty for cameras.
    constraints : PairConstraints, optional
        As in `merge_stage`.

    Returns
    -------
    StageMerges
        The new labels, and each merge with its D.

    Raises
    ------
    UsageError
        An option is out of range, or is not for this distance.
    DbcError
        Features and labels do not fit each other, features are not of length 1 or hold NaN or infinity, there are fewer
        than m + 1 clusters, or they need more memory than the limit.

    Examples
    --------
    >>> import numpy as np
    >>> features = np.repeat(np.eye(3, dtype=np.float32), 2, axis=0)
    >>> stage = jaccard_merge_stage(features, np.arange(6), n_merges=3, update="exact", k1=1, k2=1)
    >>> stage.labels.tolist()
    [0, 0, 1, 1, 2, 2]
    """
    require_together(metric="jaccard", criterion=criterion, **({} if camid is None else {"camera": "penalty"}))
    require_counts(k1=k1, k2=k2, memory_limit=memory_limit)
    start = beginning_of(
        features,
        labels,
        n_merges,
        criterion=criterion,
        lambda_=lambda_,
        update=update,
        intra_normalizer=intra_normalizer,
        constraints=constraints,
    )
    require_finite(features)
    features = as_unit_rows(features)
    update, joined, nodes, links = start.update, start.joined, start.nodes, start.links
    processes = processes or OneProcess()
    advance = _advance(progress, total=2 * len(own_samples(features.shape[0], processes)) + n_merges)
    limit = limit_of(memory_limit, features)
    binder_of(features)()
    with limited_pool(features, limit):
        similarities = _similarities_within(limit, features, k1=k1, k2=k2, processes=processes, report=advance)
    dispersion = DispersionCriterion(start.lambda_, start.intra_normalizer)
    first = None
    if len(joined.merges):
        first = _ranked_once(
            _Ranking(similarities, start.labels, dispersion), joined.merges, start.labels, joined.merges
        )
    n_left = n_merges - len(joined.merges)
    if n_left <= 0 and first is not None:
        return first
    ranking = _Ranking(similarities, nodes, dispersion)
    if update == "exact":
        found = merge_one_by_one(ranking.sums, nodes, n_left, criterion=dispersion, report=advance, links=links)
    else:
        individual = np.arange(len(ranking.counts)) if links is None else links.individual
        pairs = accepted(ranking.pairs(), np.arange(len(individual)), update=update, links=links)
        merges = merges_array(list(islice(pairs, n_left)))
        found = _ranked_once(ranking, merges, individual[nodes], np.sort(individual[merges], axis=1))
        advance(n_left)
    return found if first is None else first.then(found, joined.names)


class _Ranking:
    """What ranks pairs of the clusters `labels` (n,): `sums` of similarities (K, K) sorted, sizes, penalties, weights."""

    def __init__(self, similarities: sparse.csr_matrix, labels: Int64Array, criterion: DispersionCriterion) -> None:
        n_samples = len(labels)
        member = sparse.csr_matrix((np.ones(n_samples), (labels, np.arange(n_samples))))
        self.sums = sparse.csr_matrix(member @ similarities @ member.T)
        self.sums.sort_indices()
        self.counts = np.bincount(labels).astype(np.float64)
        self.penalties = penalties_of(self.sums.diagonal(), self.counts, criterion)
        self.weights = weights_of(self.penalties, criterion)

    def pairs(self) -> Iterator[tuple[int, int]]:
        """All pairs (a, b), by ascending D."""
        starts, columns = self.sums.indptr, self.sums.indices.astype(np.int64)
        everyone = np.arange(len(self.weights))
        distant = distant_pairs(everyone, self.weights, lambda a: columns[starts[a] : starts[a + 1]])
        ranked = heapq.merge(stored_pairs(self.sums, self.counts, self.weights), distant)
        return ((a, b) for _, a, b in ranked)


def _ranked_once(ranking: _Ranking, nodes: Int64Array, labels: Int64Array, merges: Int64Array) -> StageMerges:
    """`merges` (m, 2) of `labels` (n,), with the numbers that `ranking` has for its clusters `nodes` (m, 2)."""
    first, second = nodes.T
    shared = np.asarray(ranking.sums[first, second]).ravel()
    inter = 1 - shared / (ranking.counts[first] * ranking.counts[second])
    return StageMerges(
        labels=labels_after(labels, merges),
        merges=merges,
        distance=weighted_distance(inter, ranking.weights[first], ranking.weights[second]),
        inter=inter,
        intra=ranking.penalties[nodes],
        sizes=ranking.counts[nodes].astype(np.int64),
    )


def _advance(progress: Progress | None, *, total: int) -> Callable[[int], None]:
    """A callback for the number of steps just done, which calls `progress` with all steps so far."""
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
    """`jaccard_similarities`; raises MemoryLimitError if `memory_limit` is too low.

    The check is made before, for the fewest similarities there can be, and again when they can be counted.
    """
    n_samples, dim = features.shape

    def require(n_similarities: int) -> None:
        n_bytes = jaccard_bytes(
            n_samples=n_samples,
            dim=dim,
            k1=k1,
            k2=k2,
            n_similarities=n_similarities,
            n_processes=processes.size,
            block_bytes=block_bytes_of(features),
        )
        require_memory(n_bytes, memory_limit=memory_limit, what=f"comparing neighbours of {n_samples} samples")

    require(n_samples)
    similarities = jaccard_similarities(features, k1=k1, k2=k2, processes=processes, report=report)
    require(similarities.nnz)
    return similarities
