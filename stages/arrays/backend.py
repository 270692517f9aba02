"""Where the arithmetic runs: NumPy or CuPy for the merge, a torch device for extraction and training.

The only file that imports CuPy, and it does so when a device is asked for, never at import.
"""

from __future__ import annotations

import ctypes
import math
import os
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stages.caches import keep_cache
from stages.errors import DbcError, UsageError
from stages.typing import Array
from stages.wording import so_many

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


GPU_PAYS = 1e10
"""Products from which `auto` takes a GPU: about 2,200 samples of 2048. At 4,000 an H200 merged in 0.03 s and sixteen cores in
0.05 s; below, CuPy's start and the compilation of its kernels cost more than they save."""


def namespace_for(device: str = "auto", *, n_products: float = math.inf) -> Backend:
    """The array library for `device`: 'auto', 'cpu', 'cuda' or 'cuda:N'.

    'auto' is CuPy if a GPU answers and the work, `n_products` multiplications, is at least `GPU_PAYS`, else NumPy;
    `Backend.library` says which it became. A CUDA device also becomes CuPy's current device in this thread (other
    threads: `binder_of`), and float32 products are float32 there whatever CUPY_TF32 says: bounds rest on it. Raises
    UsageError for a device that is not there, or is not a device.
    """
    index = _parse_device(device)
    if device == "cpu" or (device == "auto" and (n_products < GPU_PAYS or not _has_driver())):
        return _numpy_backend()
    cupy = _import_cupy()
    n_devices = _count_cuda_devices(cupy)
    if device == "auto" and n_devices == 0:
        return _numpy_backend()
    if index >= n_devices:
        raise UsageError(_no_cuda(device, n_devices, "CuPy"))
    cupy.cuda.Device(index).use()
    _multiply_in_float32()
    import array_api_compat.cupy

    name = cupy.cuda.runtime.getDeviceProperties(index)["name"].decode()
    return Backend(array_api_compat.cupy, f"cupy {cupy.__version__}", f"cuda:{index} {name}")


def elsewhere(device: str, *, pays: bool) -> Backend | None:
    """`namespace_for` a GPU, or None: for work that gives the same bits by this process's threads.

    None if it does not pay there, `device` is no GPU, or CuPy does not see it.
    """
    index = _parse_device(device)
    if device == "cpu" or not pays or not _has_driver() or index >= _count_cuda_devices(_import_cupy()):
        return None
    return namespace_for(f"cuda:{index}")


def _multiply_in_float32() -> None:
    """Keep CuPy's float32 products out of TensorFloat-32, which the variable CUPY_TF32 turns on, for this process."""
    from cupy._core import _routines_linalg

    _routines_linalg.set_compute_type(np.float32, _routines_linalg.COMPUTE_TYPE_FP32)


def device_number(array: Array) -> int | None:
    """The number of the CUDA device that holds `array`; None in host memory."""
    import array_api_compat

    return int(array.device.id) if array_api_compat.is_cupy_array(array) else None


def cupy_of(array: Array) -> Any:
    """CuPy if it made `array`, else None: for the one engine that speaks to cuBLAS and compiles a kernel."""
    return None if device_number(array) is None else _import_cupy()


def cublas() -> Any:
    """CuPy's bindings of cuBLAS, which its products have no other way to float16 rows with float32 sums."""
    from cupy_backends.cuda.libs import cublas

    return cublas


def binder_of(array: Array) -> Callable[[], None]:
    """What a new thread calls before it works on `array`: CuPy's current device is one for each thread."""
    number = device_number(array)

    def bind() -> None:
        if number is not None:
            _import_cupy().cuda.Device(number).use()

    return bind


def require_bound(array: Array) -> None:
    """Raise DbcError if this thread's current device is another than that of `array`: products would run there."""
    number = device_number(array)
    if number is None:
        return
    current = int(_import_cupy().cuda.runtime.getDevice())
    if current != number:
        raise DbcError(
            f"this thread works on CUDA device {current}, expected {number}, where its arrays are; call "
            "`binder_of(array)()` in every thread first"
        )


def to_host(array: Array) -> NDArray[Any]:
    """`array` as a NumPy array: itself where it is one, a copy where it lives on a GPU or in another library."""
    if isinstance(array, np.ndarray):
        return array
    if hasattr(array, "get") and hasattr(array, "device"):
        # a column of pandas has the first alone
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
    match = _DEVICE.fullmatch(str(device))
    if match is None:
        raise UsageError(f"`device` must be auto, cpu, cuda or cuda:N, got {device!r}; use `device='cpu'`")
    return int(match.group(1) or 0)


def _numpy_backend() -> Backend:
    import array_api_compat.numpy

    return Backend(array_api_compat.numpy, f"numpy {np.__version__}", "cpu")


@cache
def _has_driver() -> bool:
    """Whether the driver of NVIDIA's GPUs is there. CuPy finds no device without it, and takes long to import."""
    try:
        ctypes.CDLL("libcuda.so.1")
    except OSError:
        return False
    return True


def _import_cupy() -> Any:
    if "cupy" not in sys.modules:
        keep_cache("CUPY_CACHE_DIR", ".cupy/kernel_cache")
    try:
        import cupy
    except ImportError:
        return None
    return cupy


def _count_cuda_devices(cupy: Any) -> int:
    if cupy is None or not cupy.cuda.is_available():
        return 0
    return int(cupy.cuda.runtime.getDeviceCount())


def visible_devices() -> dict[str, str]:
    """What `auto` may choose from: for `cpu` the number of cores, for each `cuda:N` the name of the GPU and who sees it."""
    import torch

    cupy = _import_cupy()
    n_torch, n_cupy = torch.cuda.device_count() if torch.cuda.is_available() else 0, _count_cuda_devices(cupy)
    found = {"cpu": so_many(n_cores(), "core")}
    for index in range(max(n_torch, n_cupy)):
        seen_by = [library for library, n_devices in (("torch", n_torch), ("CuPy", n_cupy)) if index < n_devices]
        name = (
            torch.cuda.get_device_name(index)
            if index < n_torch
            else cupy.cuda.runtime.getDeviceProperties(index)["name"].decode()
        )
        found[f"cuda:{index}"] = f"{name}, seen by {' and '.join(seen_by)}"
    return found if len(found) > 1 else {**found, "cuda": "no device is seen"}


def _no_cuda(device: str, n_devices: int, library: str) -> str:
    return f"`device={device!r}` is not there: {library} sees {n_devices} CUDA devices; use `device='cpu'` or `device='auto'`"


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


def torch_available_bytes(device: str) -> int:
    """Bytes that torch could still allocate on 'cpu' or 'cuda:N': what is free, and what it holds and does not use."""
    import torch

    if device.startswith("cuda"):
        free: int = torch.cuda.mem_get_info(device)[0]
        return free + int(torch.cuda.memory_reserved(device)) - int(torch.cuda.memory_allocated(device))
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


@contextmanager
def one_library_thread() -> Iterator[None]:
    """Inside, BLAS and torch use one thread a caller, so that Python threads can share the processor's cores."""
    torch_threads = sys.modules["torch"].get_num_threads() if "torch" in sys.modules else n_cores()
    try:
        with _thread_pools(len(sys.modules)).limit(limits=1):
            yield
    finally:
        if "torch" in sys.modules:
            sys.modules["torch"].set_num_threads(torch_threads)


@lru_cache(maxsize=1)
def _thread_pools(n_modules: int) -> Any:  # noqa: ARG001
    """The libraries with threads of their own; sought again, in some 10 ms, only if modules were imported since."""
    from threadpoolctl import ThreadpoolController  # type: ignore[import-untyped]

    return ThreadpoolController()


def n_cores() -> int:
    """How many processors this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
