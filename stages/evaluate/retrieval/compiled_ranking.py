"""Ranks of the matches of queries on the CPU: each thread multiplies its queries and counts in the product."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np

from stages.arrays.backend import n_cores, one_library_thread
from stages.arrays.chunked_product import chunked_product, n_roundings
from stages.arrays.compiled_similarity import similarity_of_pairs
from stages.arrays.row_blocks import Buffers
from stages.arrays.similarity import screen_margin
from stages.evaluate.retrieval.compiled_counting import count_ahead
from stages.evaluate.retrieval.pairs import PidPairs
from stages.typing import Float32Array, Int64Array


def compiled_match_ranks(
    query: Float32Array, gallery: Float32Array, blocks: Iterable[PidPairs], *, gallery_tile: int
) -> Iterator[tuple[PidPairs, Int64Array]]:
    """Each block with the ranks of its matches, as from `ranking.match_ranks`, in one thread a core.

    `query` (n_q, d) are the features of all queries. A thread holds a block's queries × `gallery_tile` similarities.
    """
    query, gallery = np.ascontiguousarray(query), np.ascontiguousarray(gallery)
    buffers, n_threads = Buffers(), n_cores()
    with one_library_thread(), ThreadPoolExecutor(n_threads) as executor:
        running = deque[tuple[PidPairs, Future[Int64Array]]]()
        for pairs in blocks:
            running.append((pairs, executor.submit(_ranks, query, gallery, pairs, gallery_tile, buffers)))
            if len(running) > n_threads:
                first, ranks = running.popleft()
                yield first, ranks.result()
        for pairs, ranks in running:
            yield pairs, ranks.result()


def _ranks(
    query: Float32Array, gallery: Float32Array, pairs: PidPairs, gallery_tile: int, buffers: Buffers
) -> Int64Array:
    query = query[pairs.queries]
    row, column = pairs.row[pairs.is_match], pairs.column[pairs.is_match]
    ignored_row, ignored_column = pairs.row[~pairs.is_match], pairs.column[~pairs.is_match]
    starts = np.searchsorted(row, np.arange(len(query) + 1))
    similarity = np.empty(len(row))
    similarity_of_pairs(query, gallery, row, column, similarity)
    order = np.lexsort((similarity, row))
    column, similarity = column[order], similarity[order]
    ahead = np.zeros(len(row), dtype=np.int64)
    for start in range(0, len(gallery), gallery_tile):
        tile = gallery[start : start + gallery_tile]
        screen = buffers.array((len(query), len(tile)), np.float32)
        chunked_product(query, tile, screen)
        ignored = (ignored_column >= start) & (ignored_column < start + len(tile))
        screen[ignored_row[ignored], ignored_column[ignored] - start] = -np.inf
        inside = (column >= start) & (column < start + len(tile))
        error = np.abs(screen[row[inside], column[inside] - start] - similarity[inside])
        margin = screen_margin(error, query.shape[1], n_roundings=n_roundings(query.shape[1]))
        count_ahead(screen, query, tile, starts, column - start, similarity, margin, ahead)
    rank = np.empty_like(ahead)
    rank[order] = ahead + 1
    return rank
