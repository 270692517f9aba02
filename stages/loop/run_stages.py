"""The whole loop: merge, train, extract and evaluate stage after stage, as the separate commands would."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from schemas.manifest import MetricsManifest, ModelManifest
from schemas.parameters import EvaluateParameters, ExtractParameters, MergeParameters
from schemas.stage_names import INIT_STAGE
from stages.arrays.device_memory import let_go_of_kept
from stages.constraints.stage import AskedConstraints
from stages.errors import UsageError
from stages.evaluate.stage import evaluate
from stages.extract.stage import extract
from stages.features.prepared import require_wanted_cameras
from stages.merge.schedule import last_stage, least_merge_percent, number_of_merges
from stages.merge.stage import merge
from stages.nn.bag_of_words.descriptor import BAG_OF_WORDS
from stages.nn.host_memory import give_back_memory, keep_large_blocks
from stages.nn.initial_model import initial_model
from stages.runs.context import DEFAULT_CONTEXT, Context
from stages.runs.making import Made
from stages.runs.run_directory import RunDirectory, dataset_manifest, metrics_manifest, model_manifest
from stages.train.stage import train


@dataclass(frozen=True)
class Plan:
    """What a run of all stages is asked for; fields as the stages take them.

    `train` and `initial` hold fields of `TrainParameters` and `InitParameters`; `stage0_epochs`
    are the epochs of stage 0 where they differ. `stages` is the last stage, by default ⌊1/merge_percent⌋ − 1.
    `merge_only` trains nothing: from stage 1 on the initial features are merged again and again, and there is no stage 0.
    `constraints` say where to find pairs that are known to be one individual, or two.
    """

    merge: MergeParameters
    extract: ExtractParameters
    evaluate: EvaluateParameters
    train: Mapping[str, Any] = field(default_factory=dict)
    initial: Mapping[str, Any] = field(default_factory=dict)
    stages: int | None = None
    stage0_epochs: int | None = None
    merge_only: bool = False
    constraints: AskedConstraints = field(default_factory=AskedConstraints)

    @property
    def last_stage(self) -> int:
        """The stage the run ends with."""
        return last_stage(self.merge.merge_percent) if self.stages is None else self.stages

    @property
    def trains(self) -> bool:
        """Whether any stage may train: not with 0 epochs, nor with a bag of words, which has no weights."""
        return self.train.get("epochs") != 0 and self.initial.get("backbone") != BAG_OF_WORDS

    @property
    def stage_numbers(self) -> list[int]:
        """The stages the run has, in order."""
        return [INIT_STAGE, *range(1 if self.merge_only else 0, self.last_stage + 1)]


@dataclass(frozen=True)
class StageRow:
    """A stage that is done: its model and figures, the seconds this call took, and what it made.

    In `run` exactly the artifacts of this stage and of those before it are found, whatever other versions there are.
    """

    stage: int
    run: RunDirectory
    model: ModelManifest
    metrics: MetricsManifest
    seconds: float
    made: tuple[str, ...]


Step: TypeAlias = Callable[[RunDirectory], Made]


def run_stages(
    run: RunDirectory,
    plan: Plan,
    *,
    context: Context = DEFAULT_CONTEXT,
    on_row: Callable[[StageRow], None],
    enough: Callable[[StageRow], bool] | None = None,
) -> Made | None:
    """Bring every stage from `init` to the last up to date; existing artifacts are kept.

    Each step reads the versions that the steps before it made, whatever else the run holds.

    Parameters
    ----------
    on_row
        Called with each stage when it is done.
    enough
        Called after `on_row`; True ends the loop.

    Returns
    -------
    Made or None
        The first artifact that a dry run does not find, else None.

    Raises
    ------
    UsageError, DbcError
        As `check_plan`, before anything is made.
    """
    check_plan(run, plan)
    # before any thread has a heap of its own
    keep_large_blocks()
    # a dataset that is ingested meanwhile does not change this loop's
    run = run.choose(run.require("dataset"), INIT_STAGE)
    try:
        return _each_stage(run, plan, context, on_row, enough)
    finally:
        let_go_of_kept()


def _each_stage(
    run: RunDirectory,
    plan: Plan,
    context: Context,
    on_row: Callable[[StageRow], None],
    enough: Callable[[StageRow], bool] | None,
) -> Made | None:
    for stage in plan.stage_numbers:
        started = time.perf_counter()
        outcomes: dict[str, Made] = {}
        for step in _steps(plan, stage, context):
            outcome = step(run)
            if outcome.artifact is None:
                return outcome
            run = run.choose(outcome.artifact, outcome.stage)
            outcomes[outcome.kind] = outcome
        row = _row(run, stage, outcomes, seconds=time.perf_counter() - started)
        on_row(row)
        give_back_memory()
        if enough is not None and enough(row):
            break
    return None


def check_plan(run: RunDirectory, plan: Plan) -> None:
    """Raise, before anything is made, what the data set of `run` does not allow `plan` to do.

    UsageError if the stages would merge more clusters than there are, DbcError if camera ids are needed and not known.
    """
    dataset = run.require("dataset")
    n_samples = dataset_manifest(dataset).summary.n_train
    n_merges = number_of_merges(n_samples, plan.merge.merge_percent)
    percent = plan.merge.merge_percent
    by_default = "" if "merge_percent" in plan.merge.model_fields_set else " by default"
    if plan.last_stage > 0 and n_merges == 0:
        raise UsageError(
            f"`merge_percent={percent}`{by_default} makes no merge among {n_samples} train samples; "
            + (f"give {least_merge_percent(n_samples)} or more" if n_samples > 1 else "ingest more")
        )
    if plan.last_stage > 0 and plan.merge.clusterer == "dbc" and n_samples - plan.last_stage * n_merges < 1:
        raise UsageError(
            f"`stages` must be at most {(n_samples - 1) // n_merges}, got {plan.last_stage}: every stage makes "
            f"{n_merges} merge{'s' * (n_merges > 1)} (`merge_percent={percent}`{by_default}) among {n_samples} train samples"
        )
    if plan.last_stage > 0:
        require_wanted_cameras(dataset, plan.merge)


def _steps(plan: Plan, stage: int, context: Context) -> list[Step]:
    """What makes a stage, each from the run with its parents chosen."""

    def merge_step(run: RunDirectory) -> Made:
        return merge(run, stage=stage, parameters=plan.merge, constraints=plan.constraints, context=context)

    def train_step(run: RunDirectory) -> Made:
        overrides = dict(plan.train)
        if stage == 0 and plan.stage0_epochs is not None:
            overrides["epochs"] = plan.stage0_epochs
        return train(
            run,
            stage=stage,
            overrides=overrides,
            initial=plan.initial,
            constraints=plan.constraints,
            context=context,
        )

    def extract_step(run: RunDirectory) -> Made:
        return extract(run, stage=stage, parameters=plan.extract, initial=plan.initial, context=context)

    def evaluate_step(run: RunDirectory) -> Made:
        return evaluate(run, stage=stage, parameters=plan.evaluate, context=context)

    def initial_step(run: RunDirectory) -> Made:
        return initial_model(run, plan.initial, context=context.without_force())

    after: list[Step] = [extract_step, evaluate_step]
    if stage == INIT_STAGE:
        return [initial_step, *after]
    if plan.merge_only:
        return [merge_step, evaluate_step]
    return [train_step, *after] if stage == 0 else [merge_step, train_step, *after]


def _row(run: RunDirectory, stage: int, outcomes: Mapping[str, Made], *, seconds: float) -> StageRow:
    made = tuple(kind for kind, outcome in outcomes.items() if outcome.status == "created")
    model = run.newest_up_to("model", stage)
    return StageRow(
        stage,
        run,
        model_manifest(run.require("model", stage) if model is None else model),
        metrics_manifest(run.require("metrics", stage)),
        round(seconds, 2),
        made,
    )
