"""Which frames of which samples are extracted together: pieces of the features, and batches within them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from stages.typing import Int64Array

MAX_FRAMES = 900
"""Frames of a sample that are looked at, as published; of more, so many that lie evenly from the first to the last."""
MOST_PIECES = 256
"""Pieces that the features are cut into, unless these would be larger than `PIECE_BYTES`: enough for many processes."""
PIECE_BYTES = 64 << 20


@dataclass(frozen=True)
class Batch:
    """Frames (f) of `images`, in order, the row in its piece of the sample that each belongs to, and which piece it is.

    The piece is that of the samples from `first` up to `stop`; `is_last` marks its last batch.
    """

    frames: Int64Array
    row: Int64Array
    first: int
    stop: int
    is_last: bool


def rows_per_piece(n_samples: int, *, batch_size: int, row_bytes: int) -> int:
    """Samples in a piece: `batch_size` doubled until there are at most `MOST_PIECES`, or they reach `PIECE_BYTES`."""
    rows = batch_size
    while rows * MOST_PIECES < n_samples and 2 * rows * row_bytes <= PIECE_BYTES:
        rows *= 2
    return rows


def batches(
    frame_start: Int64Array, *, piece: int, batch_size: int, rank: int = 0, n_processes: int = 1
) -> Iterator[Batch]:
    """The batches, of at most `batch_size` frames, of process `rank`: those of pieces rank, rank + n_processes, …

    Sample i owns frames `frame_start[i]` to `frame_start[i + 1]`, at least one; a piece has `piece` samples, the last
    one what is left. Batches end where pieces do, so that they are the same whatever the number of processes.
    """
    n_samples = len(frame_start) - 1
    for first in range(rank * piece, n_samples, n_processes * piece):
        stop = min(first + piece, n_samples)
        frames, row = looked_at(frame_start[first : stop + 1])
        for start in range(0, len(frames), batch_size):
            end = start + batch_size
            yield Batch(frames[start:end], row[start:end], first, stop, is_last=end >= len(frames))


def looked_at(frame_start: Int64Array) -> tuple[Int64Array, Int64Array]:
    """The frames (f) of s samples that are looked at, ascending, and the sample 0..s−1 of each; `frame_start` (s + 1).

    Frame k of the `MAX_FRAMES` of a sample with n more than those is its frame ⌊k (n − 1) / (MAX_FRAMES − 1)⌋.
    """
    lengths, kept = np.diff(frame_start), n_looked_at(frame_start)
    row = np.repeat(np.arange(len(lengths)), kept)
    k = np.arange(len(row)) - np.repeat(np.cumsum(kept) - kept, kept)
    spread = k * (lengths[row] - 1) // (MAX_FRAMES - 1)
    return frame_start[row] + np.where(lengths[row] > MAX_FRAMES, spread, k), row


def n_looked_at(frame_start: Int64Array) -> Int64Array:
    """How many frames of each of s samples are looked at (s); `frame_start` (s + 1)."""
    return np.minimum(np.diff(frame_start), MAX_FRAMES)
