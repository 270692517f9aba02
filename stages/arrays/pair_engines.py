"""Finding the pairs of rows whose D may lie below a threshold: a matrix product in strips, and a proven inequality.

A strip is some rows by many columns. `ArrayPairs` works on arrays of any library and is what tests run; `CudaPairs`
(`stages.arrays.cuda_pairs`) does the same by cuBLAS and one kernel. Both store rows as float16 if the product of those
keeps 24 bits in its sums, which a probe tells, and else as float32.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import array_api_compat
import numpy as np

from stages.arrays.backend import cupy_of, to_host
from stages.arrays.product_errors import precision_of, product_bound
from stages.errors import DbcError
from stages.typing import Array, Int64Array

STRIP_ROWS, STRIP_COLUMNS = 2048, 16384
"""Rows and columns of a strip. Its float32 products take 128 MiB."""
STRIP_PAIRS = 1 << 18
"""The most pairs that a strip may yield; one with more is done again in halves."""
ALIGNED = 8
"""Dimensions are filled up to a multiple of this, which tensor cores need to be fast."""

Strip = tuple[slice, slice]
Found = tuple[int, Int64Array, Int64Array]
"""How many pairs a strip has, and the rows of those that there was room for."""


@dataclass(frozen=True)
class PairRows:
    """R rows x = unit · stored + a remainder, on one device; float64 (R,) except `stored` (R, d), `group` and `camera` int32.

    D of rows of different groups is at least base_a + base_b − 2 · scale · (bound on x·y), or with `is_root` the root of
    that and offset_a + offset_b more. Rows of one `camera`, from 0, add `shared`; −1 is a row of several cameras. `size` ≥
    ‖unit · stored‖, `length` ≥ ‖x‖, `residual` ≥ ‖remainder‖, and `reach` is residual + γ · size, which takes up the error
    of the product itself.
    """

    stored: Array
    unit: Array
    size: Array
    length: Array
    residual: Array
    reach: Array
    base: Array
    offset: Array
    group: Array
    camera: Array
    shared: float
    scale: float
    is_root: bool


class PairEngine(Protocol):
    """What finds pairs on one device. |product − exact| ≤ `error` ‖left row‖ ‖right row‖ of rows stored as `storage`."""

    storage: str
    error: float
    most_pairs: int
    strips_at_once: int

    def submit(self, rows: PairRows, strips: Sequence[Strip], threshold: float) -> Callable[[], list[Found]]:
        """Start finding the pairs a < b of each of `strips` with D ≤ `threshold`; the result waits for them."""


class ArrayPairs:
    """`PairEngine` by whole-array operations: what the kernel does, for any library with float16."""

    def __init__(self, example: Array, *, most_pairs: int = STRIP_PAIRS, strips_at_once: int = 4):
        xp, device = array_api_compat.array_namespace(example), array_api_compat.device(example)
        self.most_pairs, self.strips_at_once = most_pairs, strips_at_once

        def multiply(left: Array, right: Array) -> Array:
            return to_host(_product(*(xp.asarray(rows, device=device) for rows in (left, right))))

        self.storage, self.error = storage_of(multiply, padded(example.shape[1]))

    def submit(self, rows: PairRows, strips: Sequence[Strip], threshold: float) -> Callable[[], list[Found]]:
        """See `PairEngine`; nothing is left to wait for."""
        found = [self._found(rows, strip, threshold) for strip in strips]
        return lambda: found

    def _found(self, rows: PairRows, strip: Strip, threshold: float) -> Found:
        xp = array_api_compat.array_namespace(rows.stored)
        top, left = strip
        product = xp.astype(_product(rows.stored[top, :], rows.stored[left, :]), xp.float64)
        bound = rows.unit[top, None] * rows.unit[None, left] * product
        bound = (
            bound + rows.size[top, None] * rows.reach[None, left] + rows.residual[top, None] * rows.length[None, left]
        )
        lowest = rows.base[top, None] + rows.base[None, left] - 2 * rows.scale * bound
        camera, other_camera = rows.camera[top, None], rows.camera[None, left]
        more = rows.shared * xp.astype((camera == other_camera) & (camera >= 0), xp.float64)
        if rows.is_root:
            room = threshold - rows.offset[top, None] - rows.offset[None, left] - more
            near = (room >= 0) & (lowest <= room * room)
        else:
            near = lowest + more <= threshold
        own = xp.arange(top.start, top.stop, device=near.device)[:, None]
        other = xp.arange(left.start, left.stop, device=near.device)[None, :]
        near = near & (own < other) & (rows.group[top, None] != rows.group[None, left])
        first, second = (to_host(index) for index in xp.nonzero(near))
        kept = slice(self.most_pairs)
        return len(first), first[kept] + top.start, second[kept] + left.start


def storage_of(multiply: Callable[[Array, Array], Array], dim: int) -> tuple[str, float]:
    """How to store rows of `dim` values, and the error of `multiply`: float16 if its probe passes, else float32."""
    try:
        precision_of(multiply, dim, np.float16, among=("float16",))
    except DbcError:
        return "float32", product_bound(precision_of(multiply, dim, np.float32, among=("float32", "tf32")), dim)
    return "float16", product_bound("float16", dim)


def engine_of(example: Array) -> PairEngine:
    """The engine for rows of as many dimensions as `example` (n, d) has, on its device."""
    cupy = cupy_of(example)
    if cupy is None:
        return ArrayPairs(example)
    from stages.arrays.cuda_pairs import CudaPairs

    return CudaPairs(cupy, example.shape[1])


def padded(dim: int) -> int:
    """`dim` filled up to a multiple of `ALIGNED`."""
    return -(-dim // ALIGNED) * ALIGNED


def strips_of(n_rows: int, rows: int = STRIP_ROWS, columns: int = STRIP_COLUMNS) -> list[Strip]:
    """Strips of `rows` by `columns` over the upper triangle of `n_rows` rows."""
    return [
        (slice(top, min(top + rows, n_rows)), slice(left, min(left + columns, n_rows)))
        for top in range(0, n_rows, rows)
        for left in range(top, n_rows, columns)
    ]


def n_pairs_of(strip: Strip) -> int:
    """How many pairs a < b a strip has."""
    rows, columns = strip
    first = np.maximum(columns.start, np.arange(rows.start + 1, rows.stop + 1))
    return int(np.maximum(0, columns.stop - first).sum())


def near_pairs(
    engine: PairEngine, rows: PairRows, strips: Sequence[Strip], threshold: Callable[[], float]
) -> Iterator[tuple[int, Int64Array, Int64Array]]:
    """(pairs of the strip, first (P,), second (P,)) of every strip: its pairs with D ≤ threshold, and perhaps others.

    `threshold()` may fall with what was found. The strips that come next are started before the last are read, so the
    device has work meanwhile. A strip with more pairs than there is room for gives those that there is room for, and is
    done again in halves, under the threshold that they lowered.
    """
    waiting = list(strips)
    running: tuple[list[Strip], Callable[[], list[Found]]] = ([], list)
    while waiting or running[0]:
        some, waiting = waiting[: engine.strips_at_once], waiting[engine.strips_at_once :]
        started = (some, engine.submit(rows, some, threshold()) if some else list)
        for strip, (n_found, first, second) in zip(running[0], running[1](), strict=True):
            is_whole = n_found <= engine.most_pairs
            if not is_whole:
                waiting = [*_halves(strip), *waiting]
            yield n_pairs_of(strip) if is_whole else 0, first, second
        running = started


def _halves(strip: Strip) -> list[Strip]:
    """`strip` cut in two across its longer side."""
    rows, columns = strip
    if rows.stop - rows.start > columns.stop - columns.start:
        middle = (rows.start + rows.stop) // 2
        return [(slice(rows.start, middle), columns), (slice(middle, rows.stop), columns)]
    middle = (columns.start + columns.stop) // 2
    return [(rows, slice(columns.start, middle)), (rows, slice(middle, columns.stop))]


def _product(left: Array, right: Array) -> Array:
    """left · rightᵀ (r, c) float32, in float32 sums."""
    xp: Any = array_api_compat.array_namespace(left)
    return xp.astype(left, xp.float32) @ xp.astype(right, xp.float32).T
