"""`dbc baseline`: another published method to compare with."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from dbc_cli.command import Given, command, initial_fields
from dbc_cli.commands.run import LOOP, plans_of_methods
from dbc_cli.comparison import COMPARISON, SEEDS, compare_and_show, seeds_of, show_plan
from dbc_cli.flags.flag import Flag, pins
from dbc_cli.flags.tables import COMMON, CONSTRAINTS, SEED
from dbc_cli.flags.training import AMP, TRAIN
from schemas.choices import Baseline, words_of
from schemas.stage_names import stage_label
from stages.errors import UsageError

METHOD = Annotated[
    Baseline,
    typer.Argument(
        metavar="METHOD",
        help="pul; eug, race (one label each); stepwise, dgm, dal (cameras); umdl, spgan, tj-aidl (another set).",
    ),
]


BASELINE = (
    Flag(
        "steps",
        int,
        "--steps",
        "Steps in which spgan learns to restyle.",
        "10000",
        metavar="N",
        least=1,
        most=10_000_000,
    ),
)

ANOTHER_SET = (
    Flag(
        "source_run",
        Path,
        "--source",
        "Run of another set, whose identities umdl, spgan and tj-aidl read.",
        "",
        metavar="RUN",
    ),
    Flag(
        "attributes",
        Path,
        "--attributes",
        "Table of attributes of the source, for tj-aidl: path, and a column of 0 and 1 for each.",
        "",
        metavar="FILE",
    ),
)


@command(
    "baseline",
    COMMON,
    SEEDS,
    ANOTHER_SET,
    COMPARISON,
    pins("dataset"),
    order=120,
    configurable=(*BASELINE, *LOOP, *CONSTRAINTS),
    source=METHOD,
)
def baseline(given: Given, method: str | None) -> None:
    """Run another published method on the same pictures, and print its results.

    Each is a run of its own in RUN/baseline, with the same artifacts as any run. pul (Fan et al., 2018) clusters by k-means
    and trains on the samples near their cluster's centre. eug (Wu et al., 2018) and race (Ye et al., 2018) know one labelled
    sample of each individual (--labels FILE); stepwise (Liu et al., 2017), dgm (Ye et al., 2017) and dal (Chen et al., 2018)
    know cameras and tracklets. umdl (Peng et al., 2016), spgan (Deng et al., 2018) and tj-aidl (Wang et al., 2018) learn from
    another set, --source RUN, whose identities they read.
    """
    if method is None:
        raise UsageError(f"METHOD is missing: give one of {', '.join(words_of(Baseline))}")
    if method in ("umdl", "spgan", "tj-aidl"):
        _from_another_set(given, method)
        return
    from stages.compare.ablation import method_cells

    cells = method_cells(plans_of_methods(given, [method]), seeds=seeds_of(given))
    if given.flag("dry_run"):
        show_plan(given, cells)
        return
    compare_and_show(given, cells, name=f"baseline-{method}")


def _from_another_set(given: Given, method: str) -> None:
    from dbc_cli.console import RichReporter, borderless_table, print_json, print_table
    from stages.compare.baselines.another_set import METHODS, Options, Source
    from stages.runs.run_directory import RunDirectory

    if given["source_run"] is None:
        raise UsageError(f"--source is missing: {method} needs a run of another set, with identities")
    if not given["source_run"].is_dir():
        raise UsageError(f"--source must be a run, got {given['source_run']}, which is no folder; name another")
    numbers = {name: given[name] for name in ("seed", "steps", "epochs") if given[name] is not None}
    options = Options(train=given.fields_of((*TRAIN, *AMP)), initial=initial_fields(given, SEED), **numbers)
    source = Source(RunDirectory(given["source_run"]), given["attributes"])
    found = METHODS[method](given.run_directory, source, options, context=given.context(RichReporter()))
    given.remember()
    rows = [
        {
            "features": each.features,
            "run": each.run.root.as_posix(),
            "stage": stage_label(each.stage),
            **{name: getattr(each.figures, name) for name in ("rank1", "rank5", "rank10", "mAP")},
        }
        for each in found
    ]
    if given.flag("json"):
        print_json({"run": given.run.as_posix(), "method": method, "rows": rows})
        return
    cells = [[row["features"], *map(_cell, list(row.values())[3:])] for row in rows]
    print_table(borderless_table(("features", "rank-1", "rank-5", "rank-10", "mAP"), cells, n_left=1))


def _cell(value: float | None) -> str:
    if value is None:
        return "–"
    return f"{value:.3f}" if isinstance(value, float) else str(value)
