"""Samples that lie nearer to another cluster than to their own are left out of training."""

from __future__ import annotations

import numpy as np
import pytest

from stages.train.sure import sure_samples

ANGLE = np.radians([0, 10, 80, 90, 100, 85, 180])
ROWS = np.stack([np.cos(ANGLE), np.sin(ANGLE)], axis=1).astype(np.float32)
LABELS = np.array([0, 0, 0, 1, 1, 1, 2])
"""The third sample lies in the second cluster; the last is a cluster of its own."""


@pytest.mark.parametrize(
    ("least", "wanted"), [(-1, [1] * 7), (0, [1, 1, 0, 1, 1, 1, 1]), (0.01, [1, 1, 0, 1, 1, 1, 0]), (0.999, [1] * 7)]
)
def test_a_sample_nearer_to_another_cluster_is_left_out_and_single_ones_have_none(least: float, wanted: list) -> None:
    assert sure_samples(ROWS, LABELS, least=least).tolist() == [bool(value) for value in wanted]
