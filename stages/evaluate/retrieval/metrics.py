"""CMC, average precision and inverse negative penalty of a gallery ranked for every query."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from array_api_compat import array_namespace, is_numpy_array

from schemas.choices import AveragePrecision
from stages.arrays.backend import n_cores
from stages.arrays.checks import require_integers, require_matrix
from stages.arrays.unit_rows import as_unit_rows
from stages.errors import DbcError, UsageError
from stages.evaluate.retrieval.pairs import PidPairs, pid_pair_blocks
from stages.evaluate.retrieval.ranking import match_ranks
from stages.evaluate.retrieval.reranking import Reranking, encode, reranked, reranking_block
from stages.samples import GALLERY, QUERY
from stages.typing import Array, BoolArray, Float64Array, Int32Array, Int64Array, UInt8Array

N_RANKS = 50
"""The length of the CMC curve."""

QUERY_BLOCK = 1024
GALLERY_TILE = 16384
"""Similarities are held for one block of queries × one tile of the gallery, 64 MiB a thread, whatever their numbers."""

COMPILED_PAYS = 2**24
"""Similarities above which compiled loops repay the time that loading them takes."""

LEFT_OUT_QUERIES = 4096
"""Of more samples, so many are drawn as queries of `leave_one_out`: a share of them is right to 0.016, 19 times in 20."""


@dataclass(frozen=True)
class RetrievalOptions:
    """How retrieval is measured; all but the first two change speed and no metric.

    `average_precision`: `standard` is the mean of the precision at each match; `trapezoid` is the area under the
    precision–recall polyline, the mean of the precision at and just before each match, as published with the data set.
    With `reranking`, the gallery is ordered by that distance among query and the whole gallery, junk too. `query_block` and
    `gallery_tile` bound the memory. `compiled` says whether NumPy arrays go through compiled loops; by default if the work
    outweighs loading them.
    """

    average_precision: AveragePrecision = "standard"
    reranking: Reranking | None = None
    query_block: int = QUERY_BLOCK
    gallery_tile: int = GALLERY_TILE
    compiled: bool | None = None


DEFAULT_OPTIONS = RetrievalOptions()


@dataclass(frozen=True)
class RetrievalMetrics:
    """Metrics of one evaluation; fractions, not percentages.

    `cmc` (50, float64): share of the valid queries with a match among the first k, k = 1..50; NaN if no query is valid.
    For each query, in order: `average_precision` and `inverse_negative_penalty` (n_q, float64; NaN if it is left out),
    and `first_hit` (n_q, int64), the rank of its first match, from 1 (0 if it is left out, −1 if it was not asked).
    """

    cmc: Float64Array
    average_precision: Float64Array
    first_hit: Int64Array
    inverse_negative_penalty: Float64Array

    @property
    def n_queries(self) -> int:
        """All queries, left out or not."""
        return int(np.count_nonzero(self.first_hit >= 0))

    @property
    def n_valid(self) -> int:
        """Queries with an identity and at least one match."""
        return int(np.count_nonzero(self.first_hit > 0))

    @property
    def n_left_out(self) -> int:
        """Queries that are not valid."""
        return self.n_queries - self.n_valid

    def rank(self, k: int) -> float:
        """Share of the valid queries with a match among the first `k`, 1 to 50; UsageError for another."""
        if k not in range(1, N_RANKS + 1):
            raise UsageError(f"`k` must be a whole number from 1 to {N_RANKS}, got {k!r}")
        return float(self.cmc[int(k) - 1])

    @property
    def mAP(self) -> float:  # noqa: N802
        """Mean average precision over the valid queries; NaN if there are none."""
        return self._mean_of_valid(self.average_precision)

    @property
    def mINP(self) -> float:  # noqa: N802
        """Mean inverse negative penalty over the valid queries; NaN if there are none."""
        return self._mean_of_valid(self.inverse_negative_penalty)

    def _mean_of_valid(self, values: Float64Array) -> float:
        valid = self.first_hit > 0
        return float(values[valid].mean()) if valid.any() else float("nan")


def evaluate_retrieval(
    query: Array,
    gallery: Array,
    *,
    query_pid: Int32Array,
    gallery_pid: Int32Array,
    query_camid: Int32Array,
    gallery_camid: Int32Array,
    encounters: tuple[Int32Array, Int32Array] | None = None,
    itself: Int64Array | None = None,
    options: RetrievalOptions = DEFAULT_OPTIONS,
) -> RetrievalMetrics:
    """Metrics of the single-query protocol of Market-1501 (Zheng et al., ICCV 2015).

    The gallery is ranked by descending inner product, ties by gallery index. A query ignores the entries of its own pid
    and its own, known camid or encounter; all ignore those of pid −1 (junk) and −2 (unknown). Entries of pid 0
    (distractors) are negatives for all. A query of pid 0 or less, or without a match, is left out. Inverse negative
    penalty: matches over the rank of the last (Ye et al., TPAMI 2021).

    Parameters
    ----------
    query, gallery
        L2-normalised float32 features, (n_q, d) and (n_g, d), of one array library; zero rows are allowed.
    query_pid, gallery_pid, query_camid, gallery_camid
        Identities and cameras, (n_q) and (n_g) int32, on the host.
    encounters
        The sightings or bursts that queries and gallery are of, (n_q) and (n_g) int32; None if none is known.
    itself
        Where each query is in the gallery, (n_q) int64, to be ignored there; None if no query is.
    options
        How they are ranked and averaged.

    Raises
    ------
    DbcError
        If features are no matrices or not normalised, ids no integers, or lengths or dimensions disagree.

    Examples
    --------
    >>> features = np.eye(3, dtype=np.float32)
    >>> ids = {"query_pid": np.array([2]), "gallery_pid": np.array([1, 2, 0])}
    >>> ids |= {"query_camid": np.array([0]), "gallery_camid": np.array([1, 1, 1])}
    >>> evaluate_retrieval(features[1:2], features, **ids).mAP
    1.0
    """
    require_integers(query_pid=query_pid, gallery_pid=gallery_pid, query_camid=query_camid, gallery_camid=gallery_camid)
    query = _checked("query", query, query_pid, query_camid)
    gallery = _checked("gallery", gallery, gallery_pid, gallery_camid)
    if query.shape[1] != gallery.shape[1]:
        raise DbcError(
            f"query and gallery features must have as many dimensions, got {query.shape[1]} and {gallery.shape[1]}; take "
            "those of one model"
        )
    _check_encounters(encounters, len(query_pid), len(gallery_pid))
    n_query, n_gallery = query.shape[0], gallery.shape[0]
    kept = np.flatnonzero(gallery_pid >= 0)
    encoded = None
    if options.reranking is not None:
        encoded = encode(query, gallery, options.reranking, itself=itself).ranked_among(kept)
    if len(kept) < n_gallery:
        # a query of no identity, which is not among those kept, has no pairs
        itself = None if itself is None else np.searchsorted(kept, itself)
        gallery, gallery_pid, gallery_camid = _rows(gallery, kept), gallery_pid[kept], gallery_camid[kept]
        encounters = encounters and (encounters[0], encounters[1][kept])
    query_block, compiled = options.query_block, options.compiled
    if compiled is None:
        compiled = is_numpy_array(query) and n_query * len(kept) > COMPILED_PAYS
    if encoded is not None:
        query_block, compiled = min(query_block, reranking_block(len(kept))), False
    query_block = _even_block(n_query, query_block, n_parts=n_cores() if compiled else 1)
    ids = (query_pid, gallery_pid, query_camid, gallery_camid)
    blocks = pid_pair_blocks(*ids, query_block=query_block, encounters=encounters, itself=itself)
    metrics = _no_metrics(n_query)
    ranked = (
        _ranked(query, gallery, blocks, options.gallery_tile, compiled=compiled)
        if encoded is None
        else reranked(encoded, blocks)
    )
    for pairs, rank in ranked:
        _fill(metrics, pairs.queries[pairs.row[pairs.is_match]], rank, options.average_precision)
    valid = metrics.first_hit > 0
    if valid.any():
        metrics.cmc[:] = (metrics.first_hit[valid] <= np.arange(1, N_RANKS + 1)[:, None]).mean(axis=1)
    return metrics


def retrieval_of(
    queries: Array,
    entries: Array,
    *,
    split: UInt8Array,
    pid: Int32Array,
    camid: Int32Array,
    encounter: Int32Array | None = None,
    options: RetrievalOptions = DEFAULT_OPTIONS,
) -> RetrievalMetrics:
    """`evaluate_retrieval` of the features of `queries` (n_q, d) and of the gallery's `entries` (n_g, d), in dataset order.

    `split`, `pid`, `camid` and, if known, `encounter` are those of all samples (n_samples).
    """
    query, gallery = split == QUERY, split == GALLERY
    return evaluate_retrieval(
        queries,
        entries,
        query_pid=pid[query],
        gallery_pid=pid[gallery],
        query_camid=camid[query],
        gallery_camid=camid[gallery],
        encounters=None if encounter is None else (encounter[query], encounter[gallery]),
        options=options,
    )


def leave_one_out(
    features: Array,
    *,
    is_query: BoolArray,
    pid: Int32Array,
    camid: Int32Array,
    encounter: Int32Array | None = None,
    seed: int = 0,
    options: RetrievalOptions = DEFAULT_OPTIONS,
) -> RetrievalMetrics:
    """`evaluate_retrieval` of samples with `features` (n, d), each that `is_query` (n, bool) against all others.

    Queries are those of a positive pid; of more than `LEFT_OUT_QUERIES`, so many are drawn by `seed`. `pid`, `camid` and, if
    known, `encounter` are (n) int32. Figures of each query are by sample.
    """
    queries = np.flatnonzero(is_query & (pid > 0))
    if len(queries) > LEFT_OUT_QUERIES:
        drawn = np.random.default_rng(seed).choice(len(queries), LEFT_OUT_QUERIES, replace=False)
        queries = queries[np.sort(drawn)]
    found = evaluate_retrieval(
        _rows(features, queries),
        features,
        query_pid=pid[queries],
        gallery_pid=pid,
        query_camid=camid[queries],
        gallery_camid=camid,
        encounters=None if encounter is None else (encounter[queries], encounter),
        itself=queries,
        options=options,
    )
    of_all = _no_metrics(len(pid))
    of_all.first_hit[:] = -1
    for field in fields(found):
        of_found: Array = getattr(found, field.name)
        getattr(of_all, field.name)[... if field.name == "cmc" else queries] = of_found
    return of_all


def _ranked(
    query: Array, gallery: Array, blocks: Iterator[PidPairs], gallery_tile: int, *, compiled: bool
) -> Iterator[tuple[PidPairs, Int64Array]]:
    """Each block of pairs with the ranks of its matches."""
    if compiled:
        from stages.evaluate.retrieval.compiled_ranking import compiled_match_ranks

        host = np.asarray(query), np.asarray(gallery)
        yield from compiled_match_ranks(*host, blocks, gallery_tile=gallery_tile)
        return
    for pairs in blocks:
        yield pairs, match_ranks(_rows(query, pairs.queries), gallery, pairs, gallery_tile=gallery_tile)


def _even_block(n_queries: int, query_block: int, *, n_parts: int) -> int:
    """At most `query_block`, such that blocks are a multiple of `n_parts` and none is much smaller than the others."""
    rounds = max(1, -(-n_queries // (query_block * n_parts)))
    return max(1, min(query_block, -(-n_queries // (rounds * n_parts))))


def _rows(features: Array, index: Int64Array) -> Array:
    """The rows `index` of `features`, on their device."""
    xp: Any = array_namespace(features)
    return xp.take(features, xp.asarray(index, device=features.device), axis=0)


def _no_metrics(n_queries: int) -> RetrievalMetrics:
    """Metrics in which every query is left out."""
    return RetrievalMetrics(
        cmc=np.full(N_RANKS, np.nan),
        average_precision=np.full(n_queries, np.nan),
        first_hit=np.zeros(n_queries, dtype=np.int64),
        inverse_negative_penalty=np.full(n_queries, np.nan),
    )


def _fill(metrics: RetrievalMetrics, query: Int64Array, rank: Int64Array, average_precision: AveragePrecision) -> None:
    """Set the metrics of the queries whose matches, query by query, have these ranks (n_matches, int64, from 1)."""
    order = np.lexsort((rank, query))
    query, rank = query[order], rank[order]
    queries, first, n_matches = np.unique(query, return_index=True, return_counts=True)
    nth = np.arange(len(rank)) - np.repeat(first, n_matches) + 1
    precision = nth / rank
    if average_precision == "trapezoid":
        precision = (_precision_before(nth, rank) + precision) / 2
    last = first + n_matches - 1
    metrics.first_hit[queries] = rank[first]
    metrics.inverse_negative_penalty[queries] = n_matches / rank[last]
    if len(queries):
        metrics.average_precision[queries] = np.add.reduceat(precision, first) / n_matches


def _precision_before(nth: Int64Array, rank: Int64Array) -> Float64Array:
    """Precision just before the `nth` match at `rank`; 1 before the first entry, as the published code has it."""
    return np.divide(nth - 1, rank - 1, out=np.ones(len(rank)), where=rank > 1)


def _checked(name: str, features: Array, pid: Int32Array, camid: Int32Array) -> Array:
    """`as_unit_rows` of the features; DbcError if ids do not match them."""
    require_matrix(features, what=f"{name} features", may_be_empty=True)
    n_features = features.shape[0]
    if not n_features == len(pid) == len(camid):
        raise DbcError(
            f"{name} features, pids and camids must be equally many, got {n_features}, {len(pid)} and {len(camid)}; extract "
            "the features of this dataset again"
        )
    return as_unit_rows(features, what=f"{name} features")


def _check_encounters(encounters: tuple[Int32Array, Int32Array] | None, n_query: int, n_gallery: int) -> None:
    """Raise DbcError if `encounters` are not those of queries and gallery."""
    if encounters is not None and (len(encounters[0]), len(encounters[1])) != (n_query, n_gallery):
        raise DbcError(
            f"encounters must have {n_query} entries for queries and {n_gallery} for the gallery, got {len(encounters[0])} "
            f"and {len(encounters[1])}; extract the features of this dataset again"
        )
