"""Features that are all zero, or all equal, are called what they are."""

from __future__ import annotations

import numpy as np
import pytest

from stages.errors import DbcError
from stages.extract.collapse import CollapseCheck
from stages.processes import OneProcess


def seen(*blocks: list[list[float]]) -> CollapseCheck:
    spread = CollapseCheck()
    for block in blocks:
        spread.take_in(np.array(block, dtype=np.float32))
    return spread


def test_features_that_differ_need_no_word() -> None:
    assert seen([[0, 0]], [[0, 1]]).note(OneProcess(), is_trained=True) is None
    assert seen([[1, 0], [0, 1]]).note(OneProcess(), is_trained=True) is None


def test_zeros_end_the_extraction_with_their_cause() -> None:
    with pytest.raises(DbcError, match="all features are zero: training has collapsed; lower `learning_rate`"):
        seen([[0, 0], [0, 0]], [[0, 0]]).note(OneProcess(), is_trained=True)
    with pytest.raises(DbcError, match="all features are zero: check `weights` and whether the pictures differ"):
        seen([[0, 0]]).note(OneProcess(), is_trained=False)


def test_equal_features_are_told_of() -> None:
    told = seen([[1, 0], [1, 0]], [[1, 0]]).note(OneProcess(), is_trained=True)
    assert told is not None
    assert told.startswith("all features are equal, so that every distance is 0: training has collapsed; lower")


class Beside(OneProcess):
    """A process beside another one that has seen `others`."""

    def __init__(self, *others: list[float]) -> None:
        self.others = np.array(others, dtype=np.float64)
        self.size = 2

    def all_gather(self, values: np.ndarray) -> list[np.ndarray]:
        # the first question is for the width of the rows
        return [values, self.others if values.shape[1] > 1 else np.array([[4.0]])]


def test_what_another_process_has_seen_counts() -> None:
    own = seen([[1, 0], [1, 0]])
    assert own.note(Beside([1, 0, 0, 1]), is_trained=True) is None
    assert own.note(Beside([1, 0, 1, 0]), is_trained=True) is not None
    assert CollapseCheck().note(Beside([1, 1, 1, 0]), is_trained=True) is None
    with pytest.raises(DbcError, match="all features are zero"):
        CollapseCheck().note(Beside([0, 0, 0, 0]), is_trained=True)
