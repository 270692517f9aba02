"""Memory of GPUs: limits for CuPy, caches given back at the end of a stage, and one line if there is too little.

Neither library is imported here: one that was never imported holds nothing.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from stages.arrays.backend import device_number
from stages.errors import DbcError
from stages.typing import Array

T = TypeVar("T")

SHORT_BELOW = 0.5
"""The share of a GPU's memory that is free at the start of a stage, below which what is kept between stages is let go."""
_kept: dict[str, Callable[[], None]] = {}


def on_shortage(name: str, let_go: Callable[[], None]) -> None:
    """Remember how to let go of what stays in a GPU's memory between stages, if memory is short; one thing a `name`."""
    _kept[name] = let_go


def let_go_of_kept() -> None:
    """Let go of all that stays between stages: at the end of a run, or if memory is short."""
    if _kept:
        while _kept:
            _kept.popitem()[1]()
        release()


def _is_short() -> bool:
    """Whether little memory of torch's current GPU is free; False if torch uses none."""
    torch = _imported("torch")
    if torch is None or not torch.cuda.is_initialized():
        return False
    free, total = torch.cuda.mem_get_info()
    return bool(free < SHORT_BELOW * total)


@contextmanager
def stage_memory(advice: str) -> Iterator[None]:
    """Run one stage inside; then free the memory that torch and CuPy cache, so that the other library can use it.

    If little is free at its start, what other stages kept (`on_shortage`) is let go. If either library runs out of memory,
    that is a DbcError that ends in `advice`: "lower `batch_size`".
    """
    if _kept and _is_short():
        let_go_of_kept()
    try:
        yield
    except Exception as error:
        library = _out_of_memory(error)
        if library is None:
            raise
        let_go_of_kept()
        first_line = (str(error).splitlines() or [""])[0].rstrip(".")
        raise DbcError(f"{library} ran out of GPU memory: {first_line}; {advice}") from error
    finally:
        release()


def there_or_here(there: Callable[[], T], here: Callable[[], T]) -> T:
    """The result of `there`, or of `here` if a GPU has too little memory for it: both give the same."""
    try:
        return there()
    except Exception as error:
        if _out_of_memory(error) is None:
            raise
    release()
    return here()


def _out_of_memory(error: Exception) -> str | None:
    """The library that `error` says ran out of memory of a device; None for any other error."""
    torch, cupy = _imported("torch"), _imported("cupy")
    if torch is not None and isinstance(error, torch.OutOfMemoryError):
        return "torch"
    if cupy is not None and isinstance(error, cupy.cuda.memory.OutOfMemoryError):
        return "CuPy"
    return None


def release() -> None:
    """Give back to the GPU what torch and CuPy hold and do not use."""
    torch, cupy = _imported("torch"), _imported("cupy")
    if torch is not None and torch.cuda.is_initialized():
        torch.cuda.empty_cache()
    if cupy is not None and cupy.cuda.is_available():
        cupy.get_default_memory_pool().free_all_blocks()
        cupy.get_default_pinned_memory_pool().free_all_blocks()


@contextmanager
def limited_pool(array: Array, n_bytes: int) -> Iterator[None]:
    """Inside, CuPy allocates at most `n_bytes` beyond what it holds, if `array` is CuPy's; host memory has no such limit."""
    if device_number(array) is None:
        yield
        return
    pool = _imported("cupy").get_default_memory_pool()
    before = pool.get_limit()
    pool.set_limit(size=int(pool.used_bytes()) + n_bytes)
    try:
        yield
    finally:
        pool.set_limit(size=before)


def _imported(name: str) -> Any:
    return sys.modules.get(name)
