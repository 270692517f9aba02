"""Matrix products of stored rows on the CPU, with proven bounds on their errors: float32 by NumPy, int8 compiled."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from stages.arrays.compiled_int8 import (
    LARGEST_DIM,
    fills_a_block,
    multiplies_int8,
    multiply_in_blocks,
    multiply_plainly,
)
from stages.arrays.product_errors import product_bound
from stages.arrays.row_blocks import Buffers
from stages.errors import UsageError
from stages.typing import Array


@dataclass(frozen=True)
class Product:
    """A matrix product of stored rows, and how far it may be from the exact one.

    `storage` names how rows are stored: 'int8' or 'float32'. `multiply(left, right)`
    of (r, d) and (c, d) is left · rightᵀ, (r, c) int32 or float32 on the host, by one library thread; the array
    belongs to the calling thread, whose next product overwrites it. `tile` is an edge at which that is fast.
    |product − exact| ≤ `error` · ‖left row‖ ‖right row‖ for rows of largest |value| 1 to 2 (int8: exact).
    """

    storage: str
    error: float
    tile: int
    multiply: Callable[[Array, Array], Array]


def host_product(precision: str, *, n_rows: int, dim: int) -> Product:
    """The product for screening `n_rows` rows of `dim` on the CPU: 'float32', 'int8', or 'auto'.

    'auto' is int8 if the processor multiplies it in hardware and the work outweighs loading the loop, else float32.
    Errors: float32 in any order of summation, fused or not, is within d·2^-24/(1 − d·2^-24); int8 sums in int32, exactly,
    up to d = 2^17. Raises UsageError for another `precision`, and for int8 of more dimensions.
    """
    if precision == "auto":
        pays = n_rows * n_rows * dim > _INT8_PAYS and multiplies_int8() and dim <= LARGEST_DIM
        precision = "int8" if pays else "float32"
    if precision == "int8" and dim > LARGEST_DIM:
        raise UsageError(
            f"`precision='int8'` takes at most {LARGEST_DIM} dimensions, got {dim}; pass `precision='float32'`"
        )
    if precision == "float32":
        edge = 1024 if n_rows > 6000 else 704 if n_rows > 2500 else 512
        return Product("float32", product_bound("float32", dim), edge, _float32_product(Buffers()))
    if precision == "int8":
        return Product("int8", 0.0, 512, _int8_product(Buffers()))
    raise UsageError(f"unknown `precision` '{precision}': choose auto, float32 or int8")


_INT8_PAYS = 4e9
"""Products from which int8 saves more than to load its loop takes: 7 ms."""


def _float32_product(buffers: Buffers) -> Callable[[Array, Array], Array]:
    def multiply(left: Array, right: Array) -> Array:
        return np.matmul(left, right.T, out=buffers.array((len(left), len(right)), np.float32))

    return multiply


def _int8_product(buffers: Buffers) -> Callable[[Array, Array], Array]:
    in_hardware = multiplies_int8()

    def multiply(left: Array, right: Array) -> Array:
        result = buffers.array((len(left), len(right)), np.int32)
        if in_hardware and fills_a_block(left, right):
            lifted = np.bitwise_xor(left.view(np.uint8), np.uint8(128), out=buffers.array(left.shape, np.uint8))
            multiply_in_blocks(left, lifted, right, result)
        else:
            multiply_plainly(left, right, result)
        return result

    return multiply
