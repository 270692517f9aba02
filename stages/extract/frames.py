"""The order of extraction: samples in pieces, and their frames in batches."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from stages.samples import consecutive
from stages.typing import Int64Array

MAX_FRAMES = 900
"""Most frames of a sample that are used, as published; from longer ones, evenly spaced frames."""
MOST_PIECES = 256
"""Most pieces of the features, unless these would be larger than `PIECE_BYTES`; enough for many processes."""
PIECE_BYTES = 64 << 20


@dataclass(frozen=True)
class Batch:
    """Frames (f) of `images`, in order, and the `row` (f) of each frame's sample in its piece.

    The piece has the samples from `first` up to `stop`; `is_last` marks its last batch.
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

    Sample i owns frames `frame_start[i]` to `frame_start[i + 1]`, at least one; a piece has `piece` samples, the last one
    the rest. No batch crosses pieces, so that batches do not depend on the number of processes.
    """
    n_samples = len(frame_start) - 1
    for first in range(rank * piece, n_samples, n_processes * piece):
        stop = min(first + piece, n_samples)
        frames, row = frames_used(frame_start[first : stop + 1])
        for start in range(0, len(frames), batch_size):
            end = start + batch_size
            yield Batch(frames[start:end], row[start:end], first, stop, is_last=end >= len(frames))


def frames_used(frame_start: Int64Array) -> tuple[Int64Array, Int64Array]:
    """The frames (f) used of s samples, ascending, and the sample 0..s−1 of each; `frame_start` (s + 1).

    Of n > `MAX_FRAMES` frames, the k-th used one is frame ⌊k (n − 1) / (MAX_FRAMES − 1)⌋.
    """
    lengths, kept = np.diff(frame_start), n_frames_used(frame_start)
    row = np.repeat(np.arange(len(lengths)), kept)
    k = consecutive(np.zeros_like(kept), kept)
    spread = k * (lengths[row] - 1) // (MAX_FRAMES - 1)
    return frame_start[row] + np.where(lengths[row] > MAX_FRAMES, spread, k), row


def n_frames_used(frame_start: Int64Array) -> Int64Array:
    """The number of frames used of each of s samples (s); `frame_start` (s + 1)."""
    return np.minimum(np.diff(frame_start), MAX_FRAMES)
