"""The whole loop: merge, train, extract and evaluate stage after stage, as the separate commands would."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TypeAlias

from schemas.manifest import MetricsManifest, ModelManifest
from schemas.stage_names import INIT_STAGE
from stages.arrays.device_memory import let_go_of_kept
from stages.evaluate.stage import evaluate
from stages.extract.stage import extract
from stages.loop.last_clusters import LastMerge, asked_merge
from stages.loop.plan import AS_FEATURES_ASK, NumberAsked, Plan, check_plan
from stages.merge.stage import merge
from stages.nn.host_memory import give_back_memory, keep_large_blocks
from stages.nn.initial_model import initial_model
from stages.reporting import OncePerKind
from stages.runs.context import DEFAULT_CONTEXT, Context
from stages.runs.making import Made
from stages.runs.next_stage import last_merge_stage, require_run
from stages.runs.run_directory import RunDirectory, clusters_manifest, metrics_manifest, model_manifest
from stages.train.freeze import require_part
from stages.train.stage import train
from stages.wording import so_many


@dataclass(frozen=True)
class StageRow:
    """A stage that is done: its model and figures, the seconds this call took, and what it made.

    `ends_run`: it is the merge after the last stage. In `run` exactly the artifacts of this stage and of those before it are
    found, whatever other versions there are.
    """

    stage: int
    run: RunDirectory
    model: ModelManifest
    metrics: MetricsManifest
    seconds: float
    made: tuple[str, ...]
    ends_run: bool = False


Step: TypeAlias = Callable[[RunDirectory], Made]


def run_stages(
    run: RunDirectory,
    plan: Plan,
    *,
    context: Context = DEFAULT_CONTEXT,
    on_row: Callable[[StageRow], None],
    on_begin: Callable[[int], None] | None = None,
    enough: Callable[[StageRow], bool] | None = None,
    ending: Callable[[NumberAsked | None], LastMerge | None] | None = None,
) -> Made | None:
    """Bring every stage from `init` to the last up to date; existing artifacts are kept.

    Each step reads the versions that the steps before it made, whatever else the run holds.

    Parameters
    ----------
    on_row
        Called with each stage when it is done.
    on_begin
        Called with the number of each stage when it is begun.
    enough
        Called after `on_row`; True ends the loop.
    ending
        Called after the loop with `plan.n_clusters`, which may be None: which merge ends the run, or None for none. By
        default, if that is given, the features of the last stage are merged to so many, or as many as they ask for.

    Returns
    -------
    Made or None
        The first artifact that a dry run does not find, else None.

    Raises
    ------
    UsageError, DbcError
        As `check_plan`, before anything is made.
    """
    require_run(run, context)
    check_plan(run, plan)
    # before any thread has a heap of its own
    keep_large_blocks()
    # a dataset that is ingested meanwhile does not change this loop's
    run = run.choose(run.require("dataset"), INIT_STAGE)
    telling = OncePerKind(context.reporter)
    try:
        return _each_stage(run, plan, replace(context, reporter=telling), (on_begin, on_row), enough, ending)
    finally:
        telling.end()
        let_go_of_kept()


def _each_stage(
    run: RunDirectory,
    plan: Plan,
    context: Context,
    on: tuple[Callable[[int], None] | None, Callable[[StageRow], None]],
    enough: Callable[[StageRow], bool] | None,
    ending: Callable[[NumberAsked | None], LastMerge | None] | None,
) -> Made | None:
    last = INIT_STAGE
    for stage in plan.stage_numbers:
        done = _stage(run, stage, _steps(plan, stage, context), on)
        if isinstance(done, Made):
            return done
        run, last = done.run, stage
        if enough is not None and enough(done):
            break
    if ending is None:
        ending = partial(_by_default, run, plan, last, context)
    asked = ending(plan.n_clusters) if last >= 0 else None
    if asked is None or _has_no_more(run, plan, asked, context):
        return None
    stage = _stage_of_ending(run, last)
    done = _stage(run, stage, _last_steps(plan, asked, stage, context), on, last=asked)
    if isinstance(done, Made):
        return done
    if enough is not None:
        enough(done)
    return None


def _has_no_more(run: RunDirectory, plan: Plan, asked: LastMerge, context: Context) -> bool:
    """Whether merges that go on have no more clusters than the features ask for, which a note says."""
    if plan.n_clusters != AS_FEATURES_ASK or plan.merge.start != "previous" or asked.from_stage < 1:
        return False
    n_before = clusters_manifest(run.require("clusters", asked.from_stage)).summary.n_clusters
    if asked.n_clusters < n_before:
        return False
    context.reporter.note(
        f"no merge ends the run: the features of stage {asked.from_stage} ask for "
        f"{so_many(asked.n_clusters, 'cluster')}, it has {n_before}, and `start='previous'` cannot part them"
    )
    return True


def _stage_of_ending(run: RunDirectory, last: int) -> int:
    """The stage of the merge that ends a run after the stage `last`."""
    return max(last + 1, last_merge_stage(RunDirectory(run.root, chosen=run.chosen)))


def _by_default(
    run: RunDirectory, plan: Plan, last: int, context: Context, n_clusters: NumberAsked | None
) -> LastMerge | None:
    """The features of stage `last`, merged to `n_clusters`, or as many as they ask for; None for no merge."""
    if n_clusters != AS_FEATURES_ASK:
        return None if n_clusters is None else LastMerge(last, n_clusters)
    return asked_merge(run, plan.merge, "auto", stage=_stage_of_ending(run, last), from_stage=last, context=context)[1]


def _stage(
    run: RunDirectory,
    stage: int,
    steps: Sequence[Step],
    on: tuple[Callable[[int], None] | None, Callable[[StageRow], None]],
    *,
    last: LastMerge | None = None,
) -> StageRow | Made:
    """The row of a stage whose `steps` are done, `last` if it ends the run; or what a dry run does not find."""
    on_begin, on_row = on
    started = time.perf_counter()
    if on_begin is not None:
        on_begin(stage)
    outcomes: dict[str, Made] = {}
    for step in steps:
        outcome = step(run)
        if outcome.artifact is None:
            return outcome
        run = run.choose(outcome.artifact, outcome.stage)
        outcomes[outcome.kind] = outcome
    row = _row(run, stage, outcomes, seconds=time.perf_counter() - started, last=last)
    on_row(row)
    give_back_memory()
    return row


def _steps(plan: Plan, stage: int, context: Context) -> list[Step]:
    """Steps that make a stage. Each is called with the run, in which the versions to read are chosen."""
    overrides = dict(plan.train)
    if stage == 0 and plan.stage0_epochs is not None:
        overrides["epochs"] = plan.stage0_epochs
    merge_step = partial(merge, parameters=plan.merge, constraints=plan.constraints, stage=stage, context=context)
    train_step = partial(
        train, overrides=overrides, initial=plan.initial, constraints=plan.constraints, stage=stage, context=context
    )
    # its model is that of the steps before
    extract_step = partial(extract, parameters=plan.extract, initial={}, stage=stage, context=context)
    evaluate_step = partial(
        evaluate, parameters=plan.evaluate, labels=plan.constraints.labels, stage=stage, context=context
    )
    after: list[Step] = [extract_step, evaluate_step]
    if stage == INIT_STAGE:
        return [partial(_initial, plan=plan, context=context), *after]
    if plan.merge_only:
        return [merge_step, evaluate_step]
    return [train_step, *after] if stage == 0 else [merge_step, train_step, *after]


def _initial(run: RunDirectory, *, plan: Plan, context: Context) -> Made:
    made = initial_model(run, plan.initial, context=context.without_force())
    require_part(made, plan.freezes)
    return made


def _last_steps(plan: Plan, asked: LastMerge, stage: int, context: Context) -> list[Step]:
    parameters = plan.merge.model_copy(update={"n_clusters": asked.n_clusters})
    merge_step = partial(merge, parameters=parameters, from_stage=asked.from_stage, constraints=plan.constraints)
    steps = [merge_step, partial(evaluate, parameters=plan.evaluate)]
    return [partial(step, stage=stage, context=context) for step in steps]


def _row(
    run: RunDirectory, stage: int, outcomes: Mapping[str, Made], *, seconds: float, last: LastMerge | None
) -> StageRow:
    made = tuple(kind for kind, outcome in outcomes.items() if outcome.status == "created")
    model = run.newest_up_to("model", stage if last is None else last.from_stage)
    return StageRow(
        stage,
        run,
        model_manifest(run.require("model", stage) if model is None else model),
        metrics_manifest(run.require("metrics", stage)),
        round(seconds, 2),
        made,
        ends_run=last is not None,
    )
