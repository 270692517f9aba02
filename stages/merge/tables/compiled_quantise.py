"""Compiled loops that store rows for the fast product, in float32: its small error enters the bounds."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from stages.merge.tables.compiled_rows import jit, jit_any_order, mean_of
from stages.typing import Array

INT8, FLOAT32 = 0, 1

ROUNDED = 2.0**-22
"""What float32 may move a row by, of its length: a cast, a product by 1 / unit and one by 254, 2^-24 each."""
LEAST_PEAK = 2.0**-100
"""A row of no larger |value| is stored as zeros."""


class QuantisedRows(NamedTuple):
    """R rows as stored · unit + a remainder.

    `stored` (R, d) int8 or float32; all others (R,) float64: `unit`; `norm` ≤ ‖row‖² and
    `length` ≥ ‖row‖, as near as float32 tells; `residual` ≥ ‖remainder‖, measured. With int8, `fine` (R, d) holds the
    remainder in 254ths of unit, and `fine_residual` (R,) bounds the norm of what even that leaves; else they have no rows.
    """

    stored: Array
    unit: Array
    norm: Array
    length: Array
    residual: Array
    fine: Array
    fine_residual: Array


class Origin(NamedTuple):
    """The point that rows are taken from before they are stored, which changes no distance and shortens them.

    `raw` (d,) of the features' dtype; `canonical` (d,) float64, the same point where canonical rows are. Rows are
    multiplied by `factor`, a power of two, which brings rows that float32 cannot hold to about unit size.
    """

    raw: Array
    canonical: Array
    factor: float


@jit
def quantise(rows, ids, first, stop, slot, sums, origin, kind, screen):  # type: ignore[no-untyped-def]
    """For i in first..stop−1, the mean of cluster ids[i], taken from `origin`, as `QuantisedRows` i.

    A cluster of one sample is read as it is stored: its canonical row is within 2 grid steps a coordinate of that.
    """
    dim = rows.features.shape[1]
    mean, spare = np.empty(dim), np.empty(dim)
    row, rests = np.empty(dim, dtype=np.float32), np.empty((2, dim), dtype=np.float32)
    is_direct = rows.unit == 0 and origin.factor == 1.0
    step = 2.0 * np.sqrt(np.float64(dim)) * rows.down * origin.factor
    wider = 1.0 + 2.0**-20 + dim * 2.0**-22
    for i in range(first, stop):
        cluster = ids[i]
        if is_direct and rows.stops[cluster] - rows.starts[cluster] == 1:
            raw = rows.features[rows.order[rows.starts[cluster]]]
            peak, squared = taken_from(raw, origin.raw, np.float32(1.0), row)
        else:
            mean_of(rows, cluster, slot, sums, mean, spare)
            peak, squared = taken_from(mean, origin.canonical, origin.factor, row)
        length = np.sqrt(squared)
        moved = ROUNDED * length + step
        inverse = np.float32(0.0)
        if peak > LEAST_PEAK:
            inverse = np.float32(127.0) / peak if kind == INT8 else power_below(peak)
        if kind == INT8:
            store_int8(row, inverse, screen.stored[i], screen.fine[i], rests[0], rests[1])
        else:
            store_float32(row, inverse, screen.stored[i], rests[0])
        unit = 1.0 / np.float64(inverse) if inverse > 0 else 0.0
        back = 1.0 / origin.factor
        screen.unit[i] = unit * back
        screen.norm[i] = (squared - 2.0 * moved * length) * (back * back)
        screen.length[i] = (length * (1 + 2.0**-20) + moved) * back
        rest = unit * np.sqrt(np.float64(sum_any_order(rests[0]))) * wider if inverse > 0 else length * wider
        screen.residual[i] = (rest + moved) * back
        if kind == INT8:
            if inverse > 0:
                rest = unit / 254.0 * np.sqrt(np.float64(sum_any_order(rests[1]))) * wider
            screen.fine_residual[i] = (rest + moved) * back


@jit_any_order
def taken_from(values, origin, factor, row):  # type: ignore[no-untyped-def]
    """(`values` − `origin`) · factor into `row` (d,) float32; returns its largest |value| and its squared length.

    The largest by bits, which order as the values do and which vectorise.
    """
    bits, squared = np.int32(0), 0.0
    for j in range(row.size):
        value = np.float32((values[j] - origin[j]) * factor)
        row[j] = value
        bits = max(bits, np.int32(np.float32(value).view(np.int32) & np.int32(0x7FFFFFFF)))
        squared += np.float64(value) * np.float64(value)
    return np.int32(bits).view(np.float32), squared


@jit
def power_below(peak):  # type: ignore[no-untyped-def]
    """The power of two, float32, that brings `peak`, float32 above 2^-100, into [1, 2)."""
    exponent = (np.float32(peak).view(np.int32) >> np.int32(23)) - np.int32(127)
    return np.int32((np.int32(127) - exponent) << np.int32(23)).view(np.float32)


@jit_any_order
def sum_any_order(terms):  # type: ignore[no-untyped-def]
    """Σ terms: a bound needs no canonical bits."""
    total = np.float32(0.0)
    for j in range(terms.size):
        total += terms[j]
    return total


@jit
def store_int8(row, inverse, stored, fine, rest, fine_rest):  # type: ignore[no-untyped-def]
    """`row` · inverse to the nearest integers into `stored` (d,), and what is left in 254ths into `fine`.

    Squares of what `stored` leaves, in units, into `rest`, and of what both leave, in 254ths, into `fine_rest`. Rounding
    is by adding 1.5·2^23, because calls to a rounding function do not vectorise; for the same reason sums come afterwards.
    """
    shift = np.float32(1.5 * 2.0**23)
    for j in range(row.size):
        scaled = row[j] * inverse
        value = (scaled + shift) - shift
        left = scaled - value
        rest[j] = left * left
        left *= np.float32(254.0)
        fine_value = (left + shift) - shift
        stored[j] = np.int8(np.int32(value))
        fine[j] = np.int8(np.int32(fine_value))
        left -= fine_value
        fine_rest[j] = left * left


@jit
def store_float32(row, inverse, stored, rest):  # type: ignore[no-untyped-def]
    """`row` · inverse, a power of two, into `stored` (d,), which leaves nothing."""
    for j in range(row.size):
        stored[j] = row[j] * inverse
        rest[j] = np.float32(0.0)
