"""The exact rank of every match of a query, by counting the entries ahead of it, in any array library.

A float32 product of everything comes first; only matches and the few pairs in doubt are computed exactly, by the
similarity without rounding of `stages.arrays.similarity`, so ranks depend on no block size, thread count, library or
machine.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from array_api_compat import array_namespace

from stages.arrays.backend import to_host
from stages.arrays.neighbours import DENSE_SHARE
from stages.arrays.similarity import exact_similarity, exact_similarity_of_pairs, screen_margin
from stages.evaluate.retrieval.pairs import PidPairs
from stages.typing import Array, Float32Array, Float64Array, Int64Array

COMPARED_BYTES = 2**26
"""Bytes of similarities compared with thresholds at once."""


@dataclass(frozen=True)
class _Matches:
    """Matches of a block in one tile of the gallery, on the host.

    `row` (n_matches, int64, ascending) indexes the block's queries; `column` (int64) counts from the tile's start and
    may lie outside the tile; `similarity` (float64) is exact.
    """

    row: Int64Array
    column: Int64Array
    similarity: Float64Array


def match_ranks(query: Array, gallery: Array, pairs: PidPairs, *, gallery_tile: int) -> Int64Array:
    """Ranks (n_matches, int64, from 1) of the matches of `pairs` among the entries their query does not ignore.

    Entries are ordered by descending similarity, then by gallery index, as a stable sort of distances orders them.
    `query` (n_block, d) are the features of `pairs.queries`, `gallery` (n_g, d), both L2-normalised float32 of one
    array library. Holds n_block × `gallery_tile` similarities at once, and a mask of them.
    """
    xp: Any = array_namespace(query)
    row, column = pairs.row[pairs.is_match], pairs.column[pairs.is_match]
    ignored_row, ignored_column = pairs.row[~pairs.is_match], pairs.column[~pairs.is_match]
    places = (xp.asarray(index, device=query.device) for index in (row, column))
    similarity = to_host(exact_similarity_of_pairs(query, gallery, *places))
    rank = np.ones(len(row), dtype=np.int64)
    for start in range(0, gallery.shape[0], gallery_tile):
        tile = gallery[start : min(start + gallery_tile, gallery.shape[0]), :]
        inside = (ignored_column >= start) & (ignored_column < start + tile.shape[0])
        hidden = np.zeros((query.shape[0], tile.shape[0]), dtype=bool)
        hidden[ignored_row[inside], ignored_column[inside] - start] = True
        lowest = xp.asarray(-xp.inf, dtype=query.dtype, device=query.device)
        screen = xp.where(xp.asarray(hidden, device=query.device), lowest, query @ tile.T)
        rank += _count_ahead(query, tile, screen, _Matches(row, column - start, similarity))
    return rank


def _count_ahead(query: Array, tile: Array, screen: Array, matches: _Matches) -> Int64Array:
    """How many entries of the tile are ahead of each match (n_matches, int64), given the float32 product `screen`."""
    xp: Any = array_namespace(query)
    width = screen.shape[1]
    inside = np.flatnonzero((matches.column >= 0) & (matches.column < width))
    flat = xp.asarray(matches.row[inside] * width + matches.column[inside], device=query.device)
    screened = to_host(xp.take(xp.reshape(screen, (-1,)), flat))
    error = np.abs(screened - matches.similarity[inside])
    threshold = matches.similarity.astype(np.float32)
    margin = screen_margin(error, query.shape[1])
    ahead = np.zeros(len(matches.row), dtype=np.int64)
    step = max(1, COMPARED_BYTES // (4 * max(width, 1)))
    exact = _ExactTile(query, tile)
    for first in range(0, len(ahead), step):
        some = slice(first, first + step)
        part = _Matches(matches.row[some], matches.column[some], matches.similarity[some])
        ahead[some] = _count_part(exact, screen, part, threshold[some] - margin, threshold[some] + margin)
    return ahead


def _count_part(
    exact: _ExactTile, screen: Array, matches: _Matches, low: Float32Array, high: Float32Array
) -> Int64Array:
    """How many entries are ahead of a few matches. Those above `high` are; those from `low` to `high` are compared exactly."""
    xp: Any = array_namespace(screen)
    here = {"device": screen.device}
    values = xp.take(screen, xp.asarray(matches.row, **here), axis=0)
    above = values > xp.asarray(high, **here)[:, None]
    ahead = to_host(xp.sum(xp.astype(above, xp.int64), axis=1))
    near = (values >= xp.asarray(low, **here)[:, None]) & ~above
    match, column = (to_host(index) for index in xp.nonzero(near))
    other = column != matches.column[match]
    match, column = match[other], column[other]
    similarity, own = exact.of(matches.row[match], column), matches.similarity[match]
    first = (similarity > own) | ((similarity == own) & (column < matches.column[match]))
    return np.asarray(ahead + np.bincount(match[first], minlength=len(ahead)))


class _ExactTile:
    """Exact similarities of a block of queries with a tile of the gallery, computed on demand."""

    def __init__(self, query: Array, tile: Array) -> None:
        self._query, self._tile = query, tile
        self._whole: Float64Array | None = None

    def of(self, row: Int64Array, column: Int64Array) -> Float64Array:
        """The exact similarities of the pairs (`row`, `column`), on the host."""
        if self._whole is None and len(row) > DENSE_SHARE * self._query.shape[0] * self._tile.shape[0]:
            self._whole = to_host(exact_similarity(self._query, self._tile))
        if self._whole is not None:
            return self._whole[row, column]
        xp: Any = array_namespace(self._query)
        places = (xp.asarray(index, device=self._query.device) for index in (row, column))
        return to_host(exact_similarity_of_pairs(self._query, self._tile, *places))
