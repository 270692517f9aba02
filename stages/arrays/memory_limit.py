"""Refusing work that would take too much memory, before any of it is allocated."""

from __future__ import annotations

from stages.arrays.backend import available_bytes
from stages.errors import MemoryLimitError
from stages.typing import Array

_SHARE_OF_MEMORY = 0.8


def limit_of(memory_limit: int | None, features: Array) -> int:
    """`memory_limit` in bytes; if it is None, 0.8 of what is available on the device of the features."""
    return int(_SHARE_OF_MEMORY * available_bytes(features)) if memory_limit is None else memory_limit


def require_memory(n_bytes: int, *, memory_limit: int, what: str) -> None:
    """Raise MemoryLimitError if `n_bytes` exceed `memory_limit` (bytes); `what` names the work."""
    if n_bytes > memory_limit:
        raise MemoryLimitError(
            f"{what} takes {_readable(n_bytes)} of memory, and the limit is {_readable(memory_limit)}",
            "raise `memory_limit`, or merge fewer samples",
        )


def _readable(n_bytes: int) -> str:
    value, unit = float(n_bytes), "B"
    for larger in ("KiB", "MiB", "GiB", "TiB"):
        if value < 1024:
            break
        value, unit = value / 1024, larger
    return f"{value:.1f} {unit}"
