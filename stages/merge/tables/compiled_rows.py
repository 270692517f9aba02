"""Compiled loops that read features row by row: column ranges, canonical rows, cluster sums.

They repeat the arithmetic of `canonical_rows`, `exact_sums` and `moments` operation for operation, in cache instead of in
passes over memory, and give the same bits (no fused multiply-add, no reordering where a canonical value is made).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from stages.arrays.compiled import compiled
from stages.typing import Array

jit = compiled()
jit_any_order = compiled(fastmath={"reassoc", "nsz", "nnan"})
"""For sums that enter bounds only: vectorised by reordering. Never for canonical values."""


class GriddedRows(NamedTuple):
    """Features with everything that makes a canonical row of them.

    Cluster c owns rows order[starts[c]:stops[c]] of `features` (n, d) float32 or float64. `up` and `down` are 2^k and
    2^-k of the feature grid; `unit` is 1 under `cosine`. `fine` holds up and down of the coarse and the fine grid
    for squared norms (`sqeuclidean`, `cosine`) or distances (`euclidean`).
    """

    features: Array
    order: Array
    starts: Array
    stops: Array
    centre: Array
    up: float
    down: float
    unit: int
    fine: Array


@jit
def halving_sum(terms, width):  # type: ignore[no-untyped-def]
    """Σ terms[:width] by the tree of `exact_sums.halving_sum`; overwrites `terms`."""
    while width > 1:
        half = (width + 1) // 2
        for i in range(width - half):
            terms[i] += terms[half + i]
        width = half
    return terms[0]


@jit
def halving_max(terms, width):  # type: ignore[no-untyped-def]
    """max terms[:width]; overwrites `terms`. A tree, because compilers vectorise it."""
    while width > 1:
        half = (width + 1) // 2
        for i in range(width - half):
            terms[i] = max(terms[i], terms[half + i])
        width = half
    return terms[0]


@jit
def column_ranges(features, first, stop, lowest, highest):  # type: ignore[no-untyped-def]
    """Lower `lowest` and raise `highest` (d,) by rows first..stop−1; returns how many values are not finite."""
    n_bad = 0
    for i in range(first, stop):
        row = features[i]
        for j in range(row.size):
            value = row[j]
            lowest[j] = value if value < lowest[j] else lowest[j]
            highest[j] = value if value > highest[j] else highest[j]
            n_bad += 0 if abs(value) < np.inf else 1
    return n_bad


@jit
def unit_row(raw, row, spare):  # type: ignore[no-untyped-def]
    """`raw` (d,) scaled to unit length into `row` as `canonical_rows.exact_unit_rows` does; returns its largest |value|."""
    for j in range(row.size):
        spare[j] = abs(np.float64(raw[j]))
    peak = halving_max(spare, row.size)
    if peak == 0:
        return peak
    for j in range(row.size):
        row[j] = np.float64(raw[j]) / peak
        spare[j] = row[j] * row[j]
    length = np.sqrt(halving_sum(spare, row.size))
    for j in range(row.size):
        row[j] = row[j] / length
    return peak


@jit
def unit_column_ranges(features, first, stop, lowest, highest):  # type: ignore[no-untyped-def]
    """As `column_ranges`, of rows scaled to unit length; returns the first row of zeros, or −1."""
    row, spare = np.empty(features.shape[1]), np.empty(features.shape[1])
    for i in range(first, stop):
        if unit_row(features[i], row, spare) == 0:
            return i
        for j in range(row.size):
            lowest[j] = row[j] if row[j] < lowest[j] else lowest[j]
            highest[j] = row[j] if row[j] > highest[j] else highest[j]
    return -1


@jit
def canonical_row(rows, sample, row, spare):  # type: ignore[no-untyped-def]
    """The canonical row of `sample` into `row` (d,); rounding to the grid is to even, as `np.round`."""
    shift = 1.5 * 2.0**52
    up, down, centre = rows.up, rows.down, rows.centre
    raw = rows.features[sample]
    if rows.unit:
        unit_row(raw, row, spare)
        for j in range(row.size):
            row[j] = (((row[j] - centre[j]) * up + shift) - shift) * down
    else:
        for j in range(row.size):
            row[j] = (((np.float64(raw[j]) - centre[j]) * up + shift) - shift) * down


@jit
def on_two_grids(value, fine):  # type: ignore[no-untyped-def]
    """(high, low) of `exact_sums.split_on_grids`."""
    high = np.rint(value * fine[0]) * fine[1]
    return high, np.rint((value - high) * fine[2]) * fine[3]


@jit
def squared_norm(row, spare):  # type: ignore[no-untyped-def]
    """‖row‖², by `halving_sum`."""
    for j in range(row.size):
        spare[j] = row[j] * row[j]
    return halving_sum(spare, row.size)


@jit
def cluster_sum(rows, cluster, total, row, spare):  # type: ignore[no-untyped-def]
    """Σ x over the members of `cluster` into `total` (d,); returns high and low of Σ ‖x‖²."""
    high, low = 0.0, 0.0
    for j in range(row.size):
        total[j] = 0.0
    for position in range(rows.starts[cluster], rows.stops[cluster]):
        canonical_row(rows, rows.order[position], row, spare)
        for j in range(row.size):
            total[j] += row[j]
        more = on_two_grids(squared_norm(row, spare), rows.fine)
        high += more[0]
        low += more[1]
    return high, low


@jit
def mean_of(rows, cluster, slot, sums, mean, spare):  # type: ignore[no-untyped-def]
    """μ of `cluster` into `mean` (d,): from `sums[slot[cluster]]` where there is a slot, else from its members."""
    count = rows.stops[cluster] - rows.starts[cluster]
    if slot[cluster] >= 0:
        total = sums[slot[cluster]]
        for j in range(mean.size):
            mean[j] = total[j] / count
        return
    canonical_row(rows, rows.order[rows.starts[cluster]], mean, spare)
    if count == 1:
        return
    row = np.empty(mean.size)
    for position in range(rows.starts[cluster] + 1, rows.stops[cluster]):
        canonical_row(rows, rows.order[position], row, spare)
        for j in range(mean.size):
            mean[j] += row[j]
    for j in range(mean.size):
        mean[j] = mean[j] / count


@jit
def means_of(rows, ids, first, stop, slot, sums, means):  # type: ignore[no-untyped-def]
    """Means of the clusters ids[first:stop] into the same rows of `means` (P, d) float64."""
    spare = np.empty(rows.features.shape[1])
    for i in range(first, stop):
        mean_of(rows, ids[i], slot, sums, means[i], spare)


@jit
def summarise(rows, first, stop, slot, sums, norms, variance):  # type: ignore[no-untyped-def]
    """For clusters first..stop−1 of several members: `variance` (K,) and `norms` (K, 2) high and low, as `Moments`.

    And their `sums` if they have a slot.
    """
    dim = rows.features.shape[1]
    total, row, spare = np.empty(dim), np.empty(dim), np.empty(dim)
    for cluster in range(first, stop):
        count = rows.stops[cluster] - rows.starts[cluster]
        if count == 1:
            variance[cluster] = 0.0
            continue
        high, low = cluster_sum(rows, cluster, total, row, spare)
        norms[cluster, 0], norms[cluster, 1] = high, low
        for j in range(dim):
            if slot[cluster] >= 0:
                sums[slot[cluster], j] = total[j]
            total[j] = total[j] / count
        own = on_two_grids(squared_norm(total, spare), rows.fine)
        variance[cluster] = max(0.0, (high / count + low / count) - (own[0] + own[1]))
