"""`dbc run`: the whole loop, with a table of the stages done."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dbc_cli.command import Given, parse, parse_bytes, remember, with_flags
from dbc_cli.flags import (
    AMP,
    COMMON,
    DEVICE,
    EVALUATE,
    INITIAL,
    MAKING,
    MEMORY,
    MERGE,
    SCHEDULE,
    SEED,
    TRAIN,
    pins,
)

if TYPE_CHECKING:
    from stages.pipeline import Plan

RUN_FLAGS = (SCHEDULE, MERGE, TRAIN, INITIAL, SEED, AMP, EVALUATE, DEVICE, MEMORY)


@with_flags("run", *RUN_FLAGS, COMMON, MAKING, pins("dataset"))
def run(given: Given) -> None:
    """Run all stages: train, then merge, train, extract and evaluate until the last, going on where it stopped.

    Gives the same artifacts as the single commands in a shell loop, and evaluates every stage.
    """
    run_plan(given, plan_of(given))


def plan_of(given: Given) -> Plan:
    """The plan that the flags ask for."""
    from schemas.parameters import EvaluateParameters, ExtractParameters, MergeParameters
    from stages.errors import UsageError
    from stages.pipeline import Plan

    if given["stages"] is not None and given["stages"] < 0:
        raise UsageError(f"--stages: found {given['stages']}, wanted the number of the last stage, at least 0")
    return Plan(
        merge=parse(MergeParameters, given.only(MERGE)),
        extract=parse(ExtractParameters, given.only(AMP)),
        evaluate=parse(EvaluateParameters, given.only(EVALUATE)),
        train=given.only((*TRAIN, *SEED, *AMP)),
        initial=given.only((*INITIAL, *SEED)),
        stages=given["stages"],
        stage0_epochs=given["stage0_epochs"],
        device=given.get("device", "auto"),
        memory_limit=parse_bytes(given["memory_limit"]),
    )


def run_plan(given: Given, plan: Plan) -> None:
    """Run `plan` and show its table, or say what a dry run would make first."""
    from dbc_cli.console import RichReporter, print_json, print_table, stdout
    from dbc_cli.stage_table import LiveTable, row_fields, stage_table
    from stages.pipeline import run_stages

    directory = given.run_directory
    remember(given.run)
    reporter = RichReporter()
    with LiveTable(reporter.console) as table:
        stopped = run_stages(
            directory, plan, how=given.how, reporter=reporter, on_row=lambda row: table.add(row_fields(row))
        )
    rows = table.rows
    if given.flag("json"):
        print_json({"run": given.run.as_posix(), "stages": rows, "would_create": _would_create(stopped)})
        return
    if rows:
        print_table(stage_table(rows))
    if stopped is not None:
        stdout().print(f"a real run would go on with: {_would_create(stopped)}", highlight=False)


def _would_create(stopped: Any) -> str | None:
    from schemas.stage import stage_label

    if stopped is None:
        return None
    return f"{stopped.kind} of stage {stage_label(stopped.stage)}"
