"""The nearest neighbours of every sample among all, exact, without an n×n matrix."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from array_api_compat import array_namespace, is_numpy_array

from stages.arrays.backend import available_bytes, device_number, require_bound, to_host
from stages.arrays.similarity import exact_similarity, exact_similarity_of_pairs, product_error
from stages.errors import DbcError
from stages.typing import Array, Float64Array, Int64Array

BLOCK_BYTES = 2**26
"""Bytes of float32 similarities held at once in host memory; comparing them takes a quarter more."""

_DEVICE_SHARE, _DEVICE_BLOCK_BYTES = 1 / 16, 2**31
"""On a GPU a block takes this share of the free memory and no more than this: its products need many rows to be fast."""

DENSE_SHARE = 1 / 64
"""If more than this share of a block must be compared exactly, an exact product of all of it is cheaper than gathering."""


@dataclass(frozen=True)
class Neighbours:
    """The k nearest of all samples for each of them, itself included, all on the host.

    `index` (n, k) int64: the sample itself, then the others by ascending distance, ties by index. `squared_distance`
    (n, k) float64, exact, 0 for the sample itself. `farthest` (n,) float64: squared distance of the farthest sample.
    """

    index: Int64Array
    squared_distance: Float64Array
    farthest: Float64Array


def block_bytes_of(features: Array) -> int:
    """How many bytes of similarities to hold at once where `features` are."""
    if device_number(features) is None:
        return BLOCK_BYTES
    return int(max(BLOCK_BYTES, min(_DEVICE_BLOCK_BYTES, _DEVICE_SHARE * available_bytes(features))))


def nearest_neighbours(
    features: Array,
    k: int,
    *,
    samples: range | None = None,
    block_bytes: int | None = None,
    report: Callable[[int], object] | None = None,
) -> Neighbours:
    """The min(k, n) nearest of `features` (n, d) for each of them by squared Euclidean distance, itself included.

    Features are L2-normalised float32 (zero rows are allowed) of any array library; distance is 2 − 2 s for the exact
    similarity s of `stages.arrays.similarity`, so it depends on no library, machine or block size. A float32 product with a
    proven error bound says which pairs can be among the nearest, and those are ranked exactly. Holds `block_bytes` of
    similarities at once (by default `block_bytes_of`), however many samples there are (but at least one row of them).
    Rows are those of consecutive `samples`, by default all; `report(n)` is called after every n of them.
    """
    samples = range(features.shape[0]) if samples is None else samples
    if k < 1:
        raise DbcError(f"`k` must be at least 1, the sample itself, got {k}")
    k = min(k, features.shape[0])
    found = Neighbours(np.empty((len(samples), k), dtype=np.int64), np.zeros((len(samples), k)), np.zeros(len(samples)))
    if block_bytes is None:
        block_bytes = block_bytes_of(features)
    rows = max(1, block_bytes // (4 * max(features.shape[0], 1)))
    for first in range(0, len(samples), rows):
        span = slice(first, min(first + rows, len(samples)))
        part = Neighbours(found.index[span], found.squared_distance[span], found.farthest[span])
        _fill(part, features, samples.start + span.start, samples.start + span.stop)
        if report is not None:
            report(span.stop - span.start)
    return found


def _fill(found: Neighbours, features: Array, start: int, stop: int) -> None:
    """Find the neighbours of samples `start` to `stop`, which are all that `found` holds."""
    require_bound(features)
    xp: Any = array_namespace(features)
    k = found.index.shape[1]
    block = features[start:stop, :]
    screen = block @ features.T
    width = 2 * product_error(features.shape[1])
    lowest = xp.min(screen, axis=1, keepdims=True)
    far = exact_where(block, features, screen <= lowest + width)
    found.farthest[:] = 2 - 2 * np.minimum.reduceat(far[2], np.searchsorted(far[0], np.arange(stop - start)))
    found.index[:, 0] = np.arange(start, stop)
    if k == 1:
        return
    screen = _without_own(screen, start)
    bound = _kth_largest(screen, k - 1) - width
    row, column, similarity = exact_where(block, features, screen >= bound)
    order = np.lexsort((column, -similarity, row))
    first = np.searchsorted(row[order], np.arange(stop - start))
    nearest = order[first[:, None] + np.arange(k - 1)]
    found.index[:, 1:] = column[nearest]
    found.squared_distance[:, 1:] = 2 - 2 * similarity[nearest]


def _without_own(screen: Array, start: int) -> Array:
    """`screen` (r, n) with −inf where sample start + i meets itself; NumPy's in place, which saves a pass over memory."""
    xp: Any = array_namespace(screen)
    rows, n = screen.shape
    if is_numpy_array(screen):
        screen[np.arange(rows), np.arange(start, start + rows)] = -np.inf
        return screen
    here = {"device": screen.device}
    itself = xp.arange(start, start + rows, **here)[:, None] == xp.arange(n, **here)[None, :]
    return xp.where(itself, xp.asarray(-xp.inf, dtype=screen.dtype, **here), screen)


def exact_where(block: Array, features: Array, chosen: Array) -> tuple[Int64Array, Int64Array, Float64Array]:
    """The pairs (`row`, `column`) of the mask `chosen` (b, n), row by row, and their exact similarity; all on the host.

    `block` (b, d) and `features` (n, d) as for `nearest_neighbours`.
    """
    xp: Any = array_namespace(features)
    row, column = np.divmod(np.flatnonzero(chosen), chosen.shape[1]) if is_numpy_array(chosen) else xp.nonzero(chosen)
    if row.shape[0] > DENSE_SHARE * chosen.shape[0] * chosen.shape[1]:
        similarity = exact_similarity(block, features)[chosen]
    else:
        similarity = exact_similarity_of_pairs(block, features, row, column)
    return to_host(row), to_host(column), to_host(similarity)


def _kth_largest(values: Array, k: int) -> Array:
    """The k-th largest of each row of `values` (r, c), (r, 1)."""
    place = values.shape[1] - k
    xp: Any = array_namespace(values)
    if is_numpy_array(values):
        return np.partition(values, place, axis=1)[:, place : place + 1]
    if hasattr(xp, "partition"):
        # CuPy selects the first k and sorts for any others
        return -xp.partition(-values, k - 1, axis=1)[:, k - 1 : k]
    return xp.sort(values, axis=1)[:, place : place + 1]
