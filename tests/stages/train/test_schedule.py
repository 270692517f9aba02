"""The order of samples and the rates of epochs."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from stages.train.schedule import epoch_batches, learning_rate, n_batches


@given(n_samples=st.integers(2, 60), batch_size=st.integers(2, 20), seed=st.integers(0, 99))
def test_an_epoch_shows_every_sample_once_but_never_a_batch_of_one(n_samples, batch_size, seed) -> None:  # type: ignore[no-untyped-def]
    batches = epoch_batches(n_samples, batch_size, generator=torch.Generator().manual_seed(seed))
    seen = torch.cat(batches).tolist()
    assert len(batches) == n_batches(n_samples, batch_size)
    assert len(set(seen)) == len(seen) == n_samples - (n_samples % batch_size == 1)
    assert all(2 <= len(batch) <= batch_size for batch in batches)


def test_epochs_differ_and_repeat_with_the_seed() -> None:
    def epochs(seed: int) -> list[list[int]]:
        generator = torch.Generator().manual_seed(seed)
        return [torch.cat(epoch_batches(30, 8, generator=generator)).tolist() for _ in range(2)]

    assert epochs(1) == epochs(1)
    assert epochs(1)[0] != epochs(1)[1]


def test_the_rate_falls_to_a_tenth_after_the_given_epoch() -> None:
    rates = [learning_rate(epoch, base=0.1, decay_after=16) for epoch in (0, 15, 16, 19)]
    assert rates == pytest.approx([0.1, 0.1, 0.01, 0.01])
    assert learning_rate(99, base=0.1, decay_after=None) == 0.1
