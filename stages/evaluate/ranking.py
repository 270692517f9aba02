"""The exact rank of every match of a query, by counting what lies ahead of it.

Similarity is *defined* here so that it has no rounding: features are rounded to multiples of 2⁻²⁶ (about the
precision that float32 leaves them), so every product and every partial sum of an inner product of unit vectors is a
whole multiple of 2⁻⁵² below 2, which float64 holds exactly whatever the order of summation. Equal images
therefore tie exactly, and ranks depend on no block size, thread count, BLAS or machine. A float32 product of the
whole comes first; only matches and the few pairs that it leaves in doubt are computed exactly.
"""

from __future__ import annotations

import math
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from stages.evaluate.pairs import PidPairs
from stages.typing import BoolArray, Float32Array, Float64Array, Int64Array

QUANTUM = 2.0**-26
"""The step that features are rounded to before an exact inner product."""

COLUMN_CHUNK = 4096
"""Gallery entries of one identity made float64 at once."""

PAIR_CHUNK = 512
"""Pairs of feature vectors gathered at once."""

ROW_CHUNK = 64
"""Rows that one thread sorts in turn; NumPy's sort lets other threads run."""

DENSE_SHARE = 1 / 64
"""The share of a tile in doubt above which a float64 product of the whole tile is cheaper than gathered pairs."""


@dataclass(frozen=True)
class _Matches:
    """Matches of a block in one tile of the gallery.

    `row` (n_matches, int64, ascending) indexes the block's queries; `column` (int64) counts from the tile's start and
    may lie outside the tile; `similarity` (float64, units of `QUANTUM`²) is exact.
    """

    row: Int64Array
    column: Int64Array
    similarity: Float64Array

    def take(self, chosen: Int64Array) -> _Matches:
        return _Matches(self.row[chosen], self.column[chosen], self.similarity[chosen])


def match_ranks(query: Float32Array, gallery: Float32Array, pairs: PidPairs, *, gallery_tile: int) -> Int64Array:
    """Ranks (n_matches, int64, from 1) of the matches of `pairs` among the entries their query does not ignore.

    Entries are ordered by descending similarity, then by gallery index, as a stable sort of distances orders them.
    `query` (n_block, d) are the features of `pairs.queries`, `gallery` (n_g, d), both L2-normalised. Holds
    n_block × `gallery_tile` similarities at once.
    """
    row, column = pairs.row[pairs.is_match], pairs.column[pairs.is_match]
    ignored_row, ignored_column = pairs.row[~pairs.is_match], pairs.column[~pairs.is_match]
    similarity = _similarity_within_pids(query, gallery, pairs)[pairs.is_match]
    rank = np.ones(len(row), dtype=np.int64)
    for start in range(0, len(gallery), gallery_tile):
        tile = gallery[start : start + gallery_tile]
        screen = query @ tile.T
        ignored = (ignored_column >= start) & (ignored_column < start + len(tile))
        screen[ignored_row[ignored], ignored_column[ignored] - start] = -np.inf
        rank += _count_ahead(query, tile, screen, _Matches(row, column - start, similarity))
    return rank


def quantised(features: Float32Array) -> Float64Array:
    """`features` in whole multiples of `QUANTUM`, float64; float32 does it exactly as the step is a power of two."""
    steps: Float32Array = np.rint(features * np.float32(1 / QUANTUM))
    return steps.astype(np.float64)


def _similarity_within_pids(query: Float32Array, gallery: Float32Array, pairs: PidPairs) -> Float64Array:
    """Exact inner products (n_pairs, float64, units of `QUANTUM`²) of the pairs, one small product a pid and chunk."""
    parts = []
    for group, columns in enumerate(pairs.group_columns):
        rows = quantised(query[pairs.group_start[group] : pairs.group_start[group + 1]])
        product = np.empty((len(rows), len(columns)))
        for start in range(0, len(columns), COLUMN_CHUNK):
            chunk = slice(start, start + COLUMN_CHUNK)
            product[:, chunk] = rows @ quantised(gallery[columns[chunk]]).T
        parts.append(product.ravel())
    return np.concatenate(parts)


def _similarity_of_pairs(query: Float32Array, tile: Float32Array, row: Int64Array, column: Int64Array) -> Float64Array:
    """Exact inner products (n_pairs, float64, units of `QUANTUM`²) of any pairs (`row`, `column`)."""
    if len(row) > DENSE_SHARE * len(query) * len(tile):
        return np.asarray((quantised(query) @ quantised(tile).T)[row, column])
    similarity = np.empty(len(row))
    for start in range(0, len(row), PAIR_CHUNK):
        chunk = slice(start, start + PAIR_CHUNK)
        left, right = quantised(query[row[chunk]]), quantised(tile[column[chunk]])
        similarity[chunk] = np.einsum("ij,ij->i", left, right)
    return similarity


def _count_ahead(query: Float32Array, tile: Float32Array, screen: Float32Array, matches: _Matches) -> Int64Array:
    """How many entries of the tile lie ahead of each match (n_matches, int64), given the float32 product `screen`."""
    threshold = (matches.similarity * QUANTUM**2).astype(np.float32)
    inside = (matches.column >= 0) & (matches.column < len(tile))
    error = np.abs(screen[matches.row[inside], matches.column[inside]] - threshold[inside])
    margin = _screen_margin(error, query.shape[1])
    low, high = threshold - margin, threshold + margin
    ahead, near = _count_by_screen(screen, matches.row, low, high)
    doubtful = np.flatnonzero(near > inside)
    if len(doubtful):
        windows = low[doubtful], high[doubtful]
        ahead[doubtful] += _settle(query, tile, screen, matches.take(doubtful), windows)
    return ahead


def _screen_margin(error: Float32Array, dim: int) -> np.float32:
    """How far a float32 inner product of `dim` terms may lie from the exact one, given the `error` seen on matches.

    The larger of √d·u, u = 2⁻²⁴, and eight times the largest error seen. A sum of d products taken one after the
    other, its partial sums growing to 1 and each rounded independently to within u of itself, has a standard error of
    √d·u/3; libraries sum in blocks and come closer (2e-7 at most over 49,000 matches in 2048 dimensions, where the
    margin is 3e-6). The errors seen, thousands of them in any large evaluation, raise the margin for a product that is
    less precise than that. The added 2⁻²² is for rounding the exact value and the bounds to float32.
    """
    observed = 8 * float(error.max()) if len(error) else 0.0
    return np.float32(max(math.sqrt(dim) * 2.0**-24, observed) + 2.0**-22)


def _count_by_screen(
    screen: Float32Array, row: Int64Array, low: Float32Array, high: Float32Array
) -> tuple[Int64Array, Int64Array]:
    """How many entries of its row lie above each match's `high`, and how many from `low` to `high`.

    A row is sorted once and its matches are looked up. NumPy's sort is vectorised: for 15 matches and 15,913 entries it
    takes 50 µs where comparing the row with every bound takes 108 µs, and thousands of matches cost little more.
    """
    n_rows, width = screen.shape
    start = np.searchsorted(row, np.arange(n_rows + 1))
    below_low, up_to_high = np.empty_like(row), np.empty_like(row)

    def look_up(first: int) -> None:
        ordered = np.empty(width, dtype=screen.dtype)
        for r in range(first, min(first + ROW_CHUNK, n_rows)):
            own = slice(start[r], start[r + 1])
            ordered[:] = screen[r]
            ordered.sort()
            below_low[own] = ordered.searchsorted(low[own], side="left")
            up_to_high[own] = ordered.searchsorted(high[own], side="right")

    with ThreadPoolExecutor() as pool:
        list(pool.map(look_up, range(0, n_rows, ROW_CHUNK)))
    return width - up_to_high, up_to_high - below_low


def _settle(
    query: Float32Array,
    tile: Float32Array,
    screen: Float32Array,
    doubtful: _Matches,
    windows: tuple[Float32Array, Float32Array],
) -> Int64Array:
    """What the exact order adds to the count above each doubtful match's window (n_doubtful, int64).

    Candidates are the entries of a row within some doubtful match's window. Sorted by (−similarity, index), which
    NumPy's order of complex numbers does lexicographically, the place of a match is the number of candidates ahead
    of it; the candidates above its own window have been counted.
    """
    low, high = windows
    rows, first = np.unique(doubtful.row, return_index=True)
    groups = [slice(a, b) for a, b in pairwise([*first, len(doubtful.row)])]
    columns = [_within(screen[r], low[g], high[g]) for r, g in zip(rows, groups, strict=True)]
    end = np.cumsum([len(c) for c in columns])
    row, column = np.repeat(rows, np.diff(end, prepend=0)), np.concatenate(columns)
    key = -_similarity_of_pairs(query, tile, row, column) + 1j * column
    match_key = -doubtful.similarity + 1j * doubtful.column
    screened = screen[row, column]
    extra = np.empty_like(doubtful.row)
    for group, start, stop in zip(groups, [0, *end[:-1]], end, strict=True):
        place = np.searchsorted(np.sort(key[start:stop]), match_key[group], side="left")
        up_to_high = np.searchsorted(np.sort(screened[start:stop]), high[group], side="right")
        extra[group] = place - (stop - start - up_to_high)
    return extra


def _within(values: Float32Array, low: Float32Array, high: Float32Array) -> Int64Array:
    """Indices (ascending) of the `values` that lie in at least one of the equally wide windows [low, high]."""
    column = np.flatnonzero((values >= low.min()) & (values <= high.max()))
    low, high = np.sort(low), np.sort(high)
    window = np.searchsorted(low, values[column], side="right") - 1
    kept: BoolArray = values[column] <= high[window]
    return column[kept]
