"""The product of int8 rows, exact in int32: by the processor's own instruction if it has one, which is four times float32."""

from __future__ import annotations

from typing import Any

import llvmlite.binding
import numba
import numpy as np
from llvmlite import ir
from numba.core import cgutils, types
from numba.core.errors import TypingError
from numba.extending import intrinsic

from stages.arrays.compiled import compiled
from stages.typing import Array

BLOCK = 4, 6
"""Rows of left and right whose sums are kept in registers at once: 24 of 32, and 7 for what is read."""
CHUNK = 64
"""Values of a row that one instruction multiplies."""
LARGEST_DIM = 1 << 17
"""Values of a row up to which sums of int8 products stay in int32."""

_config: Any = numba.config
_cgutils: Any = cgutils
_intrinsic: Any = intrinsic
_LANES = ir.VectorType(ir.IntType(32), CHUNK // 4)
_WORD, _INT32 = ir.IntType(64), ir.IntType(32)

jit = compiled()


def multiplies_int8() -> bool:
    """Whether compiled loops may use AVX-512 VNNI here."""
    chosen = _config.CPU_NAME or _config.CPU_FEATURES or not _config.ENABLE_AVX
    return not chosen and bool(llvmlite.binding.get_host_cpu_features().get("avx512vnni", False))


def fills_a_block(left: Array, right: Array) -> bool:
    """Whether `left` (r, d) and `right` (c, d) are large enough for `multiply_in_blocks`."""
    return len(left) >= BLOCK[0] and len(right) >= BLOCK[1] and left.shape[1] >= CHUNK


@jit
def dot_int8(left, right):  # type: ignore[no-untyped-def]
    """left · right of int8 rows, exact in int32 up to 2^17 values; narrow types, because they vectorise widest."""
    total = np.int32(0)
    for j in range(left.size):
        total = np.int32(total + np.int16(np.int16(left[j]) * np.int16(right[j])))
    return total


@jit
def multiply_plainly(left, right, result):  # type: ignore[no-untyped-def]
    """Put left · rightᵀ, of `left` (r, d) and `right` (c, d) int8, into `result` (r, c) int32, on any processor."""
    for i in range(left.shape[0]):
        for j in range(right.shape[0]):
            result[i, j] = dot_int8(left[i], right[j])


@jit
def multiply_in_blocks(left, lifted, right, result):  # type: ignore[no-untyped-def]
    """Put left · rightᵀ, of `left` (r, d) and `right` (c, d) int8, into `result` (r, c) int32, by AVX-512 VNNI.

    The instruction wants one side without a sign: `lifted` (r, d) uint8 is `left` + 128, and 128 times the sums of the rows of
    `right` are taken off again, in arithmetic modulo 2^32. The matrices must fill a block (`fills_a_block`). The last block
    overlaps the one before.
    """
    n_rows, n_columns, n_chunks = left.shape[0], right.shape[0], left.shape[1] // 64
    for column in range(0, n_columns, 6):
        for row in range(0, n_rows, 4):
            _put_block(lifted, right, result, min(row, n_rows - 4), min(column, n_columns - 6), n_chunks)
    whole = n_chunks * 64
    lift = np.zeros(n_columns, dtype=np.int32)
    for j in range(n_columns):
        for k in range(whole):
            lift[j] += np.int32(right[j, k]) << 7
    for i in range(n_rows):
        for j in range(n_columns):
            result[i, j] -= lift[j]
        if whole < left.shape[1]:
            for j in range(n_columns):
                result[i, j] += dot_int8(left[i, whole:], right[j, whole:])


@_intrinsic
def _put_block(typing, lifted, right, result, row, column, n_chunks):  # type: ignore[no-untyped-def]  # noqa: ARG001
    """Put lifted · rightᵀ of 4 rows from `row` and 6 from `column`, over `n_chunks` ≥ 1 chunks, into `result`."""
    for array, dtype in ((lifted, types.uint8), (right, types.int8), (result, types.int32)):
        if array.layout != "C" or array.dtype != dtype or array.ndim != 2:
            raise TypingError(f"_put_block needs a C-contiguous matrix of {dtype}, got {array}")
    return types.void(lifted, right, result, types.int64, types.int64, types.int64), _emit_block


def _emit_block(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
    """LLVM's code of `_put_block`: a loop over chunks with a register of 16 sums for each pair of rows."""

    def number(value: int) -> Any:
        return ir.Constant(_WORD, value)

    def starts(place: int, first: Any, n_rows: int) -> list[Any]:
        array = context.make_array(signature.args[place])(context, builder, arguments[place])
        stride = _cgutils.unpack_tuple(builder, array.strides)[0]
        data = builder.ptrtoint(array.data, _WORD)
        return [builder.add(data, builder.mul(builder.add(first, number(k)), stride)) for k in range(n_rows)]

    def function(name: str, result: Any, *given: Any) -> Any:
        return _cgutils.get_or_insert_function(builder.module, ir.FunctionType(result, given), name)

    row, column, n_chunks = arguments[3:]
    n_left, n_right = BLOCK
    multiply_add = function("llvm.x86.avx512.vpdpbusd.512", _LANES, _LANES, _LANES, _LANES)
    add_up = function("llvm.vector.reduce.add.v16i32", _INT32, _LANES)
    left_rows, right_rows = starts(0, row, n_left), starts(1, column, n_right)
    before, loop, after = builder.block, builder.append_basic_block("loop"), builder.append_basic_block("after")
    builder.branch(loop)
    builder.position_at_end(loop)
    chunk = builder.phi(_WORD)
    sums = [builder.phi(_LANES) for _ in range(n_left * n_right)]
    offset = builder.mul(chunk, number(CHUNK))

    def read(start: Any) -> Any:
        return builder.load(builder.inttoptr(builder.add(start, offset), _LANES.as_pointer()), align=1)

    columns = [read(start) for start in right_rows]
    added: list[Any] = []
    for start in left_rows:
        values = read(start)
        added += [builder.call(multiply_add, [sums[len(added) + k], values, columns[k]]) for k in range(n_right)]
    following = builder.add(chunk, number(1))
    for phi, first, later in zip([chunk, *sums], [0, *[[0] * 16] * len(sums)], [following, *added], strict=True):
        phi.add_incoming(ir.Constant(phi.type, first), before)
        phi.add_incoming(later, loop)
    builder.cbranch(builder.icmp_signed("<", following, n_chunks), loop, after)
    builder.position_at_end(after)
    for k, start in enumerate(starts(2, row, n_left)):
        for j in range(n_right):
            place = builder.add(start, builder.mul(builder.add(column, number(j)), number(4)))
            builder.store(builder.call(add_up, [added[k * n_right + j]]), builder.inttoptr(place, _INT32.as_pointer()))
    return context.get_dummy_value()
