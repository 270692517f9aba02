"""`dbc run`: the whole loop, with a table of the stages done."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dbc_cli.by_recipe import (
    asked_constraints,
    asked_n_clusters,
    evaluate_parameters,
    initial_by_recipe,
    merge_parameters,
    tell_of_another_pooling,
    try_initial,
)
from dbc_cli.command import Given, command
from dbc_cli.commands.extract import FEATURES, extract_parameters
from dbc_cli.commands.select import verdict_fields
from dbc_cli.comparison import ANOTHER_SET_METHODS, n_cameras, seeds_of
from dbc_cli.configuration import STAGE_TABLES
from dbc_cli.console import RichReporter, print_table, print_text
from dbc_cli.flags.flag import TRAINING, Flag, pins
from dbc_cli.flags.tables import (
    CAMERA,
    COMMON,
    CONSTRAINTS,
    DEVICE,
    EVALUATE,
    MAKING,
    MEMORY,
    MERGE,
    SCHEDULE,
    SEED,
    WHITEN,
)
from dbc_cli.flags.training import AMP, COMPILE, INITIAL, RUNNING, TRAIN
from dbc_cli.idle import settings_of, tell_of_idle
from dbc_cli.problems import in_flags
from dbc_cli.stage_table import row_fields, stage_table
from schemas.choices import Stop
from schemas.recipes import DEFAULT_RECIPE, METHOD_SETTINGS, OTHER_METHODS, RECIPES
from schemas.stage_names import INIT_STAGE, json_stage, stage_label
from stages.errors import UsageError
from stages.wording import so_many

if TYPE_CHECKING:
    from schemas.recipes import MethodSetting
    from stages.compare.cells import Cell
    from stages.loop.choice.verdict import Verdict
    from stages.loop.plan import Plan
    from stages.loop.stopping import Stopping
    from stages.runs.making import Made


LOOP = (
    *SCHEDULE,
    *MERGE,
    *WHITEN,
    *CAMERA,
    *TRAIN,
    *INITIAL,
    *FEATURES,
    *SEED,
    *AMP,
    *COMPILE,
    *EVALUATE,
    *DEVICE,
    *MEMORY,
    *RUNNING,
)
"""The flags of every command that runs all stages."""
STOP = (
    Flag(
        "stop",
        Stop,
        "When to stop: never before the last stage, or auto: when later stages get no better (without identities).",
        "never",
        TRAINING,
    ),
    Flag(
        "patience",
        int,
        "Trained stages without improvement before --stop auto stops.",
        "3",
        TRAINING,
        "N",
        least=1,
        most=1_000_000,
    ),
)


@command(
    "run",
    COMMON,
    MAKING,
    pins("dataset"),
    order=60,
    configurable=(*LOOP, *CONSTRAINTS, *STOP),
    tables=STAGE_TABLES,
    works=True,
)
def run(given: Given) -> None:
    """Run all stages: merge, train, extract and evaluate, one after the other. It goes on where it was stopped.

    The artifacts are those of the single commands in a shell loop. With --stop auto the run ends when --patience trained
    stages have been no better than the one that dbc select chooses, and names that stage; identity labels are never used.
    """
    plan = plan_of(given, ends_by_itself=True)
    tell_of_idle(given, {**settings_of(plan), "stop": given.get("stop", "never")})
    tell_of_another_pooling(given)
    run_plan(given, plan)


def plan_of(given: Given, *, ends_by_itself: bool = False) -> Plan:
    """The plan that the flags ask for.

    `ends_by_itself`: unless --n-clusters says otherwise, the run ends with as many clusters as its features ask for.
    """
    from stages.loop.last_clusters import may_end_by_itself
    from stages.loop.plan import Plan

    merge, asked = merge_parameters(given), asked_n_clusters(given)
    if asked is None:
        asked = "auto" if ends_by_itself and may_end_by_itself(merge) else "schedule"
    return Plan(
        merge=merge,
        n_clusters=None if asked == "schedule" or merge.clusterer != "dbc" else asked,
        extract=extract_parameters(given),
        evaluate=evaluate_parameters(given),
        train=given.fields_of((*TRAIN, *WHITEN, *SEED, *AMP)),
        initial=initial_by_recipe(given),
        stages=given["stages"],
        stage0_epochs=given["stage0_epochs"],
        merge_only=given.flag("merge_only"),
        constraints=asked_constraints(given),
    )


def plans_of_methods(given: Given, names: Sequence[str]) -> dict[str, Plan]:
    """The plan of each method; a note says which rates other methods have, if none are given."""
    plans = {name: plan_of_method(given, name) for name in names}
    others = [name for name in names if name in OTHER_METHODS]
    if others and given["recipe"] != "paper" and given["learning_rate"] is None:
        given.note(
            f"{', '.join(others)}: few epochs at a low rate, which suit a few hundred images; "
            "--recipe paper gives the published ones"
        )
    return plans


def cells_of_methods(given: Given, plans: Mapping[str, Plan]) -> list[Cell]:
    """A run of each method with each seed; those that have to, and pul if there is a --source, begin on that set."""
    from stages.compare.ablation import method_cells

    told = given["source_run"] is not None
    begun = [
        n for n in plans if (n in METHOD_SETTINGS and METHOD_SETTINGS[n].begins_on_source) or (n == "pul" and told)
    ]
    return method_cells(plans, seeds=seeds_of(given), on_source=begun, has_cameras=n_cameras(given) > 1)


def plan_of_method(given: Given, name: str) -> Plan:
    """The plan of the method `name`, a recipe or a setting of one; UsageError if it knows labels, and none are given.

    Other methods train at rates for a few hundred images; if --recipe paper is given, at the published ones.
    """
    if name in METHOD_SETTINGS:
        return _plan_of_setting(given, METHOD_SETTINGS[name])
    if name not in RECIPES:
        known = ", ".join((*RECIPES, *METHOD_SETTINGS, *ANOTHER_SET_METHODS))
        raise UsageError(f"`methods` must be some of {known}, got {name!r}")
    other = OTHER_METHODS.get(name)  # type: ignore[call-overload]
    gentle = {} if other is None or given["recipe"] == "paper" else other.gentle
    values: dict[str, Any] = {**gentle, **given.values, "recipe": name}
    if other is not None and other.stages is not None:
        values["stages"] = other.stages
        # what it has to learn, it learns there
        values.pop("stage0_epochs", None)
    elif other is not None:
        # before there are labels there is nothing to train on, however many --epochs are given
        values.setdefault("stage0_epochs", 0)
    if name == "pul" and given["n_clusters"] is None:
        raise UsageError("--n-clusters is missing: give about the number of identities")
    # methods are compared as their loops leave them
    plan = replace(plan_of(replace(given, values=values)), n_clusters=None)
    if other is None:
        return plan
    if "labelled" not in other.knows:
        return _untold(plan)
    if plan.constraints.labels is None:
        raise UsageError(f"--labels is missing: {name} needs {other.knows}, as a table of path,identity")
    return plan


def _plan_of_setting(given: Given, setting: MethodSetting) -> Plan:
    is_other, asked = setting.recipe in OTHER_METHODS, given["recipe"]
    follows = not is_other and (asked == "paper" or setting.recipe == DEFAULT_RECIPE)
    recipe = asked if asked and follows else setting.recipe
    left_out = {"stage0_epochs"} if setting.values.get("stages") == 0 else set()
    left_out |= {flag.name for flag in INITIAL} if "backbone" in setting.values else set()
    values = {name: value for name, value in given.values.items() if name not in left_out}
    gentle = {} if asked == "paper" else setting.gentle
    plan = plan_of_method(replace(given, values={**gentle, **values, **setting.values}), recipe)
    if setting.knows is None:
        return replace(plan, constraints=replace(plan.constraints, labels=None))
    return plan if is_other else _untold(plan)


def _untold(plan: Plan) -> Plan:
    """The plan without anything known of samples, even if other methods of the same table are told."""
    from stages.constraints.stage import NO_FILE, AskedConstraints

    return replace(plan, constraints=AskedConstraints(Path(NO_FILE), derived=False))


def run_plan(given: Given, plan: Plan) -> None:
    """Run `plan` and show its table, or say what a dry run would make first; if it fails, show the rows that are done."""
    from dbc_cli.run_progress import RunProgress
    from stages.loop.forecast import Forecast
    from stages.loop.plan import check_plan, planned_work, trained_beside_recipe
    from stages.loop.stopping import Stopping
    from stages.runs.ending import ending_stage
    from stages.runs.run_directory import dataset_manifest

    run, is_dry = given.run_directory, given.flag("dry_run")
    stopping = Stopping(given.get("patience", 3), trains=plan.trains)
    choice = stopping if given["stop"] == "auto" else None
    check_plan(run, plan)
    given.remember()
    if is_dry and not run.versions("model", INIT_STAGE):
        # all that follows needs it
        try_initial(given, plan)
        show_rows(given, [], would_create="model of stage init")
        return
    from stages.loop.run_stages import run_stages
    from stages.loop.watching import Watch

    data = dataset_manifest(run.require("dataset")).summary
    works, beside = planned_work(plan, data), trained_beside_recipe(plan, data)
    if beside and plan.merge.clusterer == "dbc":
        stages = f"stage {beside[0]}" if len(beside) == 1 else f"stages {beside[0]} to {beside[-1]}"
        recipe = given.get("recipe", DEFAULT_RECIPE)
        given.note(
            f"--epochs {given['epochs']} is for every stage: {stages}, too, which --recipe {recipe} leaves untrained"
        )
    progress = RunProgress(works, Forecast(works), may_train=plan.trains and not plan.merge_only, told=given.told)
    context = replace(given.context(progress), tells_anew=True)
    watch = Watch(context, choice, waits=is_dry)
    try:
        with progress:
            stopped = run_stages(
                run,
                plan,
                context=context,
                on_row=lambda row: progress.add(row_fields(row)),
                on_begin=progress.begin,
                enough=watch,
                ending=watch.last_merge,
            )
    except BaseException:
        if progress.rows:
            show_rows(given, progress.rows, choice=choice)
        raise
    verdict = watch.verdict() if stopped is None and not is_dry else None
    for warning in () if verdict is None else verdict.warnings:
        # JSON has these as they are
        RichReporter().warn(warning)
    ending = ending_stage(run) if stopped is None and not is_dry else None
    if ending is not None and not any(row["ends_run"] for row in progress.rows):
        progress.note(
            f"stage {ending} ended this run before, and is still what export, report and others take; "
            f"stage {progress.rows[-1]['stage']}, the last of now, with `stage`"
        )
    would_create = _named(stopped) if stopped is not None else "nothing: all of it is there" if is_dry else None
    show_rows(given, progress.rows, verdict=verdict, choice=choice, would_create=would_create)


def show_rows(
    given: Given,
    rows: Sequence[dict[str, Any]],
    *,
    verdict: Verdict | None = None,
    choice: Stopping | None = None,
    would_create: str | None = None,
) -> None:
    """Print the stages that are done, the chosen one, what was found, and what a dry run would make next."""
    from stages.runs.source_names import sample_is

    if given.flag("json"):
        told = {} if verdict is None else verdict_fields(verdict)
        chosen = {} if choice is None else {"chosen": json_stage(choice.chosen), "reason": choice.reason}
        given.print_json({"run": given.run.as_posix(), "stages": rows, "would_create": would_create, **told, **chosen})
        return
    if rows:
        print_table(stage_table(rows))
    if choice is not None and choice.reason is not None:
        print_text(f"chosen without identities: {choice.reason}; dbc select shows all stages")
    if verdict is not None:
        print_text(in_flags(verdict.line))
        for line in _last_lines(rows, verdict, sample_is(given.run_directory.require("dataset"))):
            print_text(line)
    if would_create is not None:
        print_text(f"a real run would go on with: {would_create}")


def _last_lines(rows: Sequence[dict[str, Any]], verdict: Verdict, sample: str) -> list[str]:
    """In plain words: what was found, how far to trust it, and what to do next."""
    merged = [row for row in rows if row["stage"] not in ("init", 0)]
    if not merged:
        return []
    row = next((row for row in merged if row["stage"] == verdict.shown), merged[-1])
    return [
        f"Found at stage {row['stage']}: {so_many(row['n_clusters'], 'cluster')}, {row['n_singletons']} of them of one "
        f"{sample}, the largest of {row['largest_cluster']}.",
        f"How far to trust them: {in_flags(verdict.trust)}.",
        f"Next: dbc report --stage {row['stage']} --out clusters.png to see them, "
        f"dbc export clusters --stage {row['stage']} --out clusters.csv to list them.",
    ]


def _named(outcome: Made) -> str:
    return f"{outcome.kind} of stage {stage_label(outcome.stage)}"
