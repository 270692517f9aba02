"""A compiled loop from stored bytes to network input: one read and one write a value."""

from __future__ import annotations

from typing import Any

import numba

jit: Any = numba.njit(nogil=True, cache=True, error_model="numpy")
"""Sums are taken as they are written, so that every processor gives the same bits."""


@jit
def look_up(pixels, table, result):  # type: ignore[no-untyped-def]
    """Put table[c, pixels[i, c]], of `table` (3, 256), into `result` (n, 3) float32, for `pixels` (n, 3) uint8."""
    for i in range(pixels.shape[0]):
        for channel in range(3):
            result[i, channel] = table[channel, pixels[i, channel]]
