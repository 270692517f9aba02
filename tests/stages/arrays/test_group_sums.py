"""Sums of groups of rows, against a loop."""

from __future__ import annotations

import numpy as np
import pytest

from stages.arrays import group_sums as module
from stages.arrays.group_sums import group_sums


@pytest.mark.parametrize("block", [1, 3, 1024])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_sums_are_those_of_a_loop_whatever_the_block(
    block: int, dtype: type[np.floating], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "BLOCK", block)
    generator = np.random.default_rng(0)
    rows = generator.normal(size=(60, 4)).astype(np.float32)
    for n_groups in (1, 7, 25, 60):
        first = np.sort(generator.choice(np.arange(1, 60), n_groups - 1, replace=False))
        first, order = np.concatenate([[0], first]).astype(np.int64), generator.permutation(60)
        found = group_sums(rows, order, first, dtype=dtype)
        assert found.dtype == dtype
        for number, members in enumerate(np.split(order, first[1:])):
            np.testing.assert_allclose(
                found[number], rows[members].astype(np.float64).sum(axis=0), rtol=1e-5, atol=1e-5
            )


def test_of_no_groups_there_are_no_sums() -> None:
    nothing = np.empty(0, dtype=np.int64)
    assert group_sums(np.empty((0, 4), dtype=np.float32), nothing, nothing, dtype=np.float32).shape == (0, 4)
