"""When a run leaves its later stages: once stages that were trained have been no better for a while."""

from __future__ import annotations

import pytest

from schemas.parameters import EvaluateParameters, ExtractParameters, MergeParameters
from stages.errors import UsageError
from stages.loop.choice.measures import StageMeasures
from stages.loop.plan import Plan
from stages.loop.stopping import Stopping


def last_stage(
    separation: list[float], is_trained: list[bool], *, patience: int, trains: bool = True
) -> tuple[int, int | None]:
    """The stage after which a run ends, and the one it names."""
    stopping = Stopping(patience, trains=trains)
    for stage, trained in enumerate(is_trained, start=1):
        measures = StageMeasures(stage, 10, 0.0, 0.5, 0.5, separation=separation[stage - 1])
        if stopping.add(measures, is_trained=trained):
            return stage, stopping.chosen
    return len(is_trained), stopping.chosen


def test_stages_before_any_training_use_up_no_patience() -> None:
    worse = [0.5] * 6 + [0.4, 0.4, 0.4, 0.4, 0.4]
    assert last_stage(worse, [False] * 6 + [True] * 5, patience=2) == (9, 1)
    better = [0.5] * 6 + [0.4, 0.6, 0.6, 0.1, 0.1, 0.1]
    assert last_stage(better, [False] * 6 + [True] * 6, patience=2) == (10, 8)


def test_if_nothing_is_ever_trained_the_stages_themselves_decide() -> None:
    falling = [0.5, 0.4, 0.3, 0.2, 0.1]
    assert last_stage(falling, [False] * 5, patience=2, trains=False) == (3, 1)
    assert last_stage(falling, [False] * 5, patience=2) == (5, 1)


def test_zero_epochs_and_a_bag_of_words_never_train() -> None:
    def plan(**changes: dict[str, object]) -> Plan:
        return Plan(MergeParameters(), ExtractParameters(), EvaluateParameters(), **changes)

    assert plan().trains
    assert not plan(train={"epochs": 0}).trains
    assert not plan(initial={"backbone": "bow"}).trains


def test_before_the_first_stage_nothing_is_chosen_and_patience_is_at_least_one() -> None:
    stopping = Stopping(1)
    assert (stopping.chosen, stopping.reason) == (None, None)
    with pytest.raises(UsageError, match="`patience` must be at least 1 stage, got 0"):
        Stopping(0)
