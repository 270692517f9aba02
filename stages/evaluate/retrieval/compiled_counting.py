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
def n_below(bounds, value, or_equal):  # type: ignore[no-untyped-def]
    """How many of the ascending `bounds` (n,) are < `value`, or ≤ it if `or_equal`."""
    start, stop = 0, bounds.size
    while start < stop:
        middle = (start + stop) // 2
        if bounds[middle] < value or (or_equal and bounds[middle] == value):
            start = middle + 1
        else:
            stop = middle
    return start


@jit
def count_by_place(row, low, high, counts):  # type: ignore[no-untyped-def]
    """counts[i] (n, 2): how many of `row` are > high and ≥ low of match i, each entry looked up among the ascending bounds."""
    for i in range(low.size):
        counts[i, 0], counts[i, 1] = 0, 0
    for j in range(row.size):
        n_high, n_low = n_below(high, row[j], or_equal=False), n_below(low, row[j], or_equal=True)
        if n_high:
            counts[n_high - 1, 0] += 1
        if n_low:
            counts[n_low - 1, 1] += 1
    for i in range(low.size - 2, -1, -1):
        counts[i, 0] += counts[i + 1, 0]
        counts[i, 1] += counts[i + 1, 1]


@jit
def similarity_in_doubt(query, tile, kept, bounds, n_others, column, near):  # type: ignore[no-untyped-def]
    """Exact similarities (n,) of those of the n `kept` entries that are in doubt; the others are not set. See `settle`."""
    (values, places), (low, high) = kept, bounds
    doubtful, which = np.zeros(values.size, dtype=np.bool_), np.empty(values.size, dtype=np.int64)
    for i in range(low.size):
        if n_others[i]:
            for j in near[: gather(values, low[i], high[i], near)]:
                doubtful[j] |= places[j] != column[i]
    n_doubtful = 0
    for j in range(values.size):
        if doubtful[j]:
            which[n_doubtful] = places[j]
            n_doubtful += 1
    found, steps, exact = np.empty(n_doubtful), np.empty(query.size), np.empty(values.size)
    in_steps(query, steps)
    exact_products(steps, tile, which[:n_doubtful], found)
    n_doubtful = 0
    for j in range(values.size):
        if doubtful[j]:
            exact[j] = found[n_doubtful]
            n_doubtful += 1
    return exact


@jit
def settle(query, tile, kept, bounds, n_others, matches, ahead, near):  # type: ignore[no-untyped-def]
    """Add to `ahead` (n,) the entries in doubt that are ahead of the n matches of a row by exact similarity, then index.

    `kept` are screened values and their columns in the tile; n_others[i] of them lie within `bounds` (low, high) of
    match i beside itself. `matches` are their columns, maybe outside the tile, and exact similarities. `near` is a
    buffer as long as the values.
    """
    (values, places), (low, high), (column, similarity) = kept, bounds, matches
    exact = similarity_in_doubt(query, tile, kept, bounds, n_others, column, near)
    for i in range(low.size):
        if n_others[i]:
            for j in near[: gather(values, low[i], high[i], near)]:
                if places[j] != column[i]:
                    ahead[i] += exact[j] > similarity[i] or (exact[j] == similarity[i] and places[j] < column[i])


@jit
def count_ahead(screen, query, tile, starts, column, similarity, margin, ahead):  # type: ignore[no-untyped-def]
    """Add to `ahead` (n_matches,) how many entries of the tile are ahead of each match.

    `screen` (r, width) float32 approximates query · tileᵀ within `margin`; ignored entries are −inf. Matches
    starts[i]:starts[i + 1] are those of row i: `column` in the tile, maybe outside it, and exact `similarity`, ascending
    in a row. Only entries that may be ahead of a row's last match are compared with its matches.
    """
    width, most = screen.shape[1], 0
    for i in range(screen.shape[0]):
        most = max(most, starts[i + 1] - starts[i])
    places, near, kept = (
        np.empty(width, dtype=np.int32),
        np.empty(width, dtype=np.int32),
        np.empty(width, dtype=np.float32),
    )
    lows, highs = np.empty(most, dtype=np.float32), np.empty(most, dtype=np.float32)
    counts, n_others = np.empty((most + 3, 2), dtype=np.int64), np.empty(most, dtype=np.int64)
    for i in range(screen.shape[0]):
        first, last = starts[i], starts[i + 1]
        n_matches = last - first
        if n_matches == 0:
            continue
        low, high = lows[:n_matches], highs[:n_matches]
        for k in range(n_matches):
            threshold = np.float32(similarity[first + k])
            low[k], high[k] = threshold - margin, threshold + margin
        n_kept = gather(screen[i], low[0], np.float32(np.inf), places)
        values = kept[:n_kept]
        for j in range(n_kept):
            values[j] = screen[i, places[j]]
        if n_matches >= MANY:
            count_by_place(values, low, high, counts)
        else:
            for k in range(0, n_matches, 4):
                count_four(values, low, high, k, counts[k : k + 4])
        any_others = False
        for k in range(n_matches):
            ahead[first + k] += counts[k, 0]
            is_itself = 0 <= column[first + k] < width
            n_others[k] = counts[k, 1] - counts[k, 0] - is_itself
            any_others |= n_others[k] > 0
        if any_others:
            matches = column[first:last], similarity[first:last]
            settle(query[i], tile, (values, places[:n_kept]), (low, high), n_others, matches, ahead[first:last], near)
