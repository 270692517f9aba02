"""The whole loop: merge, train, extract and evaluate stage after stage, as the separate commands would."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from schemas.manifest import MetricsManifest, ModelManifest
from schemas.parameters import EvaluateParameters, ExtractParameters, MergeParameters
from schemas.stage import INIT_STAGE
from stages.evaluate.stage import evaluate
from stages.extract.stage import extract
from stages.merge.schedule import last_stage
from stages.merge.stage import merge
from stages.produce import How, Outcome
from stages.reporting import Reporter
from stages.run_directory import RunDirectory
from stages.train.stage import train


@dataclass(frozen=True)
class Plan:
    """What a run of all stages is asked for; fields as the stages take them.

    `train` and `initial` hold fields of `TrainParameters` and `InitParameters`; `stage0_epochs` is for stage 0 what
    `train["epochs"]` is for the others. `stages` is the last stage, by default ⌊1/merge_percent⌋ − 1.
    """

    merge: MergeParameters
    extract: ExtractParameters
    evaluate: EvaluateParameters
    train: Mapping[str, Any] = field(default_factory=dict)
    initial: Mapping[str, Any] = field(default_factory=dict)
    stages: int | None = None
    stage0_epochs: int | None = None
    batch_size: int = 64
    device: str = "auto"
    memory_limit: int | None = None

    @property
    def last_stage(self) -> int:
        """The stage the run ends with."""
        return last_stage(self.merge.merge_percent) if self.stages is None else self.stages


@dataclass(frozen=True)
class StageRow:
    """A stage that is done: its model and figures, the seconds this call took, and what it made."""

    stage: int
    model: ModelManifest
    metrics: MetricsManifest
    seconds: float
    made: tuple[str, ...]


@dataclass(frozen=True)
class Stopped:
    """Where a dry run ends: the first artifact that a real one would make."""

    outcome: Outcome


def run_stages(
    run: RunDirectory,
    plan: Plan,
    *,
    how: How,
    reporter: Reporter,
    on_row: Callable[[StageRow], None],
) -> Stopped | None:
    """Bring every stage from `init` to the last up to date; what is there already is kept.

    `on_row` is told of each stage as it is done. Returns where a dry run stopped, else None.
    """
    for stage in (INIT_STAGE, *range(plan.last_stage + 1)):
        started = time.perf_counter()
        outcomes: list[Outcome] = []
        for make in _steps(run, plan, stage, how=how, reporter=reporter):
            outcome = make()
            if outcome.artifact is None:
                return Stopped(outcome)
            outcomes.append(outcome)
        on_row(_row(run, stage, outcomes, seconds=time.perf_counter() - started))
    return None


def _steps(run: RunDirectory, plan: Plan, stage: int, *, how: How, reporter: Reporter) -> list[Callable[[], Outcome]]:
    def merge_step() -> Outcome:
        return merge(
            run,
            stage=stage,
            parameters=plan.merge,
            device=plan.device,
            memory_limit=plan.memory_limit,
            how=how,
            reporter=reporter,
        )

    def train_step() -> Outcome:
        wanted = {name: value for name, value in plan.train.items() if name != "epochs" or stage > 0}
        if stage == 0 and plan.stage0_epochs is not None:
            wanted["epochs"] = plan.stage0_epochs
        return train(
            run, stage=stage, wanted=wanted, initial=plan.initial, device=plan.device, how=how, reporter=reporter
        )

    def extract_step() -> Outcome:
        return extract(
            run,
            stage=stage,
            parameters=plan.extract,
            initial=plan.initial,
            batch_size=plan.batch_size,
            device=plan.device,
            how=how,
            reporter=reporter,
        )

    def evaluate_step() -> Outcome:
        return evaluate(run, stage=stage, parameters=plan.evaluate, how=how, reporter=reporter)

    after = [extract_step, evaluate_step]
    if stage == INIT_STAGE:
        return after
    return [train_step, *after] if stage == 0 else [merge_step, train_step, *after]


def _row(run: RunDirectory, stage: int, outcomes: list[Outcome], *, seconds: float) -> StageRow:
    metrics = outcomes[-1].artifact
    model = run.require("model", stage)
    if metrics is None or not isinstance(metrics.manifest, MetricsManifest):
        raise TypeError("the last step of a stage is its evaluation")
    if not isinstance(model.manifest, ModelManifest):
        raise TypeError("the model directory holds models")
    made = tuple(outcome.kind for outcome in outcomes if outcome.status == "created")
    return StageRow(stage, model.manifest, metrics.manifest, round(seconds, 2), made)
