"""Batches cover every frame that is looked at exactly once, and are the same whatever the number of processes."""

from __future__ import annotations

import numpy as np
import pytest

from stages.extract.frames import (
    MAX_FRAMES,
    MOST_PIECES,
    PIECE_BYTES,
    batches,
    frames_used,
    n_frames_used,
    rows_per_piece,
)


def starts(seed: int, n_samples: int) -> np.ndarray:
    lengths = np.random.default_rng(seed).integers(1, 9, n_samples)
    return np.concatenate([[0], np.cumsum(lengths)])


@pytest.mark.parametrize("seed", range(5))
def test_every_frame_is_in_one_batch_beside_its_sample(seed: int) -> None:
    frame_start = starts(seed, 37)
    seen = []
    for batch in batches(frame_start, piece=8, batch_size=5):
        assert 1 <= len(batch.frames) <= 5
        assert batch.is_last == (batch.frames[-1] + 1 == frame_start[batch.stop])
        for frame, row in zip(batch.frames, batch.row, strict=True):
            sample = batch.first + row
            assert batch.first <= sample < batch.stop
            assert frame_start[sample] <= frame < frame_start[sample + 1]
        seen += batch.frames.tolist()
    assert seen == list(range(frame_start[-1]))


@pytest.mark.parametrize("n_processes", [2, 3, 7])
def test_processes_share_the_batches_that_one_has(n_processes: int) -> None:
    frame_start = starts(0, 61)

    def told(rank: int, of: int) -> set[tuple[int, ...]]:
        found = batches(frame_start, piece=8, batch_size=5, rank=rank, n_processes=of)
        return {(batch.first, *batch.frames.tolist()) for batch in found}

    shares = [told(rank, n_processes) for rank in range(n_processes)]
    assert set.union(*shares) == told(0, 1)
    assert sum(map(len, shares)) == len(told(0, 1))


def test_a_long_sample_is_looked_at_from_its_first_to_its_last_frame() -> None:
    lengths = [3, MAX_FRAMES, MAX_FRAMES + 1, 5000, 1]
    frame_start = np.concatenate([[0], np.cumsum(lengths)])
    frames, row = frames_used(frame_start)
    assert n_frames_used(frame_start).tolist() == [3, MAX_FRAMES, MAX_FRAMES, MAX_FRAMES, 1]
    assert (np.diff(frames) > 0).all()
    for sample, length in enumerate(lengths):
        own = frames[row == sample] - frame_start[sample]
        assert (own[0], own[-1], len(own)) == (0, length - 1, min(length, MAX_FRAMES))
        if length <= MAX_FRAMES:
            assert own.tolist() == list(range(length))
        else:
            assert set(np.diff(own)) <= {length // MAX_FRAMES, length // MAX_FRAMES + 1}


def test_no_samples_have_no_batches() -> None:
    assert list(batches(np.array([0]), piece=8, batch_size=4)) == []


@pytest.mark.parametrize(("n_samples", "batch_size"), [(1, 64), (30_000, 64), (10**6, 64), (10**8, 3)])
def test_pieces_are_whole_batches_neither_too_many_nor_too_large(n_samples: int, batch_size: int) -> None:
    rows = rows_per_piece(n_samples, batch_size=batch_size, row_bytes=8192)
    assert rows % batch_size == 0
    assert rows == batch_size or rows * 8192 <= PIECE_BYTES
    assert n_samples <= rows * MOST_PIECES or 2 * rows * 8192 > PIECE_BYTES
