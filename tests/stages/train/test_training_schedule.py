"""The order of samples and the rates of steps."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from stages.train.training_schedule import epoch_order, in_batches, learning_rate, n_batches, paired_order
from tests.tiny_training import tiny_parameters


def epoch_batches(n_samples: int, batch_size: int, *, generator: torch.Generator) -> list[torch.Tensor]:
    return in_batches(epoch_order(n_samples, generator=generator), batch_size)


def rates(n_epochs: int, **fields: object) -> list[float]:
    """The rate of every step of epochs of 5 steps."""
    parameters = tiny_parameters(epochs=n_epochs, **fields)
    return [learning_rate(step, steps_per_epoch=5, parameters=parameters) for step in range(5 * n_epochs)]


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
    found = rates(20, learning_rate=0.1, decay_after=16)
    assert found == pytest.approx([0.1] * 80 + [0.01] * 20)
    assert set(rates(20, learning_rate=0.1)) == {0.1}


def test_the_warm_up_climbs_in_equal_steps_to_the_schedule() -> None:
    found = rates(3, learning_rate=0.1, warmup_epochs=2, decay_after=1)
    assert found == pytest.approx([0.01, 0.02, 0.03, 0.04, 0.05, 0.006, 0.007, 0.008, 0.009] + [0.01] * 6)


def test_the_cosine_falls_from_the_base_rate_towards_nothing() -> None:
    found = rates(4, learning_rate=0.1, lr_schedule="cosine")
    assert found[0] == 0.1
    assert found[10] == pytest.approx(0.05)
    assert found[5] + found[15] == pytest.approx(0.1)
    assert 0 < found[-1] < 0.001
    expected = [0.1 * (1 + math.cos(math.pi * k / 20)) / 2 for k in range(20)]
    assert found == pytest.approx(expected)
    assert sorted(found, reverse=True) == found


def test_the_cosine_begins_where_the_warm_up_ends() -> None:
    found = rates(5, learning_rate=0.1, lr_schedule="cosine", warmup_epochs=1)
    assert found[:5] == pytest.approx([0.02, 0.04, 0.06, 0.08, 0.1])
    assert found[5:] == rates(4, learning_rate=0.1, lr_schedule="cosine")


def test_a_warm_up_longer_than_the_stage_is_cut_off() -> None:
    assert rates(1, learning_rate=0.1, warmup_epochs=2) == pytest.approx([0.01, 0.02, 0.03, 0.04, 0.05])


@pytest.mark.parametrize(("n_samples", "n_others"), [(20, 3), (17, 40), (16, 16), (18, 1)])
def test_batches_hold_as_many_samples_without_a_class_as_others(n_samples: int, n_others: int) -> None:
    order = paired_order(n_samples, n_others, batch_size=8, generator=torch.Generator().manual_seed(0))
    batches = in_batches(order, 16)
    assert len(batches) == n_batches(n_samples, 8)
    for batch in batches:
        own, others = batch[: len(batch) // 2], batch[len(batch) // 2 :]
        assert own.max() < n_samples <= others.min()
        assert others.max() < n_samples + n_others
    seen = order[order < n_samples]
    assert len(set(seen.tolist())) == len(seen) == n_samples - (n_samples % 8 == 1)
    times = np.bincount(order[order >= n_samples] - n_samples, minlength=n_others)
    assert times.max() - times.min() <= 1
