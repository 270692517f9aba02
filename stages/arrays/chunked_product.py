"""A float32 product that sums its terms chunk by chunk, which makes its proven error many times smaller at no cost."""

from __future__ import annotations

import ctypes
from functools import cache

import numpy as np

from stages.arrays.blas import SIZE, matrix, routine
from stages.typing import Float32Array

CHUNK = 256
"""Terms that one call of BLAS sums: the fewest that cost nothing, as libraries go on in about as many by themselves."""

ADDITIONS = 4
"""Sums that a library may add to an entry a chunk, at most; it adds one where it does not divide the chunk further."""

_sgemm = routine("sgemm", n_letters=2, n_others=11)


def chunked_product(left: Float32Array, right: Float32Array, out: Float32Array) -> None:
    """Set `out` (r, c) to left · rightᵀ, chunk by chunk of `CHUNK` terms; by SciPy's BLAS, which adds to it in place.

    `left` (r, d) and `right` (c, d), with d > 0, and `out` are float32 in C order. Other Python threads go on meanwhile.
    """
    for start in range(0, left.shape[1], CHUNK):
        terms = slice(start, start + CHUNK)
        _add_product(left[:, terms], right[:, terms], out, kept=float(start > 0))


def n_roundings(dim: int) -> int:
    """Roundings on the way of any product into its sum of `dim`, at most, in `chunked_product`.

    In the sum of a chunk, in whatever order, a product is rounded itself and in k − 1 additions, k = `CHUNK`. That sum
    is rounded again where it is added to the entry, and where each later one is: k + `ADDITIONS` · n_chunks. This
    presumes that BLAS forms sums of a chunk's products before it adds them to what the entry holds, as it must to
    scale them. Where a test of that fails (no library is known), it is `dim`, which holds for all orders.
    """
    chunked = min(dim, CHUNK) + ADDITIONS * -(-dim // CHUNK)
    return min(dim, chunked) if adds_whole_sums() else dim


@cache
def adds_whole_sums() -> bool:
    """Whether this machine's BLAS sums the products of a chunk before it adds them to an entry, in products of two sizes.

    To 1 are added `CHUNK` products that are each 1/63.5 of half a unit in the last place of 1: fewer than 64 of them
    together are lost, 64 or more are not. So equal sums of 1, 2 or `ADDITIONS` in number arrive as 2 units or more, and
    equal sums of fewer products not at all.
    """
    for rows, columns in ((7, 5), (300, 500)):
        entries = np.ones((rows, columns), dtype=np.float32)
        small = np.full((rows, CHUNK), 2.0**-24 / 63.5, dtype=np.float32)
        _add_product(small, np.ones((columns, CHUNK), dtype=np.float32), entries, kept=1.0)
        if entries.min() < 1 + 2 * 2.0**-23:
            return False
    return True


def _add_product(left: Float32Array, right: Float32Array, out: Float32Array, *, kept: float) -> None:
    """Set `out` to kept · out + left · rightᵀ. BLAS has columns first, so to it this is right · leftᵀ."""
    (rows, terms), columns = left.shape, right.shape[0]
    sizes = [ctypes.byref(SIZE(size)) for size in (columns, rows, terms)]
    one, kept_share = (ctypes.byref(ctypes.c_float(factor)) for factor in (1.0, kept))
    operands = [pointer for array in (right, left) for pointer in matrix(array)]
    _sgemm(b"T", b"N", *sizes, one, *operands, kept_share, *matrix(out))
