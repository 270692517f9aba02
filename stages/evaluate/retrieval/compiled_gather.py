"""Where values lie within bounds, sixteen at a time: a store of chosen lanes, which compilers do not find in a loop."""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba.core import types
from numba.extending import intrinsic

from stages.arrays.compiled_similarity import jit

LANES = 16

_FLOATS = ir.VectorType(ir.FloatType(), LANES)
_INTS = ir.VectorType(ir.IntType(32), LANES)
_CHOICE = ir.VectorType(ir.IntType(1), LANES)


def _lanes(_context, values, start, low, high, places, n):  # type: ignore[no-untyped-def]
    """Write those of start … start + 15 whose value lies in [low, high] from places[n] on; how many they are (int64).

    `values` and the bounds are float32, `places` int32, `start` and `n` int64. Processors with
    AVX-512 have an instruction for it; for others LLVM makes a branch a lane.
    """

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        values, start, low, high, places, n = arguments
        source = context.make_array(signature.args[0])(context, builder, values).data
        target = context.make_array(signature.args[4])(context, builder, places).data
        lanes = builder.load(builder.bitcast(builder.gep(source, [start]), _FLOATS.as_pointer()), align=4)
        chosen = builder.and_(
            builder.fcmp_ordered(">=", lanes, _everywhere(builder, low, _FLOATS)),
            builder.fcmp_ordered("<=", lanes, _everywhere(builder, high, _FLOATS)),
        )
        first = _everywhere(builder, builder.trunc(start, ir.IntType(32)), _INTS)
        index = builder.add(first, ir.Constant(_INTS, list(range(LANES))))
        kind = ir.FunctionType(ir.VoidType(), [_INTS, ir.IntType(32).as_pointer(), _CHOICE])
        store = builder.module.declare_intrinsic(f"llvm.masked.compressstore.v{LANES}i32", (), kind)
        builder.call(store, [index, builder.gep(target, [n]), chosen])
        return builder.zext(builder.ctpop(builder.bitcast(chosen, ir.IntType(LANES))), ir.IntType(64))

    return types.int64(values, start, low, high, places, n), code


_gather_lanes: Any = intrinsic(_lanes)


def _everywhere(builder: Any, value: Any, vector: Any) -> Any:
    """`value` in every lane of a `vector`."""
    undefined = ir.Constant(vector, ir.Undefined)
    one = builder.insert_element(undefined, value, ir.Constant(ir.IntType(32), 0))
    return builder.shuffle_vector(one, undefined, ir.Constant(_INTS, [0] * LANES))


@jit
def gather(values, low, high, places):  # type: ignore[no-untyped-def]
    """How many of the float32 `values` (n,) lie in [low, high]; `places` (n, int32) begins with where, ascending.

    `values` and `places` lie densely in memory.
    """
    found = 0
    whole = values.size - values.size % LANES
    for start in range(0, whole, LANES):
        found += _gather_lanes(values, start, low, high, places, found)
    for j in range(whole, values.size):
        if low <= values[j] <= high:
            places[found] = j
            found += 1
    return found
