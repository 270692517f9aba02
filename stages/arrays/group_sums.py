"""Sums of groups of rows, by threads that each hold a block of them."""

from __future__ import annotations

import numpy as np
from numpy.typing import DTypeLike, NDArray

from stages.arrays.row_blocks import by_blocks
from stages.typing import Int64Array

BLOCK = 1024
"""Rows that a thread gathers at once."""


def group_sums(
    rows: NDArray[np.floating], order: Int64Array, first: Int64Array, *, dtype: DTypeLike
) -> NDArray[np.floating]:
    """Sums (g, d), of type `dtype`, of `rows` (n, d) in `order` (m,): from each place in `first` (g,) to the next.

    `first` ascends from 0. Each sum is made by one thread, in order.
    """
    end = np.append(first[1:], len(order))
    sums = np.zeros((len(first), rows.shape[1]), dtype=dtype)
    if not len(first):
        return sums
    # groups that end in one block are summed by one thread
    bounds = [*np.flatnonzero(np.diff(end // BLOCK, prepend=-1)).tolist(), len(first)]

    def add(numbers: range) -> None:
        for number in numbers:
            last = end[bounds[number + 1] - 1]
            for start in range(first[bounds[number]], last, BLOCK):
                stop = min(start + BLOCK, last)
                own = slice(np.searchsorted(first, start, side="right") - 1, np.searchsorted(first, stop))
                block = rows[order[start:stop]].astype(dtype, copy=False)
                sums[own] += np.add.reduceat(block, np.maximum(first[own] - start, 0), axis=0)

    by_blocks(add, len(bounds) - 1, 1)
    return sums
