"""A compiled loop from stored bytes to network input, with one read and one write for each value."""

from __future__ import annotations

from stages.arrays.compiled import compiled

jit = compiled()


@jit
def look_up(pixels, table, result):  # type: ignore[no-untyped-def]
    """Put table[c, pixels[i, c]], of `table` (3, 256), into `result` (n, 3) float32, for `pixels` (n, 3) uint8."""
    for i in range(pixels.shape[0]):
        for channel in range(3):
            result[i, channel] = table[channel, pixels[i, channel]]
