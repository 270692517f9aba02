"""`dbc select`: which stage to take, judged without identities."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from dbc_cli.command import Given, with_flags
from dbc_cli.flag import Flag, pins
from dbc_cli.flags import COMMON

if TYPE_CHECKING:
    from collections.abc import Sequence

    from stages.select.measures import StageMeasures

_RULE = Literal["cluster-silhouette", "silhouette", "jump", "dispersion-ratio", "stability"]
RULE = (Flag("rule", _RULE, "--rule", "What the stage is chosen by.", "cluster-silhouette"),)


@with_flags("select", COMMON, RULE, pins("features", "clusters"))
def select(given: Given) -> None:
    """Choose a stage without identities, and show what every rule says of every stage.

    - cluster-silhouette: the largest mean silhouette of clusters, each with one voice
    - silhouette: the largest mean silhouette of samples
    - jump: before the merges grow most expensive
    - dispersion-ratio: the tightest clusters, the farthest apart
    - stability: before the stage that changes the partition least
    """
    from dbc_cli.console import print_json
    from stages.errors import DbcError
    from stages.select.rules import DEFAULT_RULE, RULES, choose
    from stages.select.stage import measure_stage, measured_stages

    run = given.run_directory
    stages = measured_stages(run)
    if not stages:
        raise DbcError(f"{run.root}: no clusters found; make them with: dbc merge, or dbc run")
    measures = [measure_stage(run, stage) for stage in stages]
    rule = given.get("rule", DEFAULT_RULE)
    chosen = {name: choose(measures, rule=name) for name in RULES}
    given.remember()
    rows = stage_rows(measures)
    if given.flag("json"):
        print_json(
            {"run": given.run.as_posix(), "rule": rule, "chosen": chosen[rule], "by_rule": chosen, "stages": rows}
        )
        return
    _show(rows, chosen, rule=rule)


def stage_rows(measures: Sequence[StageMeasures]) -> list[dict[str, Any]]:
    """Each stage with its clusters and the score of every rule; None where a score has no meaning."""
    from stages.select.rules import RULES, scores

    by_rule = {rule: scores(measures, rule=rule).tolist() for rule in RULES}
    return [
        {
            "stage": stage.stage,
            "n_clusters": stage.n_clusters,
            "singleton_share": stage.singleton_share,
            **{rule: None if values[place] != values[place] else values[place] for rule, values in by_rule.items()},
        }
        for place, stage in enumerate(measures)
    ]


def _show(rows: Sequence[dict[str, Any]], chosen: dict[str, int | None], *, rule: str) -> None:
    from rich.table import Table

    from dbc_cli.console import print_table, print_text

    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in ("stage", "clusters", "singletons", *chosen):
        table.add_column(heading, justify="right")
    for row in rows:
        scores = (_score(row[name], is_chosen=stage == row["stage"]) for name, stage in chosen.items())
        table.add_row(str(row["stage"]), str(row["n_clusters"]), f"{row['singleton_share']:.3f}", *scores)
    print_table(table)
    stage = chosen[rule]
    if stage is None:
        print_text(f"no stage chosen: {rule} is known of none")
        return
    n_clusters = next(row["n_clusters"] for row in rows if row["stage"] == stage)
    print_text(f"chosen by {rule}: stage {stage}, {n_clusters} clusters (* marks the choice of each rule)")


def _score(value: float | None, *, is_chosen: bool) -> str:
    text = "–" if value is None else f"{value:.3f}"
    return f"{text}*" if is_chosen else f"{text} "
