"""How long a run takes, on a clock that the test moves."""

from __future__ import annotations

import pytest

from schemas.parameters import EvaluateParameters, ExtractParameters, MergeParameters
from schemas.summaries import DatasetSummary
from stages.loop.forecast import TRAIN_PER_EXTRACT, Forecast
from stages.loop.plan import Plan, StageWork, planned_work, trained_beside_recipe

WORKS = [StageWork(-1, 0, 100), StageWork(0, 0, 0), StageWork(1, 200, 100), StageWork(2, 200, 100)]


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def images(forecast: Forecast, clock: Clock, kind: str, n: int, *, each: float) -> None:
    forecast.begin_task(kind)  # type: ignore[arg-type]
    for _ in range(n // 10):
        clock.now += 10 * each
        forecast.advance(10)
    forecast.end_task()


def test_the_rest_is_told_from_what_was_done() -> None:
    clock = Clock()
    forecast = Forecast(WORKS, clock)
    assert forecast.left() is None
    forecast.begin_stage(-1)
    assert forecast.left() is None
    images(forecast, clock, "extract", 50, each=0.1)
    stage, run = forecast.left() or (0, 0)
    assert stage == pytest.approx(50 * 0.1)
    assert run == pytest.approx(50 * 0.1 + 2 * (100 * 0.1 + 200 * 0.1 * TRAIN_PER_EXTRACT))
    images(forecast, clock, "extract", 50, each=0.1)
    clock.now += 2
    forecast.end_stage()
    forecast.begin_stage(0)
    # a stage takes two seconds beside its images
    assert forecast.left() == pytest.approx((2, 2 + 2 * (2 + 10 + 60)))
    clock.now += 2
    forecast.end_stage()
    forecast.begin_stage(1)
    images(forecast, clock, "train", 200, each=0.5)
    # training was slower than guessed
    assert forecast.left() == pytest.approx((2 + 10, 2 + 10 + 2 + 10 + 100))
    clock.now += 1000
    assert (forecast.left() or (0, 0))[0] == pytest.approx(10)


def plan(**given: object) -> Plan:
    merging = MergeParameters(merge_percent=0.1)
    return Plan(merge=merging, extract=ExtractParameters(), evaluate=EvaluateParameters(), **given)  # type: ignore[arg-type]


def data(n_images: int = 300) -> DatasetSummary:
    counts = dict.fromkeys(("n_query", "n_gallery", "n_identities", "n_cameras"), 0)
    return DatasetSummary(n_images=n_images, n_samples=300, n_train=300, height=8, width=8, **counts)


def test_the_work_is_that_of_the_recipe() -> None:
    works = planned_work(plan(), data())
    assert [work.stage for work in works] == list(range(-1, 10))
    # two epochs once clusters average more than two samples, and features only of new weights
    assert [work.trained for work in works] == [0] * 7 + [600] * 4
    assert [work.extracted for work in works] == [300] + [0] * 6 + [300] * 4
    random = planned_work(plan(initial={"weights": "none"}, stage0_epochs=5), data())
    assert [work.trained for work in random[:3]] == [0, 1500, 900]
    assert {work.trained for work in planned_work(plan(merge_only=True), data())} == {0}
    assert {work.trained for work in planned_work(plan(train={"epochs": 0}), data())} == {0}
    video = planned_work(plan(train={"epochs": 1, "frames": 4}), data(900))
    assert video[1] == StageWork(0, 1200, 900)


def test_stages_that_the_recipe_leaves_alone_are_told_if_epochs_are_given() -> None:
    """Seen with faces: --epochs 4, which a warning asked for, trained ten stages in place of four, and did harm."""
    assert trained_beside_recipe(plan(), data()) == []
    assert trained_beside_recipe(plan(train={"epochs": 4}), data()) == [0, 1, 2, 3, 4, 5]
    assert trained_beside_recipe(plan(train={"epochs": 4}, stage0_epochs=4), data()) == [1, 2, 3, 4, 5]
    assert trained_beside_recipe(plan(train={"epochs": 4}, initial={"weights": "none"}), data()) == []
    assert trained_beside_recipe(plan(train={"epochs": 4}, merge_only=True), data()) == []
