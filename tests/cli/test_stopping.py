"""When `dbc run --stop auto` leaves the later stages: once stages that were trained have been no better for a while."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest

from dbc_cli.commands.run import Choice
from stages.loop.choice.measures import StageMeasures


@dataclass(frozen=True)
class Model:
    n_steps: int

    @property
    def summary(self) -> Model:
        return self


@dataclass(frozen=True)
class Row:
    stage: int
    model: Model
    run: None = None


@dataclass(frozen=True)
class Asked:
    train: dict[str, Any]
    initial: dict[str, Any]
    memory_limit: None = None


def last_stage(
    monkeypatch: pytest.MonkeyPatch, separation: list[float], n_steps: list[int], *, patience: int, **asked: Any
) -> tuple[int, int | None]:
    """The stage after which a run ends, and the one it names."""

    def measured(_: object, stage: int, **__: object) -> StageMeasures:
        return StageMeasures(stage, 10, 0.0, 0.5, 0.5, 0.5, 1.0, 1.0, separation=separation[stage - 1])

    monkeypatch.setattr("stages.loop.choice.stage.measure_stage", measured)
    plan = Asked(asked.get("train", {}), asked.get("initial", {}))
    choice = Choice(patience, plan)  # type: ignore[arg-type]
    for stage, steps in enumerate(n_steps, start=1):
        if choice(Row(stage, Model(steps))):  # type: ignore[arg-type]
            return stage, choice.stage
    return len(n_steps), choice.stage


def test_stages_before_any_training_use_up_no_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    worse = [0.5] * 6 + [0.4, 0.4, 0.4, 0.4, 0.4]
    assert last_stage(monkeypatch, worse, [0] * 6 + [9] * 5, patience=2) == (9, 1)
    better = [0.5] * 6 + [0.4, 0.6, 0.6, 0.1, 0.1, 0.1]
    assert last_stage(monkeypatch, better, [0] * 6 + [9] * 6, patience=2) == (10, 8)


def test_where_nothing_is_ever_trained_the_stages_themselves_decide(monkeypatch: pytest.MonkeyPatch) -> None:
    falling = [0.5, 0.4, 0.3, 0.2, 0.1]
    for asked in ({"train": {"epochs": 0}}, {"initial": {"backbone": "bow"}}):
        assert last_stage(monkeypatch, falling, [0] * 5, patience=2, **asked) == (3, 1)
    assert last_stage(monkeypatch, falling, [0] * 5, patience=2) == (5, 1)
