"""Finding pairs on a CUDA device: cuBLAS multiplies float16 rows in float32 sums, one kernel reads each product once.

CuPy comes as an argument, from `backend`. A strip costs one call of cuBLAS and one launch; strips take turns on two streams,
so that the kernel of one runs beside the product of the next.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stages.arrays.backend import cublas
from stages.arrays.pair_engines import (
    STRIP_COLUMNS,
    STRIP_PAIRS,
    STRIP_ROWS,
    Found,
    PairRows,
    Strip,
    padded,
    storage_of,
)
from stages.typing import Array

_THREADS, _ROWS_A_BLOCK = 256, 64
_N_STREAMS = 2

KERNEL = r"""
extern "C" __global__ void near_pairs(
    const float* __restrict__ product, const int n_rows, const int n_columns, const int top, const int left,
    const double* __restrict__ unit, const double* __restrict__ size, const double* __restrict__ length,
    const double* __restrict__ residual, const double* __restrict__ reach, const double* __restrict__ base,
    const double* __restrict__ offset, const int* __restrict__ group, const int* __restrict__ camera,
    const double shared, const double factor, const double threshold, const int is_root,
    const unsigned int most_pairs, unsigned int* __restrict__ n_found, int* __restrict__ first, int* __restrict__ second)
{
    const int j = blockIdx.x * blockDim.x + threadIdx.x;
    const int i_first = blockIdx.y * ROWS_A_BLOCK;
    const int i_stop = min(i_first + ROWS_A_BLOCK, n_rows);
    const bool inside = j < n_columns;
    const int b = left + j;
    double unit_b = 0, reach_b = 0, length_b = 0, base_b = 0, offset_b = 0;
    int group_b = 0, camera_b = -1;
    if (inside) {
        unit_b = unit[b]; reach_b = reach[b]; length_b = length[b];
        base_b = base[b]; offset_b = offset[b]; group_b = group[b]; camera_b = camera[b];
    }
    const unsigned int lane = threadIdx.x & 31;
    #pragma unroll 4
    for (int i = i_first; i < i_stop; ++i) {
        const int a = top + i;
        bool near = false;
        if (inside && a < b) {
            const double value = product[(size_t)i * n_columns + j];
            const double bound = unit[a] * unit_b * value + size[a] * reach_b + residual[a] * length_b;
            const double lowest = base[a] + base_b - factor * bound;
            const double more = camera_b >= 0 && camera[a] == camera_b ? shared : 0.0;
            if (is_root) {
                const double room = threshold - offset[a] - offset_b - more;
                near = room >= 0 && lowest <= room * room;
            } else {
                near = lowest + more <= threshold;
            }
            near = near && group[a] != group_b;
        }
        const unsigned int votes = __ballot_sync(0xffffffffu, near);
        if (votes) {
            unsigned int place = 0;
            if (lane == 0) place = atomicAdd(n_found, (unsigned int)__popc(votes));
            place = __shfl_sync(0xffffffffu, place, 0) + __popc(votes & ((1u << lane) - 1));
            if (near && place < most_pairs) { first[place] = a; second[place] = b; }
        }
    }
}
""".replace("ROWS_A_BLOCK", str(_ROWS_A_BLOCK))
"""The same inequality as `ArrayPairs`; a warp looks at 32 columns of a row, and appends with one atomic addition."""


class CudaPairs:
    """`PairEngine` on CuPy's current device, for rows of `dim` values."""

    def __init__(self, cupy: Any, dim: int, *, most_pairs: int = STRIP_PAIRS, strips_at_once: int = 8):
        self._cupy, self.most_pairs, self.strips_at_once = cupy, most_pairs, strips_at_once
        self._kernel = _kernel_of(cupy)
        self._streams = [cupy.cuda.Stream(non_blocking=True) for _ in range(_N_STREAMS)]
        self._reading = cupy.cuda.Stream(non_blocking=True)
        self._product: list[Array] = []
        self._turns = [self._room() for _ in range(2)]
        self._turn = 0
        self.storage, self.error = _storage_on(cupy, int(cupy.cuda.runtime.getDevice()), padded(dim))

    def _room(self) -> tuple[Array, Array]:
        """Counts (s,) and pairs (s, 2, most_pairs) of strips submitted together."""
        cupy = self._cupy
        shape = (self.strips_at_once, 2, self.most_pairs)
        return cupy.empty(self.strips_at_once, dtype=cupy.uint32), cupy.empty(shape, dtype=cupy.int32)

    def _products(self, rows: PairRows) -> list[Array]:
        """A product of a strip for each stream, made once."""
        n_rows = rows.stored.shape[0]
        n_values = min(STRIP_ROWS, n_rows) * min(STRIP_COLUMNS, n_rows)
        if not self._product or self._product[0].size < n_values:
            self._product = [self._cupy.empty(n_values, dtype=self._cupy.float32) for _ in self._streams]
        return self._product

    def submit(self, rows: PairRows, strips: Sequence[Strip], threshold: float) -> Callable[[], list[Found]]:
        """See `PairEngine`. At most two submissions may wait to be read, each of `strips_at_once` strips at most."""
        cupy, products = self._cupy, self._products(rows)
        counts, pairs = self._turns[self._turn]
        self._turn = 1 - self._turn
        counts.fill(0)
        before = cupy.cuda.get_current_stream().record()
        for stream in self._streams:
            stream.wait_event(before)
        for number, (top, left) in enumerate(strips):
            stream, n_rows, n_columns = self._streams[number % _N_STREAMS], top.stop - top.start, left.stop - left.start
            product = products[number % _N_STREAMS][: n_rows * n_columns].reshape(n_rows, n_columns)
            with stream:
                _multiply(cupy, rows.stored[top], rows.stored[left], product)
                self._launch(rows, top, left, product, threshold, counts[number:], pairs[number])
        done = [stream.record() for stream in self._streams]

        def read() -> list[Found]:
            for event in done:
                event.synchronize()
            n_found = counts.get(stream=self._reading)[: len(strips)].tolist()
            n_kept = [min(count, self.most_pairs) for count in n_found]
            # the pairs of all strips come in one copy
            there = pairs[: len(strips), :, : max(n_kept)]
            host = np.empty(there.shape, dtype=np.int32) if not there.size else self._fetched(there)
            sides = host.astype(np.int64)
            return [
                (count, sides[number, 0, :kept], sides[number, 1, :kept])
                for number, (count, kept) in enumerate(zip(n_found, n_kept, strict=True))
            ]

        return read

    def _fetched(self, there: Array) -> NDArray[np.int32]:
        """`there` on the host, after what its streams were given before the events that were waited for."""
        with self._reading:
            host: NDArray[np.int32] = self._cupy.ascontiguousarray(there).get(stream=self._reading)
        return host

    def _launch(
        self, rows: PairRows, top: slice, left: slice, product: Array, threshold: float, count: Array, pairs: Array
    ) -> None:
        n_rows, n_columns = product.shape
        grid = (-(-n_columns // _THREADS), -(-n_rows // _ROWS_A_BLOCK))
        bounds_of_rows = (rows.unit, rows.size, rows.length, rows.residual, rows.reach, rows.base, rows.offset)
        per_row = (*bounds_of_rows, rows.group, rows.camera, np.float64(rows.shared))
        whole = (np.int32(n_rows), np.int32(n_columns), np.int32(top.start), np.int32(left.start))
        bounds = (np.float64(2 * rows.scale), np.float64(threshold), np.int32(rows.is_root), np.uint32(self.most_pairs))
        self._kernel(grid, (_THREADS,), (product, *whole, *per_row, *bounds, count, pairs[0], pairs[1]))


def _multiply(cupy: Any, left: Array, right: Array, result: Array) -> None:
    """left · rightᵀ into `result` (r, c) float32, of rows (r, d) and (c, d), both float16 or both float32, C-contiguous.

    cuBLAS knows columns: what is asked for is resultᵀ = right · leftᵀ of matrices stored by column.
    """
    blas, runtime = cublas(), cupy.cuda.runtime
    kind = runtime.CUDA_R_16F if left.dtype == np.float16 else runtime.CUDA_R_32F
    one, zero = np.ones(1, dtype=np.float32), np.zeros(1, dtype=np.float32)
    (n_rows, dim), n_columns = left.shape, right.shape[0]
    handle = cupy.cuda.Device().cublas_handle
    blas.gemmEx(
        handle,
        blas.CUBLAS_OP_T,
        blas.CUBLAS_OP_N,
        n_columns,
        n_rows,
        dim,
        one.ctypes.data,
        right.data.ptr,
        kind,
        dim,
        left.data.ptr,
        kind,
        dim,
        zero.ctypes.data,
        result.data.ptr,
        runtime.CUDA_R_32F,
        n_columns,
        blas.CUBLAS_COMPUTE_32F,
        blas.CUBLAS_GEMM_DEFAULT,
    )


@functools.cache
def _kernel_of(cupy: Any) -> Any:
    return cupy.RawKernel(KERNEL, "near_pairs")


@functools.cache
def _storage_on(cupy: Any, _device: int, dim: int) -> tuple[str, float]:
    """`storage_of` the current device, number `_device`: probed once in a process."""

    def multiply(left: Array, right: Array) -> Array:
        # cuBLAS chooses its kernel by the shape, so the probe has about that of a strip
        there = [
            cupy.asarray(rows)[cupy.arange(n_rows) % len(rows)]
            for rows, n_rows in ((left, STRIP_ROWS), (right, STRIP_COLUMNS))
        ]
        result = cupy.empty((STRIP_ROWS, STRIP_COLUMNS), dtype=cupy.float32)
        _multiply(cupy, there[0], there[1], result)
        return np.asarray(result[: len(left), : len(right)].get())

    return storage_of(multiply, dim)
