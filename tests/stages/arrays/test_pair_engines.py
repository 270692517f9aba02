"""Pair engines: every pair that may lie below the threshold is found, in strips that cover each pair once."""

from __future__ import annotations

import ctypes
import dataclasses
import itertools
import shutil
import subprocess
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from stages.arrays import cuda_pairs, pair_engines
from stages.arrays.cuda_pairs import KERNEL, CudaPairs
from stages.arrays.pair_engines import (
    ArrayPairs,
    PairEngine,
    PairRows,
    n_pairs_of,
    near_pairs,
    padded,
    storage_of,
    strips_of,
)

GROUPED = 7
SHARED = 0.07
ROUNDING = 1e-12
"""What a threshold is raised by, as the merge raises it by more."""


def cameras(n_rows: int) -> np.ndarray:
    """Three cameras; every fifth row is of several."""
    return np.where(np.arange(n_rows) % 5 == 0, -1, np.arange(n_rows) % 3).astype(np.int32)


def pair_rows(values: np.ndarray, engine: PairEngine, *, is_root: bool = False) -> PairRows:
    """`PairRows` of `values` (R, d) with bounds as tight as float64 tells; groups of `GROUPED` rows."""
    unit = 2.0 ** np.floor(np.log2(np.maximum(np.abs(values).max(axis=1), 1e-30)))
    stored = (values / unit[:, None]).astype(engine.storage)
    rest = np.linalg.norm(values - stored * unit[:, None], axis=1)
    length = np.linalg.norm(values, axis=1)
    norm = length**2
    weights = np.linspace(0, 0.1, len(values))
    return PairRows(
        stored=stored,
        unit=unit,
        size=length + rest,
        length=length,
        residual=rest,
        reach=rest + engine.error * (length + rest),
        base=(norm if is_root else norm + weights) - 1e-14 * (1 + norm),
        offset=weights,
        group=(np.arange(len(values)) // GROUPED).astype(np.int32),
        camera=cameras(len(values)),
        shared=SHARED,
        scale=1.0,
        is_root=is_root,
    )


def distances(values: np.ndarray, *, is_root: bool) -> np.ndarray:
    """D of all pairs in long doubles, infinity on and below the diagonal and within a group."""
    wide = values.astype(np.longdouble)
    squared = ((wide[:, None, :] - wide[None, :, :]) ** 2).sum(axis=2)
    weights = np.linspace(0, 0.1, len(values))
    found = (np.sqrt(squared) if is_root else squared) + weights[:, None] + weights[None, :]
    camera = cameras(len(values))
    found = found + SHARED * ((camera[:, None] == camera) & (camera >= 0))
    group = np.arange(len(values)) // GROUPED
    found[np.tril_indices(len(values))] = np.inf
    found[group[:, None] == group[None, :]] = np.inf
    return found.astype(np.float64)


RNG = np.random.default_rng(0)
CASES = {
    "normal": RNG.standard_normal((60, 24)),
    # halves of the last digit that float16 keeps, all rounded the same way
    "badly rounded": 1 + 2.0**-11 * RNG.integers(0, 2, (60, 40)) + 2.0**-11,
    "positive": 3 + RNG.random((60, 33)),
    "lengths apart": RNG.standard_normal((60, 8)) * 10.0 ** RNG.integers(-6, 1, (60, 1)),
    "identical": np.ones((40, 5)),
}


@pytest.mark.parametrize("is_root", [False, True])
@pytest.mark.parametrize("name", CASES)
def test_every_pair_below_the_threshold_is_found_and_few_others(name: str, is_root: bool) -> None:
    values = CASES[name]
    engine = ArrayPairs(values.astype(np.float32))
    assert engine.storage == "float16"
    expected = distances(values, is_root=is_root)
    rows = pair_rows(values, engine, is_root=is_root)
    for threshold in np.quantile(expected[np.isfinite(expected)], [0.02, 0.5]):
        found = set()
        for _, first, second in near_pairs(
            engine, rows, strips_of(len(values), 16, 32), partial(float, threshold + ROUNDING)
        ):
            found |= set(zip(first.tolist(), second.tolist(), strict=True))
        wanted = set(zip(*np.nonzero(expected <= threshold), strict=True))
        assert wanted <= found
        assert all(np.isfinite(expected[pair]) for pair in found)
        if name == "normal":
            assert len(found) <= 1.1 * len(wanted) + 5


@pytest.mark.parametrize(("n_rows", "rows", "columns"), [(1, 4, 8), (9, 4, 8), (33, 4, 16), (40, 7, 9), (16, 16, 64)])
def test_strips_cover_each_pair_once(n_rows: int, rows: int, columns: int) -> None:
    met: list[tuple[int, int]] = []
    for top, left in strips_of(n_rows, rows, columns):
        own = [(a, b) for a in range(top.start, top.stop) for b in range(left.start, left.stop) if a < b]
        assert n_pairs_of((top, left)) == len(own)
        met += own
    assert sorted(met) == list(itertools.combinations(range(n_rows), 2))


@pytest.mark.parametrize("name", ["identical", "normal"])
def test_a_strip_with_more_pairs_than_there_is_room_for_is_done_again_in_halves(name: str) -> None:
    values = CASES[name]
    engine = ArrayPairs(values.astype(np.float32), most_pairs=5, strips_at_once=3)
    rows, thresholds = pair_rows(values, engine), []
    expected = distances(values, is_root=False)
    threshold = np.quantile(expected[np.isfinite(expected)], 0.3)

    def falling() -> float:
        thresholds.append(threshold)
        return threshold

    found, n_pairs = set(), 0
    for n_done, first, second in near_pairs(engine, rows, strips_of(len(values), 16, 32), falling):
        assert len(first) <= 5
        n_pairs += n_done
        found |= set(zip(first.tolist(), second.tolist(), strict=True))
    assert set(zip(*np.nonzero(expected <= threshold), strict=True)) <= found
    assert n_pairs == len(values) * (len(values) - 1) // 2
    assert len(thresholds) > len(strips_of(len(values), 16, 32)) / 3, "a strip is started under the newest threshold"


def test_the_next_strips_are_started_before_the_last_are_read() -> None:
    events = []

    class Told(ArrayPairs):
        def submit(self, rows, strips, threshold):
            number, read = (
                len([event for event in events if event[0] == "start"]),
                super().submit(rows, strips, threshold),
            )
            events.append(("start", number))
            return lambda: (events.append(("read", number)), read())[1]

    values = CASES["normal"].astype(np.float32)
    engine = Told(values, strips_at_once=2)
    list(near_pairs(engine, pair_rows(values, engine), strips_of(60, 16, 16), lambda: 1.0))
    assert events[:5] == [("start", 0), ("start", 1), ("read", 0), ("start", 2), ("read", 1)]


def test_rows_are_stored_as_float32_if_sums_of_halves_lose_bits() -> None:
    def fourteen_bits(left: np.ndarray, right: np.ndarray) -> np.ndarray:
        product = left.astype(np.float32) @ right.astype(np.float32).T
        if left.dtype == np.float16:
            mantissa, exponent = np.frexp(product)
            product = np.ldexp(np.trunc(mantissa * 2**14) / 2**14, exponent)
        return product

    assert storage_of(fourteen_bits, 64)[0] == "float32"
    assert storage_of(lambda left, right: left.astype(np.float32) @ right.astype(np.float32).T, 64)[0] == "float16"


def test_the_kernel_compiles_for_hopper() -> None:
    nvrtc = pytest.importorskip("cuda.bindings.nvrtc", reason="needs NVIDIA's run-time compiler")
    _, program = nvrtc.nvrtcCreateProgram(KERNEL.encode(), b"pairs.cu", 0, [], [])
    (status,) = nvrtc.nvrtcCompileProgram(program, 1, [b"--gpu-architecture=sm_90"])
    assert status == nvrtc.nvrtcResult.NVRTC_SUCCESS


def by_column(pointer: int, dtype: type[np.generic], n_rows: int, n_columns: int) -> np.ndarray:
    """The matrix (n_rows, n_columns) that lies at `pointer` column after column, as cuBLAS reads it."""
    n_bytes = n_rows * n_columns * np.dtype(dtype).itemsize
    flat = np.frombuffer((ctypes.c_char * n_bytes).from_address(pointer), dtype=dtype)
    return flat.reshape(n_columns, n_rows).T


class PlainBlas:
    """`gemmEx` as NVIDIA documents it: C = α op(A) op(B) + β C, matrices stored by column."""

    CUBLAS_OP_N, CUBLAS_OP_T, CUBLAS_COMPUTE_32F, CUBLAS_GEMM_DEFAULT = 0, 1, 68, -1

    def gemmEx(
        self,
        _handle,
        op_a,
        op_b,
        m,
        n,
        k,
        alpha,
        a,
        kind_a,
        lda,
        b,
        kind_b,
        ldb,
        beta,
        c,
        kind_c,
        ldc,
        compute,
        _algorithm,
    ):
        assert (op_a, op_b, kind_c, compute) == (1, 0, 0, 68)
        dtypes = {2: np.float16, 0: np.float32}
        left = by_column(a, dtypes[kind_a], lda, m)[:k].T.astype(np.float32)
        right = by_column(b, dtypes[kind_b], ldb, n)[:k].astype(np.float32)
        one, zero = (ctypes.c_float.from_address(pointer).value for pointer in (alpha, beta))
        assert (one, zero, ldc) == (1, 0, m)
        by_column(c, np.float32, m, n)[:] = left @ right


@pytest.mark.parametrize("dtype", [np.float16, np.float32])
def test_cublas_is_asked_for_left_times_right_transposed(
    monkeypatch: pytest.MonkeyPatch, dtype: type[np.generic]
) -> None:
    monkeypatch.setattr(cuda_pairs, "cublas", PlainBlas)
    runtime = SimpleNamespace(CUDA_R_16F=2, CUDA_R_32F=0)
    cupy = SimpleNamespace(cuda=SimpleNamespace(runtime=runtime, Device=lambda: SimpleNamespace(cublas_handle=1)))
    hosts = [RNG.standard_normal(shape).astype(dtype) for shape in ((5, 8), (3, 8))]
    result = np.zeros((5, 3), dtype=np.float32)
    there = [
        SimpleNamespace(shape=host.shape, dtype=host.dtype, data=SimpleNamespace(ptr=host.ctypes.data))
        for host in (*hosts, result)
    ]
    cuda_pairs._multiply(cupy, *there)
    np.testing.assert_allclose(result, hosts[0].astype(np.float32) @ hosts[1].astype(np.float32).T, rtol=1e-5)


@pytest.mark.gpu
@pytest.mark.parametrize("is_root", [False, True])
@pytest.mark.parametrize("most_pairs", [7, 1 << 18])
def test_cuda_finds_every_pair_in_few_strips_and_in_many(most_pairs: int, is_root: bool) -> None:
    cupy = pytest.importorskip("cupy")
    if not cupy.cuda.is_available():
        pytest.skip("needs a CUDA device")
    values = np.random.default_rng(3).standard_normal((1500, 203))
    engine = CudaPairs(cupy, 203, most_pairs=most_pairs)
    assert engine.storage == "float16", "tensor cores keep fewer bits than 24: say so in the results"
    rows = pair_rows(values, engine, is_root=is_root)
    stored = np.zeros((len(values), padded(203)), dtype=np.float16)
    stored[:, :203] = rows.stored
    fields = {field.name: getattr(rows, field.name) for field in dataclasses.fields(rows)} | {"stored": stored}
    there = PairRows(**{k: cupy.asarray(v) if isinstance(v, np.ndarray) else v for k, v in fields.items()})
    squared = np.add.outer((values**2).sum(axis=1), (values**2).sum(axis=1)) - 2 * values @ values.T
    weights = np.linspace(0, 0.1, len(values))
    expected = (np.sqrt(np.maximum(squared, 0)) if is_root else squared) + np.add.outer(weights, weights)
    camera = cameras(len(values))
    expected = expected + SHARED * ((camera[:, None] == camera) & (camera >= 0))
    group = np.arange(len(values)) // GROUPED
    expected[(group[:, None] == group[None, :]) | np.tri(len(values), dtype=bool)] = np.inf
    threshold = float(np.quantile(expected[np.isfinite(expected)], 0.0005))
    found, n_pairs = set(), 0
    for n_done, first, second in near_pairs(engine, there, strips_of(len(values), 256, 512), lambda: threshold):
        n_pairs += n_done
        found |= set(zip(first.tolist(), second.tolist(), strict=True))
    wanted = set(zip(*np.nonzero(expected <= threshold * (1 - 1e-9)), strict=True))
    assert wanted <= found
    assert len(found) <= 1.2 * len(wanted) + 5
    assert n_pairs == len(values) * (len(values) - 1) // 2


ONE_LANE = r"""
#include <algorithm>
#include <cstddef>
#define __global__
#define __restrict__
struct Place { int x, y; };
static Place blockIdx, threadIdx, blockDim;
using std::min;
static unsigned __ballot_sync(unsigned, bool vote) { return vote; }
static unsigned __shfl_sync(unsigned, unsigned value, int) { return value; }
static unsigned __popc(unsigned value) { return __builtin_popcount(value); }
static unsigned atomicAdd(unsigned* sum, unsigned more) { unsigned old = *sum; *sum += more; return old; }
static void near_pairs(const float*, int, int, int, int, const double*, const double*, const double*, const double*,
    const double*, const double*, const double*, const int*, const int*, double, double, double, int, unsigned, unsigned*,
    int*, int*);
extern "C" void every_lane(const float* product, int n_rows, int n_columns, int top, int left, const double* const* rows,
    const int* group, const int* camera, double shared, double factor,
    double threshold, int is_root, unsigned most, unsigned* count, int* first, int* second)
{
    blockDim = {1, 1};
    threadIdx = {0, 0};
    for (blockIdx.y = 0; blockIdx.y * 64 < n_rows; ++blockIdx.y)
        for (blockIdx.x = 0; blockIdx.x < n_columns; ++blockIdx.x)
            near_pairs(product, n_rows, n_columns, top, left, rows[0], rows[1], rows[2], rows[3], rows[4], rows[5],
                rows[6], group, camera, shared, factor, threshold, is_root, most, count, first, second);
}
"""
"""A warp of one lane on the CPU: enough for all that the kernel computes, not for how its lanes share a place."""


@pytest.mark.parametrize("is_root", [False, True])
def test_the_kernel_finds_what_whole_arrays_find(tmp_path: Path, is_root: bool) -> None:
    compiler = shutil.which("g++")
    if compiler is None:
        pytest.skip("needs g++")
    source, library = tmp_path / "pairs.cpp", tmp_path / "pairs.so"
    kernel = KERNEL.replace('extern "C" __global__', "static")
    source.write_text(ONE_LANE + kernel)
    subprocess.run([compiler, "-O1", "-w", "-shared", "-fPIC", "-o", library, source], check=True)
    call = ctypes.CDLL(str(library)).every_lane
    call.restype = None
    values = np.concatenate([CASES["normal"], CASES["normal"] + 0.1, CASES["normal"] - 0.1])
    engine = ArrayPairs(values.astype(np.float32))
    rows = pair_rows(values, engine, is_root=is_root)
    threshold = float(np.quantile(distances(values, is_root=is_root)[:60, 60:], 0.1))
    per_row = [rows.unit, rows.size, rows.length, rows.residual, rows.reach, rows.base, rows.offset]
    pointers = (ctypes.c_void_p * 7)(*[column.ctypes.data for column in per_row])
    for top, left in strips_of(len(values), 80, 100):
        product = np.ascontiguousarray(pair_engines._product(rows.stored[top], rows.stored[left]))
        count, pairs = np.zeros(1, dtype=np.uint32), np.zeros((2, product.size), dtype=np.int32)
        call(
            product.ctypes.data_as(ctypes.c_void_p),
            *map(ctypes.c_int, (*product.shape, top.start, left.start)),
            pointers,
            rows.group.ctypes.data_as(ctypes.c_void_p),
            rows.camera.ctypes.data_as(ctypes.c_void_p),
            ctypes.c_double(rows.shared),
            ctypes.c_double(2.0),
            ctypes.c_double(threshold),
            ctypes.c_int(is_root),
            ctypes.c_uint(product.size),
            *(ctypes.c_void_p(array.ctypes.data) for array in (count, pairs[0], pairs[1])),
        )
        ((n_found, first, second),) = engine.submit(rows, [(top, left)], threshold)()
        assert count[0] == n_found > 0
        there = set(zip(*pairs[:, :n_found].tolist(), strict=True))
        assert there == set(zip(first.tolist(), second.tolist(), strict=True))
