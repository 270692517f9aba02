"""Compiled loops for exact inner products of unit vectors: the arithmetic of `similarity`, in cache."""

from __future__ import annotations

from typing import Any

import numba
import numpy as np

jit: Any = numba.njit(nogil=True, cache=True, error_model="numpy", fastmath={"reassoc", "nsz"})
"""Sums may be taken in any order, which changes nothing where every partial sum is exact."""

STEPS = np.float32(2.0**26)
QUANTUM_SQUARED = 2.0**-52


@jit
def exact_product(left, right):  # type: ignore[no-untyped-def]
    """Exact inner product of two float32 rows, as `stages.similarity` defines it."""
    total = 0.0
    for j in range(left.size):
        total += np.float64(np.rint(left[j] * STEPS)) * np.float64(np.rint(right[j] * STEPS))
    return total * QUANTUM_SQUARED


@jit
def similarity_of_pairs(left, right, row, column, result):  # type: ignore[no-untyped-def]
    """Exact inner products of rows row[i] of `left` and column[i] of `right`, float32, into `result` (n_pairs,)."""
    for i in range(row.size):
        result[i] = exact_product(left[row[i]], right[column[i]])
