"""The pairs of clusters in ascending order of D, in blocks of any length, without K×K memory.

A block is found in one pass over tiles of the fast product. Pairs of a tile that a proven bound cannot exclude
(`ScreenedRows.near`) get their canonical D at once, and the first of them are kept (`FirstPairs`). A threshold, guessed
from a sample of rows and lowered whenever too many pairs are kept, says how large D may be. The block does not depend on
the guess, the product, the tile size, or which thread or process did a tile: it is every pair with a key above `after` and
up to the block's limit.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor
from dataclasses import dataclass
from functools import partial

import numpy as np

from stages.merge.selection.first_pairs import LOWEST, FirstPairs, Key, RankedPairs
from stages.merge.selection.links import Links
from stages.merge.selection.penalties import Penalties
from stages.merge.tables.table import ScreenedRows, StripScreen, Table
from stages.processes import Processes
from stages.typing import Float64Array, Int64Array

_WANTED_SAMPLED = 20
"""How many of the pairs wanted a sample should hold; the guess from them is then wrong by about a fifth."""
MOST_SAMPLED = 1024
"""The most rows in a sample, which are paired with as many others."""
SAMPLED_AT_ONCE = 512
_LEAST_SAMPLED = 8
_RANKED_BY_A_THREAD = 1 << 11
"""Pairs of a strip that a thread computes D of."""
_RANKED_AT_ONCE = 1 << 16
"""Pairs of a tile whose D is computed at once: all may pass, because screening leaves out what cameras add to D."""


@dataclass(frozen=True)
class Workers:
    """The threads and processes that share the tiles, and `progress(done, total)`, which counts pairs of clusters.

    `tile` is the edge of a tile, None for the fastest.
    """

    threads: Executor
    tile: int | None
    processes: Processes
    progress: Callable[[int, int], None]


@dataclass(frozen=True)
class Candidates:
    """Rows to be paired across clusters: rows `ids` (R,) of `table`, which belong to clusters `owner` (R,), ascending.

    `screened` are the rows prepared for the fast product. Pairs that `links` do not permit are no candidates.
    """

    table: Table
    ids: Int64Array
    owner: Int64Array
    penalties: Penalties
    screened: ScreenedRows | StripScreen
    links: Links | None

    def distance(self, rows: Int64Array, columns: Int64Array) -> Float64Array:
        """Canonical D (P,) of rows[i] with columns[i]."""
        inter = self.table.inter(self.ids[rows], self.ids[columns])
        return self.penalties.distance(inter, self.owner[rows], self.owner[columns])

    def estimates(self, rows: Int64Array, columns: Int64Array) -> Float64Array:
        """D of each of `rows` with `columns`, about, (r, c), infinity within one cluster."""
        estimates = self.screened.estimates(rows, columns)
        cameras = self.penalties.cameras
        if cameras is None:
            return estimates
        first, second = np.repeat(self.owner[rows], len(columns)), np.tile(self.owner[columns], len(rows))
        return estimates + cameras.between(first, second).reshape(estimates.shape)


def ranked_block(candidates: Candidates, *, after: Key, capacity: int, workers: Workers) -> RankedPairs:
    """All pairs with keys in (after, limit], `capacity` at most; the limit is (∞, …) if no pair is left above it."""
    found = FirstPairs(
        capacity, threshold=_guess(candidates, after=after, capacity=capacity, threads=workers.threads), after=after
    )
    share = slice(workers.processes.rank, None, workers.processes.size)
    screened = candidates.screened
    total, counts = (
        _by_tiles(candidates, screened, found, workers=workers, share=share)
        if isinstance(screened, ScreenedRows)
        else _by_strips(candidates, screened, found, workers=workers, share=share)
    )
    done = 0
    for n_pairs in counts:
        done += n_pairs
        workers.progress(done, total)
    return _gathered(found, workers.processes)


def _by_tiles(
    candidates: Candidates, screened: ScreenedRows, found: FirstPairs, *, workers: Workers, share: slice
) -> tuple[int, Iterable[int]]:
    """How many pairs the tiles of this `share` have, and those of one after the other once they were offered to `found`."""
    tiles = _tiles(len(candidates.owner), workers.tile or screened.tile)[share]

    def scan(tile: tuple[slice, slice]) -> int:
        rows, columns = screened.near(*tile, found.threshold)
        for start in range(0, len(rows), _RANKED_AT_ONCE):
            some = slice(start, start + _RANKED_AT_ONCE)
            _offer(candidates, found, rows, columns, some)
        return _n_pairs(tile)

    return sum(_n_pairs(tile) for tile in tiles), workers.threads.map(scan, tiles)


def _by_strips(
    candidates: Candidates, screened: StripScreen, found: FirstPairs, *, workers: Workers, share: slice
) -> tuple[int, Iterable[int]]:
    """As `_by_tiles`, strip by strip: one caller finds the pairs of a strip, and threads compute their D."""
    total, strips = screened.found(lambda: found.threshold, tile=workers.tile, share=share)

    def counts() -> Iterator[int]:
        for n_pairs, rows, columns in strips:
            starts = range(0, len(rows), _RANKED_BY_A_THREAD)
            parts = [slice(start, start + _RANKED_BY_A_THREAD) for start in starts]
            list(workers.threads.map(partial(_offer, candidates, found, rows, columns), parts))
            yield n_pairs

    return total, counts()


def _offer(candidates: Candidates, found: FirstPairs, rows: Int64Array, columns: Int64Array, some: slice) -> None:
    rows, columns = rows[some], columns[some]
    first, second = candidates.owner[rows], candidates.owner[columns]
    if candidates.links is not None:
        permitted = candidates.links.permits(first, second)
        rows, columns, first, second = (values[permitted] for values in (rows, columns, first, second))
    found.offer(candidates.distance(rows, columns), first, second)


def _guess(candidates: Candidates, *, after: Key, capacity: int, threads: Executor) -> float:
    """A D that about `capacity` pairs above `after` stay below: a quantile over a sample of pairs.

    The sample pairs rows spread evenly with as many others between them.
    """
    n_rows = len(candidates.owner)
    n_pairs = max(1, n_rows * (n_rows - 1) // 2)
    most = 2 * min(MOST_SAMPLED, math.ceil(math.sqrt(_WANTED_SAMPLED * n_pairs / capacity)))
    sampled = np.unique(np.linspace(0, n_rows - 1, min(n_rows, most)).astype(np.int64))
    rows, columns = sampled[::2], sampled[1::2]
    step = min(SAMPLED_AT_ONCE, max(64, math.ceil(len(rows) / 2)))
    n_sampled = len(rows) * len(columns)
    wanted = max(_LEAST_SAMPLED, math.ceil(n_sampled * capacity / n_pairs))

    def smallest(first: int) -> Float64Array:
        values = candidates.estimates(rows[first : first + step], columns).ravel()
        values = values[values > after[0]] if after[0] > -math.inf else values
        return np.partition(values, wanted)[: wanted + 1] if wanted < values.size else values

    if not n_sampled:
        return math.inf
    values = np.concatenate(list(threads.map(smallest, range(0, len(rows), step))))
    return float(np.partition(values, wanted)[wanted]) if wanted < values.size else math.inf


def _gathered(found: FirstPairs, processes: Processes) -> RankedPairs:
    """The block common to all processes: all their pairs, up to the smallest of their limits."""
    own = found.ranked()
    if processes.size == 1:
        return own
    limits = processes.all_gather(np.array([own.limit], dtype=np.float64))
    limit = min((float(d), int(min(a, 2**62)), int(min(b, 2**62))) for d, a, b in np.concatenate(limits))
    pairs = np.concatenate(
        processes.all_gather(np.stack([own.distance, own.first, own.second], axis=1, dtype=np.float64))
    )
    joined = FirstPairs(max(1, len(pairs)), threshold=limit[0], after=LOWEST)
    joined.limit = limit
    joined.offer(pairs[:, 0], pairs[:, 1].astype(np.int64), pairs[:, 2].astype(np.int64))
    return joined.ranked()


def _tiles(n_rows: int, edge: int) -> list[tuple[slice, slice]]:
    """Tiles over the upper triangle; those on the diagonal come last and halved, so that little is done twice."""
    spans = [slice(first, min(first + edge, n_rows)) for first in range(0, n_rows, edge)]
    tiles = [(rows, columns) for i, rows in enumerate(spans) for columns in spans[i + 1 :]]
    for span in spans:
        middle = (span.start + span.stop + 1) // 2
        upper, lower = slice(span.start, middle), slice(middle, span.stop)
        tiles += [(upper, upper)] if middle == span.stop else [(upper, lower), (upper, upper), (lower, lower)]
    return tiles


def _n_pairs(tile: tuple[slice, slice]) -> int:
    rows, columns = tile
    if rows == columns:
        n_rows = rows.stop - rows.start
        return int(n_rows * (n_rows - 1) // 2)
    return int((rows.stop - rows.start) * (columns.stop - columns.start))
