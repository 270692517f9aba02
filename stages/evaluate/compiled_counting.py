"""Compiled loops that count what lies ahead of each match of a query in a row of similarities, while it is in cache."""

from __future__ import annotations

import numpy as np

from stages.compiled_similarity import exact_product, jit

MANY = 96
"""Matches of a row from which on looking up every entry among them takes less than comparing it with each."""

STRETCH = 256
"""Entries of a row that are passed over together where none is in doubt."""


@jit
def count_four(row, low, high, first, last, counts):  # type: ignore[no-untyped-def]
    """counts[i] (4, 2): how many of `row` are > high and ≥ low of match min(first + i, last − 1).

    Four matches share each load; sums of ones stay exact in float32, of which a register holds most.
    """
    one, none = np.float32(1), np.float32(0)
    last -= 1
    low0, low1, low2, low3 = low[first], low[min(first + 1, last)], low[min(first + 2, last)], low[min(first + 3, last)]
    high0, high1 = high[first], high[min(first + 1, last)]
    high2, high3 = high[min(first + 2, last)], high[min(first + 3, last)]
    a0, a1, a2, a3, b0, b1, b2, b3 = none, none, none, none, none, none, none, none
    for j in range(row.size):
        value = row[j]
        a0 += one if value > high0 else none
        a1 += one if value > high1 else none
        a2 += one if value > high2 else none
        a3 += one if value > high3 else none
        b0 += one if value >= low0 else none
        b1 += one if value >= low1 else none
        b2 += one if value >= low2 else none
        b3 += one if value >= low3 else none
    counts[0, 0], counts[1, 0], counts[2, 0], counts[3, 0] = a0, a1, a2, a3
    counts[0, 1], counts[1, 1], counts[2, 1], counts[3, 1] = b0, b1, b2, b3


@jit
def count_by_place(row, low, high, counts):  # type: ignore[no-untyped-def]
    """counts[i] (n, 2): how many of `row` are > high and ≥ low of match i, each entry looked up among the bounds."""
    for bounds, which, strictly in ((high, 0, True), (low, 1, False)):
        order = np.argsort(bounds)
        ordered = bounds[order]
        above = np.zeros(bounds.size + 1)
        for j in range(row.size):
            side = np.searchsorted(ordered, row[j]) if strictly else np.searchsorted(ordered, row[j], side="right")
            above[side] += 1
        total = 0.0
        for i in range(bounds.size - 1, -1, -1):
            total += above[i + 1]
            counts[order[i], which] = total


@jit
def any_within(values, low, high):  # type: ignore[no-untyped-def]
    """Whether one of `values` lies in [low, high], in a loop that the compiler vectorises."""
    found = np.float32(0)
    for j in range(values.size):
        found += np.float32(1) if (values[j] >= low) & (values[j] <= high) else np.float32(0)
    return found > 0


@jit
def settled(row, query, tile, bounds, similarity, place, known):  # type: ignore[no-untyped-def]
    """How many entries of `row` within `bounds` (low, high) lie ahead of a match by exact similarity, then by index.

    `place` is the match's column in the tile, which may lie outside it. `known` (width,) keeps exact similarities of
    this row from match to match; NaN where none was needed yet.
    """
    ahead = 0
    for start in range(0, row.size, STRETCH):
        if not any_within(row[start : start + STRETCH], bounds[0], bounds[1]):
            continue
        for j in range(start, min(start + STRETCH, row.size)):
            if bounds[0] <= row[j] <= bounds[1] and j != place:
                if np.isnan(known[j]):
                    known[j] = exact_product(query, tile[j])
                ahead += known[j] > similarity or (known[j] == similarity and j < place)
    return ahead


@jit
def count_ahead(screen, query, tile, starts, column, similarity, margin, ahead):  # type: ignore[no-untyped-def]
    """Add to `ahead` (n_matches,) how many entries of the tile lie ahead of each match.

    `screen` (r, width) float32 approximates query · tileᵀ within `margin`, −inf where an entry is ignored. Matches
    starts[i]:starts[i + 1] are those of row i: `column` in the tile, maybe outside it, and exact `similarity`.
    """
    width = screen.shape[1]
    known = np.empty(width)
    most = 4
    for i in range(screen.shape[0]):
        most = max(most, starts[i + 1] - starts[i])
    counts = np.empty((most, 2))
    for i in range(screen.shape[0]):
        first, last = starts[i], starts[i + 1]
        threshold = similarity[first:last].astype(np.float32)
        low, high = threshold - margin, threshold + margin
        row, fresh = screen[i], True
        if last - first >= MANY:
            count_by_place(row, low, high, counts)
        for m in range(first, last):
            k = m - first
            if last - first < MANY:
                if k % 4 == 0:
                    count_four(row, low, high, k, last - first, counts)
                k %= 4
            ahead[m] += int(counts[k, 0])
            inside = 0 <= column[m] < width
            if counts[k, 1] - counts[k, 0] > inside:
                if fresh:
                    known[:] = np.nan
                    fresh = False
                k = m - first
                ahead[m] += settled(row, query[i], tile, (low[k], high[k]), similarity[m], column[m], known)
