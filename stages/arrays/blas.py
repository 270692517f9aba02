"""Routines of SciPy's BLAS that work in place and let other Python threads go on, which `scipy.linalg.blas` does not."""

from __future__ import annotations

import ctypes
from collections.abc import Callable

import scipy.linalg.cython_blas  # its library must be loaded before its threads can be limited

from stages.typing import Array, Float64Array

_ROUTINES: dict[str, object] = dict(scipy.linalg.cython_blas.__pyx_capi__)
SIZE = ctypes.c_int if " int *" in repr(_ROUTINES["sgemm"]) else ctypes.c_int64
"""How SciPy's BLAS takes sizes: wheels have 32 bits, a build may have 64."""


def routine(name: str, *, n_letters: int, n_others: int) -> Callable[..., None]:
    """The Fortran routine `name`, which takes `n_letters` letters and then the addresses of `n_others` values."""
    capsule = _ROUTINES[name]
    signature, address = ctypes.pythonapi.PyCapsule_GetName, ctypes.pythonapi.PyCapsule_GetPointer
    signature.restype, signature.argtypes = ctypes.c_char_p, [ctypes.py_object]
    address.restype, address.argtypes = ctypes.c_void_p, [ctypes.py_object, ctypes.c_char_p]
    prototype = ctypes.CFUNCTYPE(None, *[ctypes.c_char_p] * n_letters, *[ctypes.c_void_p] * n_others)
    return prototype(address(capsule, signature(capsule)))


_dtrmm = routine("dtrmm", n_letters=4, n_others=7)
_dsyrk = routine("dsyrk", n_letters=2, n_others=8)
_ONE = ctypes.c_double(1.0)


def multiply_by_upper(rows: Float64Array, upper: Float64Array) -> None:
    """Set `rows` (n, d) to `rows` @ `upper`, (d, d) upper triangular; both float64 in C order.

    BLAS has columns first, so to it this is a product with a lower triangle from the left.
    """
    dim, n_rows = (ctypes.byref(SIZE(size)) for size in reversed(rows.shape))
    _dtrmm(b"L", b"L", b"N", b"N", dim, n_rows, ctypes.byref(_ONE), *matrix(upper), *matrix(rows))


def add_square(rows: Float64Array, total: Float64Array) -> None:
    """Add `rows`ᵀ @ `rows` of (n, d) to the lower triangle of `total` (d, d), both float64 in C order."""
    dim, n_rows = (ctypes.byref(SIZE(size)) for size in reversed(rows.shape))
    _dsyrk(b"U", b"N", dim, n_rows, ctypes.byref(_ONE), *matrix(rows), ctypes.byref(_ONE), *matrix(total))


def matrix(array: Array) -> tuple[object, object]:
    """Address of a matrix in C order, and its stride in numbers, which NumPy leaves open for a single row."""
    apart = max(array.shape[1], array.strides[0] // array.itemsize)
    return array.ctypes.data, ctypes.byref(SIZE(apart))
