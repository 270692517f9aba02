"""Compiled loops for inner products of unit vectors, without rounding: the arithmetic of `similarity`, in cache."""

from __future__ import annotations

from typing import Any

import numba
import numpy as np

jit: Any = numba.njit(nogil=True, cache=True, error_model="numpy", fastmath={"reassoc", "nsz"})
"""Sums may be taken in any order, which changes nothing where every partial sum is exact."""

STEPS = np.float32(2.0**26)
QUANTUM_SQUARED = 2.0**-52


@jit
def in_steps(row, steps):  # type: ignore[no-untyped-def]
    """The float32 `row` in whole steps of `similarity.QUANTUM`, into `steps` (d,) float64."""
    for j in range(row.size):
        steps[j] = np.rint(row[j] * STEPS)


@jit
def exact_product(steps, right):  # type: ignore[no-untyped-def]
    """Exact inner product of a row given `in_steps` and a float32 row, as `stages.similarity` defines it."""
    total = 0.0
    for j in range(right.size):
        total += steps[j] * np.float64(np.rint(right[j] * STEPS))
    return total * QUANTUM_SQUARED


@jit
def exact_products(steps, right, column, result):  # type: ignore[no-untyped-def]
    """Exact inner products of a row given `in_steps` and the rows `column` (n,) of `right`, into `result` (n,).

    Rows go by fours: their loads overlap, which halves the time of rows that are not in cache.
    """
    fours = column.size - column.size % 4
    for i in range(0, fours, 4):
        a, b, c, d = right[column[i]], right[column[i + 1]], right[column[i + 2]], right[column[i + 3]]
        sum_a, sum_b, sum_c, sum_d = 0.0, 0.0, 0.0, 0.0
        for j in range(steps.size):
            sum_a += steps[j] * np.float64(np.rint(a[j] * STEPS))
            sum_b += steps[j] * np.float64(np.rint(b[j] * STEPS))
            sum_c += steps[j] * np.float64(np.rint(c[j] * STEPS))
            sum_d += steps[j] * np.float64(np.rint(d[j] * STEPS))
        result[i], result[i + 1] = sum_a * QUANTUM_SQUARED, sum_b * QUANTUM_SQUARED
        result[i + 2], result[i + 3] = sum_c * QUANTUM_SQUARED, sum_d * QUANTUM_SQUARED
    for i in range(fours, column.size):
        result[i] = exact_product(steps, right[column[i]])


@jit
def similarity_of_pairs(left, right, row, column, result):  # type: ignore[no-untyped-def]
    """Exact inner products of rows row[i] of `left` and column[i] of `right`, float32, into `result` (n_pairs,).

    Pairs of one row that follow one another share the work on it.
    """
    steps = np.empty(left.shape[1])
    first = 0
    while first < row.size:
        last = first + 1
        while last < row.size and row[last] == row[first]:
            last += 1
        in_steps(left[row[first]], steps)
        exact_products(steps, right, column[first:last], result[first:last])
        first = last
