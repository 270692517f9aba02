"""Settings of the C library's allocator that keep large blocks between batches."""

from __future__ import annotations

import ctypes
import functools
import sys

_M_TRIM_THRESHOLD = -1
_M_MMAP_THRESHOLD = -3
_M_MMAP_MAX = -4
_GIBIBYTE = 2**30
_LARGEST_OF_OLD_GLIBC = 2**25
_LARGEST_INT = 2**31 - 1


@functools.cache
def keep_large_blocks() -> bool:
    """Make glibc keep freed memory for the next batch; False if the C library is another.

    By default glibc maps and unmaps every block above a threshold, so each layer's activations cost a page fault for
    every 4 KiB in every batch. Without such maps and without trimming they are reused; the process's resident size stays
    near its peak. Results do not change. Measured on 2 cores in images/s, float32, channels-last: MobileNetV2 at 128×128,
    forward 148 to 380, training step 6 to 74.
    """
    if not sys.platform.startswith("linux"):
        return False
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:
        return False
    mapped = mallopt(_M_MMAP_THRESHOLD, _GIBIBYTE) or mallopt(_M_MMAP_THRESHOLD, _LARGEST_OF_OLD_GLIBC)
    return bool(mapped) and bool(mallopt(_M_MMAP_MAX, 0)) and bool(mallopt(_M_TRIM_THRESHOLD, _LARGEST_INT))
