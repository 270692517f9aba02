"""Compiled loops that count the entries ahead of each match in a row of similarities, while it is in cache."""

from __future__ import annotations

import numpy as np

from stages.arrays.compiled_similarity import exact_products, in_steps, jit

MANY = 96
"""From this many matches of a row on, a binary search of every entry is faster than comparing it with each."""


@jit
def gather(values, low, high, places):  # type: ignore[no-untyped-def]
    """The count of the float32 `values` (n,) in [low, high]; their indices begin `places` (n, int32), ascending."""
    found = 0
    for j in range(values.size):
        if low <= values[j] <= high:
            places[found] = j
            found += 1
    return found


@jit
def count_four(row, low, high, first, counts):  # type: ignore[no-untyped-def]
    """counts[i] (4, 2): how many of `row` are > high and ≥ low of match min(first + i, n_matches − 1).

    Four matches share each load; sums of ones stay exact in float32, of which a register holds most.
    """
    one, none = np.float32(1), np.float32(0)
    last = low.size - 1
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
def settle(query, tile, kept, bounds, n_others, matches, ahead, near):  # type: ignore[no-untyped-def]
    """Add to `ahead` (n,) the entries in doubt that are ahead of the n matches of a row by exact similarity, then index.

    `kept` are screened values and their columns in the tile; n_others[i] of them lie within `bounds` (low, high) of
    match i beside itself. `matches` are their columns, maybe outside the tile, and exact similarities. `near` is a
    buffer as long as the values.
    """
    (values, places), (low, high), (column, similarity) = kept, bounds, matches
    doubtful = np.zeros(values.size, dtype=np.bool_)
    for i in range(low.size):
        if n_others[i]:
            for j in near[: gather(values, low[i], high[i], near)]:
                doubtful[j] |= places[j] != column[i]
    which = np.flatnonzero(doubtful)
    found, steps, exact = np.empty(which.size), np.empty(query.size), np.empty(values.size)
    in_steps(query, steps)
    exact_products(steps, tile, places[which], found)
    exact[which] = found
    for i in range(low.size):
        if n_others[i]:
            for j in near[: gather(values, low[i], high[i], near)]:
                if places[j] != column[i]:
                    ahead[i] += exact[j] > similarity[i] or (exact[j] == similarity[i] and places[j] < column[i])


@jit
def count_ahead(screen, query, tile, starts, column, similarity, margin, ahead):  # type: ignore[no-untyped-def]
    """Add to `ahead` (n_matches,) how many entries of the tile are ahead of each match.

    `screen` (r, width) float32 approximates query · tileᵀ within `margin`; ignored entries are −inf. Matches
    starts[i]:starts[i + 1] are those of row i: `column` in the tile, maybe outside it, and exact `similarity`. Only
    entries that may be ahead of a row's last match are compared with its matches.
    """
    width = screen.shape[1]
    places, near = np.empty(width, dtype=np.int32), np.empty(width, dtype=np.int32)
    counts = np.empty((np.diff(starts).max() + 3, 2), dtype=np.int64)
    for i in range(screen.shape[0]):
        some = slice(starts[i], starts[i + 1])
        n_matches = starts[i + 1] - starts[i]
        if n_matches == 0:
            continue
        threshold = similarity[some].astype(np.float32)
        low, high = threshold - margin, threshold + margin
        kept = places[: gather(screen[i], low.min(), np.float32(np.inf), places)]
        values = screen[i][kept]
        if n_matches >= MANY:
            count_by_place(values, low, high, counts)
        else:
            for k in range(0, n_matches, 4):
                count_four(values, low, high, k, counts[k : k + 4])
        ahead[some] += counts[:n_matches, 0]
        itself = (column[some] >= 0) & (column[some] < width)
        n_others = counts[:n_matches, 1] - counts[:n_matches, 0] - itself
        if n_others.any():
            matches = column[some], similarity[some]
            settle(query[i], tile, (values, kept), (low, high), n_others, matches, ahead[some], near)
