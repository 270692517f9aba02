"""The matches of a query and the gallery entries it must ignore: the protocol's rules on pid, camid and encounter."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from stages.samples import UNKNOWN
from stages.typing import BoolArray, Int32Array, Int64Array

PAIR_LIMIT = 2**20
"""Pairs held at once; a query with more is a block alone."""


@dataclass(frozen=True)
class PidPairs:
    """A block of queries, ordered by pid, with every gallery entry of their pids.

    `queries` (n_block, int64) are indices into all queries. The pairs are flat, row by row: `row` (n_pairs, int64)
    indexes `queries`, `column` (int64, ascending in a row) the gallery; those of `is_match` (n_pairs, bool) are
    matches, the others ignored.
    """

    queries: Int64Array
    row: Int64Array
    column: Int64Array
    is_match: BoolArray


def pid_pair_blocks(
    query_pid: Int32Array,
    gallery_pid: Int32Array,
    query_camid: Int32Array,
    gallery_camid: Int32Array,
    *,
    query_block: int,
    encounters: tuple[Int32Array, Int32Array] | None = None,
    itself: Int64Array | None = None,
) -> Iterator[PidPairs]:
    """Blocks of at most `query_block` queries, together all queries whose positive pid the gallery has.

    Of the entries of a query's pid, those of its camera and its encounter, if known, and the query itself are ignored; the
    others are matches. `encounters` are those of queries and gallery, (n_q) and (n_g) int32; None if none is known. `itself`
    (n_q, int64) is where each query is in the gallery; None if none is.
    """
    by_pid = np.argsort(gallery_pid, kind="stable")
    pids = gallery_pid[by_pid]
    queries = np.flatnonzero(query_pid > 0)
    queries = queries[np.argsort(query_pid[queries], kind="stable")]
    start = np.searchsorted(pids, query_pid[queries], side="left")
    stop = np.searchsorted(pids, query_pid[queries], side="right")
    found = stop > start
    queries, start, stop = queries[found], start[found], stop[found]
    for block in _slices(stop - start, query_block):
        q, length = queries[block], (stop - start)[block]
        first = np.flatnonzero(np.diff(start[block], prepend=-1))
        columns = [by_pid[a:b] for a, b in zip(start[block][first], stop[block][first], strict=True)]
        row = np.repeat(np.arange(len(q)), length)
        repeats = np.diff(np.append(first, len(q)))
        column = np.concatenate([np.tile(c, n) for c, n in zip(columns, repeats, strict=True)])
        camids = query_camid[q][row], gallery_camid[column]
        seen = None if encounters is None else (encounters[0][q][row], encounters[1][column])
        ignored = seen_at_once(camids, seen)
        if itself is not None:
            ignored |= itself[q][row] == column
        yield PidPairs(q, row, column, ~ignored)


def seen_at_once(camids: tuple[Int32Array, Int32Array], encounters: tuple[Int32Array, Int32Array] | None) -> BoolArray:
    """Whether queries and entries of their pid (n_pairs,) share a known camera or encounter: then they do not count."""
    both = (camids,) if encounters is None else (camids, encounters)
    shared: BoolArray = np.any([(query == gallery) & (gallery != UNKNOWN) for query, gallery in both], axis=0)
    return shared


def _slices(n_pairs: Int64Array, query_block: int) -> Iterator[slice]:
    """Consecutive slices of at most `query_block` queries and `PAIR_LIMIT` pairs, or of one query with more pairs."""
    total = np.cumsum(n_pairs)
    start = 0
    while start < len(n_pairs):
        done = total[start] - n_pairs[start]
        fitting = int(np.searchsorted(total, done + PAIR_LIMIT, side="right"))
        stop = max(start + 1, min(start + query_block, fitting))
        yield slice(start, stop)
        start = stop
