"""Where the arithmetic runs: NumPy or CuPy for the merge, a torch device for extraction and training.

The only file that imports CuPy, and it does so when a device is asked for, never at import.
"""

from __future__ import annotations

import os
import re
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stages.errors import UsageError
from stages.typing import Array

_DEVICE = re.compile(r"auto|cpu|cuda(?::(\d+))?")


@dataclass(frozen=True)
class Backend:
    """An array library on a device: `namespace` makes arrays, `library` and `device` are for the manifest."""

    namespace: Any
    library: str
    device: str

    def asarray(self, host: NDArray[Any]) -> Array:
        """The array `host` on this backend's device, same shape and dtype."""
        return self.namespace.asarray(host)


def namespace_for(device: str = "auto") -> Backend:
    """The array library for `device`: 'auto', 'cpu', 'cuda' or 'cuda:N'.

    'auto' is CuPy where a GPU answers and NumPy elsewhere; `Backend.library` says which it became. A CUDA device
    also becomes CuPy's current device. Raises UsageError for a device that is not there, or is not a device.
    """
    index = _parse_device(device)
    if device == "cpu":
        return _numpy_backend()
    cupy = _import_cupy()
    n_devices = _count_cuda_devices(cupy)
    if device == "auto" and n_devices == 0:
        return _numpy_backend()
    if index >= n_devices:
        raise UsageError(_no_cuda(device, n_devices, "CuPy"))
    cupy.cuda.Device(index).use()
    import array_api_compat.cupy

    name = cupy.cuda.runtime.getDeviceProperties(index)["name"].decode()
    return Backend(array_api_compat.cupy, f"cupy {cupy.__version__}", f"cuda:{index} {name}")


def to_host(array: Array) -> NDArray[Any]:
    """`array` as a NumPy array: itself where it is one, a copy where it lives on a GPU or in another library."""
    if isinstance(array, np.ndarray):
        return array
    if hasattr(array, "get"):
        host: NDArray[Any] = array.get()
        return host
    return np.asarray(array)


def resolve_torch_device(device: str = "auto") -> str:
    """The torch device string, 'cpu' or 'cuda:N', for 'auto', 'cpu', 'cuda' or 'cuda:N'.

    Raises UsageError for a device that is not there, or is not a device.
    """
    index = _parse_device(device)
    if device == "cpu":
        return "cpu"
    import torch

    n_devices = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if device == "auto" and n_devices == 0:
        return "cpu"
    if index >= n_devices:
        raise UsageError(_no_cuda(device, n_devices, "torch"))
    return f"cuda:{index}"


def _parse_device(device: str) -> int:
    match = _DEVICE.fullmatch(device)
    if match is None:
        raise UsageError(f"device is '{device}', wanted auto, cpu, cuda or cuda:N; pass --device cpu")
    return int(match.group(1) or 0)


def _numpy_backend() -> Backend:
    import array_api_compat.numpy

    return Backend(array_api_compat.numpy, f"numpy {np.__version__}", "cpu")


def _import_cupy() -> Any:
    try:
        import cupy
    except ImportError:
        return None
    return cupy


def _count_cuda_devices(cupy: Any) -> int:
    if cupy is None or not cupy.cuda.is_available():
        return 0
    return int(cupy.cuda.runtime.getDeviceCount())


def _no_cuda(device: str, n_devices: int, library: str) -> str:
    return f"device {device} wanted, but {library} sees {n_devices} CUDA device(s); pass --device cpu or auto"


def available_bytes(array: Array) -> int:
    """Bytes that could still be allocated where `array` lives: free GPU memory, or what the host has available.

    On the host that is the smaller of the kernel's estimate (MemAvailable, or the free pages where there is none)
    and what a control group leaves.
    """
    import array_api_compat

    if array_api_compat.is_cupy_array(array):
        import cupy

        free: int = cupy.cuda.runtime.memGetInfo()[0]
        return free + int(cupy.get_default_memory_pool().free_bytes())
    return min(_host_available_bytes(), _control_group_bytes())


def _host_available_bytes() -> int:
    meminfo = Path("/proc/meminfo")
    if meminfo.exists():
        for line in meminfo.read_text().splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def _control_group_bytes() -> int:
    limit, used = (Path("/sys/fs/cgroup") / name for name in ("memory.max", "memory.current"))
    try:
        return max(0, int(limit.read_text()) - int(used.read_text()))
    except (OSError, ValueError):
        return sys.maxsize


@dataclass(frozen=True)
class Product:
    """A matrix product of stored rows, and how far it may be from the exact one.

    `storage` names how rows are stored: 'int8', 'float32' or 'bfloat16' (as its bits, uint16). `multiply(left, right)`
    of (r, d) and (c, d) is left · rightᵀ, (r, c) int32 or float32 on the host, by one library thread; the array
    belongs to the calling thread, whose next product overwrites it. `tile` is an edge at which that is fast.
    |product − exact| ≤ `error` · ‖left row‖ ‖right row‖ for rows of largest |value| 1 (int8: exact).
    """

    storage: str
    error: float
    tile: int
    multiply: Callable[[Array, Array], Array]


def host_product(precision: str, *, n_rows: int, dim: int) -> Product:
    """The product for screening `n_rows` rows of `dim` on the CPU: 'float32', 'bfloat16', 'int8', or 'auto'.

    'auto' is int8 where the processor multiplies it in hardware and the work outweighs importing torch, else float32.
    Errors: float32 in any order of summation, fused or not, is within d·2^-24/(1 − d·2^-24); bfloat16 sums its exact
    products in float32 (taken as twice that, for hardware that truncates) and rounds the result to 8 bits; int8 sums
    in int32, exactly, up to d = 2^17.
    """
    if precision == "auto":
        worth_importing = "torch" in sys.modules or n_rows * n_rows * dim > _INT8_PAYS
        precision = "int8" if worth_importing and _multiplies_int8() and dim <= _INT8_DIM else "float32"
    if precision == "int8" and dim > _INT8_DIM:
        raise UsageError(f"precision int8 wanted for {dim} dimensions, which overflow int32; pass float32")
    if precision == "float32":
        return Product("float32", _gamma(dim, 2.0**-24), 1024, _float32_product(_Buffers()))
    if precision == "int8":
        return Product("int8", 0.0, 512, _int8_product(_Buffers()))
    if precision == "bfloat16":
        return Product("bfloat16", 2.0**-8 + 1.01 * _gamma(dim, 2.0**-22), 512, _bfloat16_product(_Buffers()))
    raise UsageError(f"precision is '{precision}', wanted auto, float32, bfloat16 or int8")


@contextmanager
def one_library_thread() -> Iterator[None]:
    """Inside, BLAS and torch use one thread a caller, so that Python threads can share the processor's cores."""
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

    torch_threads = sys.modules["torch"].get_num_threads() if "torch" in sys.modules else None
    with threadpool_limits(1):
        yield
    if torch_threads is not None:
        sys.modules["torch"].set_num_threads(torch_threads)


def n_cores() -> int:
    """How many processors this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


_INT8_PAYS = 2.5e11
_INT8_DIM = 1 << 17


def _gamma(dim: int, unit_roundoff: float) -> float:
    """Relative error of a sum of `dim` rounded products, with what underflow can add for rows of size at least 1."""
    return dim * unit_roundoff / (1 - min(0.5, dim * unit_roundoff)) + dim * 2.0**-126


def _multiplies_int8() -> bool:
    cpuinfo = Path("/proc/cpuinfo")
    return cpuinfo.exists() and any(flag in cpuinfo.read_text() for flag in ("amx_int8", "avx512_vnni"))


class _Buffers(threading.local):
    """Arrays of each thread, kept from product to product: fresh pages cost as much as a small product."""

    def __init__(self) -> None:
        self._flat: dict[str, NDArray[Any]] = {}

    def array(self, shape: tuple[int, int], dtype: Any) -> NDArray[Any]:
        """An uninitialised array (r, c) of `dtype`."""
        size = shape[0] * shape[1]
        name = np.dtype(dtype).name
        if name not in self._flat or self._flat[name].size < size:
            self._flat[name] = np.empty(size, dtype=dtype)
        return self._flat[name][:size].reshape(shape)


def _float32_product(buffers: _Buffers) -> Callable[[Array, Array], Array]:
    def multiply(left: Array, right: Array) -> Array:
        return np.matmul(left, right.T, out=buffers.array((len(left), len(right)), np.float32))

    return multiply


def _int8_product(buffers: _Buffers) -> Callable[[Array, Array], Array]:
    import torch

    def multiply(left: Array, right: Array) -> Array:
        torch.set_num_threads(1)
        result = buffers.array((len(left), len(right)), np.int32)
        torch._int_mm(torch.from_numpy(left), torch.from_numpy(right).T, out=torch.from_numpy(result))
        return result

    return multiply


def _bfloat16_product(buffers: _Buffers) -> Callable[[Array, Array], Array]:
    import torch

    def multiply(left: Array, right: Array) -> Array:
        torch.set_num_threads(1)
        shape = (len(left), len(right))
        parts = [torch.from_numpy(part.view(np.int16)).view(torch.bfloat16) for part in (left, right)]
        rounded = torch.from_numpy(buffers.array(shape, np.int16)).view(torch.bfloat16)
        torch.mm(parts[0], parts[1].T, out=rounded)
        result = buffers.array(shape, np.float32)
        torch.from_numpy(result).copy_(rounded)
        return result

    return multiply


class TorchExchange:
    """The processes of an initialised `torch.distributed` group, as `stages.merge.exchange.Exchange` describes them."""

    def __init__(self) -> None:
        import torch.distributed as dist

        self.rank, self.size = dist.get_rank(), dist.get_world_size()
        self._device = f"cuda:{_current_cuda_device()}" if dist.get_backend() == "nccl" else "cpu"

    def all_gather(self, values: NDArray[np.float64]) -> list[NDArray[np.float64]]:
        """`values` (any number, 3) of every process, in order of rank; padded for the way, since lengths differ."""
        import torch
        import torch.distributed as dist

        length = torch.tensor([len(values)], device=self._device)
        lengths = [torch.zeros_like(length) for _ in range(self.size)]
        dist.all_gather(lengths, length)
        longest = max(int(other) for other in lengths)
        padded = torch.zeros((longest, 3), dtype=torch.float64, device=self._device)
        padded[: len(values)] = torch.from_numpy(values)
        everything = [torch.empty_like(padded) for _ in range(self.size)]
        dist.all_gather(everything, padded)
        return [part[: int(n)].cpu().numpy() for part, n in zip(everything, lengths, strict=True)]


def _current_cuda_device() -> int:
    import torch

    return torch.cuda.current_device()
