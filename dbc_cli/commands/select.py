"""`dbc select`: which stage to take, judged without identities."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

from dbc_cli.command import Given, command
from dbc_cli.console import RichReporter, borderless_table, print_table, print_text
from dbc_cli.flags.flag import Flag, pins
from dbc_cli.flags.tables import COMMON
from dbc_cli.problems import in_flags, lines_in_flags
from schemas.stage_names import json_stage
from stages.errors import DbcError
from stages.loop.choice.rules import rule_names

if TYPE_CHECKING:
    from stages.loop.choice.measures import StageMeasures
    from stages.loop.choice.verdict import Verdict

RULE = (
    Flag(
        "rule",
        Literal[rule_names()],
        "Rule to choose by.",
        "across-cameras if cameras are known, else separation if merges whiten, else cluster-silhouette",
    ),
)


@command("select", COMMON, RULE, pins("dataset", "features", "clusters"), order=70)
def select(given: Given) -> None:
    """Choose a stage without identities, and show the score that every rule gives every stage.

    Below the table each rule is explained in a line.
    """
    from stages.export.which_stage import naming_a_whole_stage, taken_unasked
    from stages.loop.choice.choose import choose, default_rule, reason, told_unjudged
    from stages.loop.choice.rule import all_rules
    from stages.loop.choice.stage import Compared, judge, measure_stage, measured_stages

    run = given.clustered_run
    stages = measured_stages(run, given.reporter)
    if not stages:
        raise DbcError(f"{run.root}: no clusters found; make them with: dbc merge, or dbc run")
    compared = Compared(reporter=given.reporter)
    merged = [stage for stage in stages if stage > 0]
    with naming_a_whole_stage(run, merged, "or look at one that is whole: dbc report --stage {}"):
        measures = [measure_stage(run, stage, compared=compared) for stage in stages]
    rule = given["rule"] or default_rule(measures)
    chosen = {name: choose(measures, rule=name) for name in all_rules()}
    judged = judge(run, measures)
    last = taken_unasked(run, merged)
    if last is not None and last[0] != chosen[rule]:
        given.note(f"export, report and others take stage {last[0]}, {last[1]}; `stage` names another")
    given.remember(only_read=True)
    rows = stage_rows(measures)
    why, left_out = reason(measures, rule=rule), told_unjudged(measures, rule=rule)
    for warning in () if judged is None else judged.warnings:
        RichReporter().warn(warning)
    if given.flag("json"):
        told = {} if judged is None else verdict_fields(judged)
        by_rule = {name: json_stage(stage) for name, stage in chosen.items()}
        fields = {
            "run": given.run.as_posix(),
            **told,
            "rule": rule,
            "chosen": by_rule[rule],
            "reason": why,
            "left_out": left_out,
        }
        given.print_json({**fields, "by_rule": by_rule, "stages": rows})
        return
    scored = [name for name in chosen if name == rule or any(row[name] is not None for row in rows)]
    _show(rows, {name: json_stage(chosen[name]) for name in scored})
    for name, about in all_rules().items():
        print_text(f"{name}: {about.description if name in scored else 'has no scores here'}")
    print_text(f"chosen without identities: {why}")
    if left_out and (judged is None or left_out not in judged.line):
        print_text(left_out)
    if judged is not None:
        print_text(in_flags(judged.line))


def verdict_fields(verdict: Verdict) -> dict[str, Any]:
    """Whether training helped, and how far to trust which clusters, as JSON has it."""
    return {
        "chosen": json_stage(verdict.chosen),
        "training_helped": verdict.helped,
        "verdict": in_flags(verdict.line),
        "clusters_stage": json_stage(verdict.shown),
        "trust": in_flags(verdict.trust),
        "warnings": lines_in_flags(verdict.warnings),
    }


def stage_rows(measures: Sequence[StageMeasures]) -> list[dict[str, Any]]:
    """Each stage with its clusters and the score of every rule; None if a score has no meaning."""
    from stages.loop.choice.choose import scores

    by_rule = {rule: scores(measures, rule=rule).tolist() for rule in rule_names()}
    return [
        {
            "stage": json_stage(stage.stage),
            "n_clusters": stage.n_clusters,
            "singleton_share": stage.singleton_share,
            **{rule: None if values[place] != values[place] else values[place] for rule, values in by_rule.items()},
        }
        for place, stage in enumerate(measures)
    ]


def _show(rows: Sequence[dict[str, Any]], chosen: dict[str, int | str | None]) -> None:
    cells = []
    for row in rows:
        scores = (_score(row[name], is_chosen=stage == row["stage"]) for name, stage in chosen.items())
        cells.append([str(row["stage"]), str(row["n_clusters"]), f"{row['singleton_share']:.3f}", *scores])
    table = borderless_table(("stage", "clusters", "singletons", *chosen), cells)
    table.caption, table.caption_justify = "* the choice of each rule", "left"
    print_table(table)


def _score(value: float | None, *, is_chosen: bool) -> str:
    text = "–" if value is None else f"{value:.3f}"
    return f"{text}*" if is_chosen else f"{text} "
