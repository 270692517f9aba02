"""Compiled loops for inner products of unit vectors, without rounding: the arithmetic of `similarity`, in cache."""

from __future__ import annotations

import numpy as np

from stages.arrays.compiled import compiled

jit = compiled(fastmath={"reassoc", "nsz"})
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
    """Exact inner product of a row given `in_steps` and a float32 row, as `stages.arrays.similarity` defines it."""
    total = 0.0
    for j in range(right.size):
        total += steps[j] * np.float64(np.rint(right[j] * STEPS))
    return total * QUANTUM_SQUARED


@jit
def exact_products(steps, right, column, result):  # type: ignore[no-untyped-def]
    """Exact inner products of a row given `in_steps` and the rows `column` (n,) of `right`, into `result` (n,).

    Rows go by fours, the last of them repeated where two or three are left: their loads overlap, which halves the time
    of rows that are not in cache.
    """
    last = column.size - 1
    for i in range(0, last, 4):
        j, k, m = i + 1, min(i + 2, last), min(i + 3, last)
        a, b, c, d = right[column[i]], right[column[j]], right[column[k]], right[column[m]]
        sum_a, sum_b, sum_c, sum_d = 0.0, 0.0, 0.0, 0.0
        for x in range(steps.size):
            sum_a += steps[x] * np.float64(np.rint(a[x] * STEPS))
            sum_b += steps[x] * np.float64(np.rint(b[x] * STEPS))
            sum_c += steps[x] * np.float64(np.rint(c[x] * STEPS))
            sum_d += steps[x] * np.float64(np.rint(d[x] * STEPS))
        result[i], result[j] = sum_a * QUANTUM_SQUARED, sum_b * QUANTUM_SQUARED
        result[k], result[m] = sum_c * QUANTUM_SQUARED, sum_d * QUANTUM_SQUARED
    if last % 4 == 0:
        result[last] = exact_product(steps, right[column[last]])


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
