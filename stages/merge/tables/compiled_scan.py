"""Compiled loops over pairs: the scan of a tile of products for pairs that may rank, and their canonical D."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from stages.arrays.compiled_int8 import dot_int8
from stages.merge.tables.compiled_rows import canonical_row, halving_sum, jit, mean_of, on_two_grids
from stages.typing import Array


class Screen(NamedTuple):
    """What the scan knows of each screened row, all (R,) float64, and the numbers that turn products into D.

    `unit`: the row is unit · its stored values + a remainder; `size` ≥ ‖unit · stored‖ and
    `length` ≥ ‖row‖; `own_residual`: ‖remainder‖; `residual`: that plus γ · size, the product's own error for a partner
    of size 1; `base`: everything in D (with a root, in D²) that depends on this row alone, less a slack for float64 rounding;
    `offset`: its penalty λ·p (with a root; else it is in `base`). `stored`, `fine` and `fine_residual` as
    `QuantisedRows` has them.
    """

    unit: Array
    size: Array
    length: Array
    own_residual: Array
    residual: Array
    base: Array
    offset: Array
    stored: Array
    fine: Array
    fine_residual: Array
    scale: float
    root: int


@jit
def mark_by_sum(row, unit, residual, length, base, slopes, limit, marks):  # type: ignore[no-untyped-def]
    """How many of `row` may have D within the threshold, when D is base + base − 2·scale·product: those get mark 1."""
    n_near = 0
    for j in range(row.size):
        product = slopes[0] * unit[j] * row[j] + slopes[1] * residual[j] + slopes[2] * length[j]
        marks[j] = product - base[j] >= limit
        n_near += marks[j]
    return n_near


@jit
def mark_by_root(row, unit, residual, length, base, offset, slopes, limits, marks):  # type: ignore[no-untyped-def]
    """`mark_by_sum` for D = √(base + base − 2·product) + offset + offset."""
    n_near = 0
    for j in range(row.size):
        product = slopes[0] * unit[j] * row[j] + slopes[1] * residual[j] + slopes[2] * length[j]
        room = limits[1] - offset[j]
        marks[j] = (room >= 0.0) & (limits[0] + base[j] - product <= room * room)
        n_near += marks[j]
    return n_near


@jit
def is_near(product, base, offset, root, limit, limits):  # type: ignore[no-untyped-def]
    """The test of `mark_by_sum` or `mark_by_root`, of one pair."""
    if root:
        room = limits[1] - offset
        return room >= 0.0 and limits[0] + base - product <= room * room
    return product - base >= limit


@jit
def refined(screen, a, b, product):  # type: ignore[no-untyped-def]
    """An upper bound on x·y from the exact `product` of stored int8 rows and the fine digits of what they leave.

    x = q + f + r and y = p + g + s, so x·y = q·p + q·g + f·p + f·g + (q + f)·s + r·y; the first three are exact, and
    |f·g| ≤ ‖f‖‖g‖,  |(q + f)·s| ≤ (‖x‖ + ‖r‖)‖s‖,  |r·y| ≤ ‖r‖‖y‖.
    """
    fine_a, fine_b = screen.fine_residual[a], screen.fine_residual[b]
    cross = np.float64(dot_int8(screen.stored[a], screen.fine[b])) + dot_int8(screen.fine[a], screen.stored[b])
    value = screen.unit[a] * screen.unit[b] * (product + cross / 254.0)
    error = (screen.own_residual[a] + fine_a) * (screen.own_residual[b] + fine_b)
    error += (screen.length[a] + fine_a) * fine_b + fine_a * screen.length[b]
    return value + error * (1 + 2.0**-20)


@jit
def scan(tile, top, left, screen, group, threshold, found_a, found_b):  # type: ignore[no-untyped-def]
    """How many pairs of `tile` may have D ≤ threshold; their rows into `found_a`, `found_b`.

    tile[i, j] is the product of stored rows top + i and left + j; of pairs on or below the diagonal, and of one group
    (R,), none is kept. The bound: for rows x = q + r and y = p + s,  x·y ≤ q·p + ‖q‖‖s‖ + ‖r‖‖y‖  (Cauchy-Schwarz),
    and the product's own error γ‖q‖‖p‖ is folded into ‖s‖. So D ≥ base_a + base_b − 2·scale·(bound on x·y); with a
    root (`euclidean`), D ≥ √(same) + offset_a + offset_b. Hits of a row are first marked, which the compiler
    vectorises, and only a row with a hit is walked; with int8 a hit is bounded again, by `refined`.
    """
    n_found = 0
    marks = np.empty(tile.shape[1], dtype=np.uint8)
    for i in range(tile.shape[0]):
        a = top + i
        start = max(0, a + 1 - left)
        if start >= tile.shape[1]:
            continue
        row = tile[i, start:]
        first, stop = left + start, left + tile.shape[1]
        columns = (screen.unit[first:stop], screen.residual[first:stop], screen.length[first:stop])
        base, offset = screen.base[first:stop], screen.offset[first:stop]
        factor = 2.0 * screen.scale
        slopes = (factor * screen.unit[a], factor * screen.size[a], factor * screen.own_residual[a])
        limit = screen.base[a] - threshold
        limits = (screen.base[a], threshold - screen.offset[a])
        if screen.root:
            n_near = mark_by_root(row, columns[0], columns[1], columns[2], base, offset, slopes, limits, marks)
        else:
            n_near = mark_by_sum(row, columns[0], columns[1], columns[2], base, slopes, limit, marks)
        if n_near == 0:
            continue
        for j in range(row.size):
            if marks[j] == 0 or group[a] == group[first + j]:
                continue
            near = True
            if screen.fine.shape[0]:
                product = factor * refined(screen, a, first + j, row[j])
                near = is_near(product, base[j], offset[j], screen.root, limit, limits)
            if near:
                found_a[n_found], found_b[n_found] = a, first + j
                n_found += 1
    return n_found


@jit
def estimate(tile, rows, columns, screen, group, values):  # type: ignore[no-untyped-def]
    """D of rows[i] and columns[j] by the product tile[i, j] alone into `values` (r, c); infinity within one group."""
    factor = 2.0 * screen.scale
    for i in range(rows.size):
        a = rows[i]
        slope = factor * screen.unit[a]
        for j in range(columns.size):
            b = columns[j]
            value = screen.base[a] + screen.base[b] - slope * screen.unit[b] * tile[i, j]
            if screen.root:
                value = np.sqrt(max(value, 0.0)) + screen.offset[a] + screen.offset[b]
            values[i, j] = np.inf if group[a] == group[b] else value


@jit
def squared_to_sample(rows, sample, mean, spare):  # type: ignore[no-untyped-def]
    """‖canonical row − mean‖², the first level of `halving_sum` taken while the row is made: a third of the traffic."""
    shift = 1.5 * 2.0**52
    up, down, centre = rows.up, rows.down, rows.centre
    half = (mean.size + 1) // 2
    n_pairs = mean.size - half
    raw = rows.features[sample]
    raw_high, centre_high, mean_high = raw[half:], centre[half:], mean[half:]
    for j in range(n_pairs):
        low = (((np.float64(raw[j]) - centre[j]) * up + shift) - shift) * down - mean[j]
        high = (((np.float64(raw_high[j]) - centre_high[j]) * up + shift) - shift) * down - mean_high[j]
        spare[j] = low * low + high * high
    if n_pairs < half:
        rest = (((np.float64(raw[n_pairs]) - centre[n_pairs]) * up + shift) - shift) * down - mean[n_pairs]
        spare[n_pairs] = rest * rest
    return halving_sum(spare, half)


@jit
def mean_pairs(rows, slot, sums, variance, scale, first, second, n_pairs, inter):  # type: ignore[no-untyped-def]
    """d_ab (`Table.inter`) of clusters first[i], second[i], i < n_pairs, into `inter`."""
    dim = rows.features.shape[1]
    mean_a, mean_b, spare = np.empty(dim), np.empty(dim), np.empty(dim)
    held = -1
    for i in range(n_pairs):
        a, b = first[i], second[i]
        if a != held:
            mean_of(rows, a, slot, sums, mean_a, spare)
            held = a
        if rows.stops[b] - rows.starts[b] == 1 and not rows.unit:
            spread = squared_to_sample(rows, rows.order[rows.starts[b]], mean_a, spare)
        else:
            mean_of(rows, b, slot, sums, mean_b, spare)
            for j in range(dim):
                difference = mean_b[j] - mean_a[j]
                spare[j] = difference * difference
            spread = halving_sum(spare, dim)
        inter[i] = scale * ((variance[b] + variance[a]) + spread)


@jit
def row_distances(rows, a, others, result):  # type: ignore[no-untyped-def]
    """‖rows[x] − rows[a]‖² for x in `others` into `result` (P,), by `halving_sum`."""
    spare = np.empty(rows.shape[1])
    own = rows[a]
    for i in range(others.size):
        other = rows[others[i]]
        for j in range(own.size):
            difference = other[j] - own[j]
            spare[j] = difference * difference
        result[i] = halving_sum(spare, own.size)


@jit
def block_pairs(rows, first, second, n_pairs, high, low):  # type: ignore[no-untyped-def]
    """high and low of Σ ‖x − y‖ over members x of cluster first[i] and y of second[i], i < n_pairs.

    Within one cluster, over ordered pairs: each distance is made once and counted twice, which is exact.
    """
    dim = rows.features.shape[1]
    row, spare = np.empty(dim), np.empty(dim)
    for i in range(n_pairs):
        high[i], low[i] = 0.0, 0.0
        is_own = first[i] == second[i]
        for x in range(rows.starts[first[i]], rows.stops[first[i]]):
            canonical_row(rows, rows.order[x], row, spare)
            for y in range(x + 1 if is_own else rows.starts[second[i]], rows.stops[second[i]]):
                squared = squared_to_sample(rows, rows.order[y], row, spare)
                more = on_two_grids(np.sqrt(squared), rows.fine)
                high[i] += more[0]
                low[i] += more[1]
        if is_own:
            high[i] *= 2.0
            low[i] *= 2.0
