"""`dbc ablate`: both criteria, with and without their penalty, from one shared stage 0."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from dbc_cli.by_recipe import evaluate_parameters
from dbc_cli.command import Given, command
from dbc_cli.commands.extract import extract_parameters
from dbc_cli.commands.run import LOOP, cells_of_methods, plan_of, plans_of_methods
from dbc_cli.comparison import (
    ANOTHER_SET,
    ANOTHER_SET_METHODS,
    COMPARISON,
    SEEDS,
    STYLE,
    compare_and_show,
    seeds_of,
    tell_of_unlike,
    values_of,
)
from dbc_cli.configuration import STAGE_TABLES
from dbc_cli.flags.flag import Flag, pins
from dbc_cli.flags.tables import COMMON, CONSTRAINTS
from schemas.choices import CLUSTERERS
from schemas.recipes import VARIANTS
from stages.errors import UsageError

ABLATE = (
    *SEEDS,
    Flag("variants", str, f"Variants, separated by commas: {', '.join(VARIANTS)}.", "all", metavar="LIST"),
    Flag(
        "clusterers",
        str,
        f"Compare clusterers in place of the variants, separated by commas: {', '.join(CLUSTERERS)}.",
        metavar="LIST",
    ),
    Flag(
        "methods",
        str,
        "Compare methods in place of the variants: initial, bow, oim, buc, dbc, dbc-source, tuned, auto, paper, "
        "eug-exclusive, and all of dbc baseline.",
        metavar="LIST",
    ),
    Flag("buc_lambda", float, "λ of BUC; --lambda is that of the other criteria.", "0.005"),
)

PUBLISHED_UPDATE = "stale"
"""The default of `--update` here, whatever the recipe: `dbc-exact` is there to compare with."""


@command(
    "ablate",
    COMMON,
    ABLATE,
    ANOTHER_SET,
    COMPARISON,
    pins("dataset"),
    order=80,
    configurable=(*STYLE, *LOOP, *CONSTRAINTS),
    tables=STAGE_TABLES,
)
def ablate(given: Given) -> None:
    """Compare BUC⁻, BUC, DBC⁻, DBC and DBC exact from one dataset, initial model and stage 0.

    A minus stands for no penalty (λ = 0). All variants use --update stale by default, DBC exact uses exact. Each is a run of
    its own in RUN/ablate; RUN is not changed. The table shows the stage with the best mAP, the last stage, and the stage
    chosen without identities. With --clusterers the runs differ in what makes the clusters, and merge as --recipe says. With
    --methods they are other published methods beside this one: a line each, of its last stage, measured on features as they
    are, with a column that says what it was told.
    """
    from stages.compare.ablation import ablation_cells, clusterer_cells

    several = [f"--{name}" for name in ("variants", "clusterers", "methods") if given[name] is not None]
    if len(several) > 1:
        raise UsageError(f"{' and '.join(several)} compare different things; give one of them")
    seeds = seeds_of(given)
    name, others = "ablation", list[str]()
    if given["methods"] is not None:
        name = "methods"
        methods = values_of(Flag("methods", str, ""), given["methods"])
        others = [method for method in methods if method in ANOTHER_SET_METHODS]
        plans = plans_of_methods(given, [method for method in methods if method not in others])
        # whatever the recipe: one kind of features and one measure for all
        alike = replace(given, values={**given.values, "recipe": "auto"})
        evaluate, features = evaluate_parameters(alike), extract_parameters(alike)
        plans = {
            name: replace(plan, evaluate=evaluate, extract=features, initial=_pooled_as(plan.initial, given["pooling"]))
            for name, plan in plans.items()
        }
        cells = cells_of_methods(given, plans)
    elif given["clusterers"] is not None:
        name = "clusterers"
        clusterers = values_of(Flag("clusterers", str, ""), given["clusterers"])
        cells = clusterer_cells(plan_of(given), clusterers=clusterers, seeds=seeds)
    else:
        if given["criterion"] is not None:
            given.note("`criterion` has no effect: the variants say what ranks pairs")
        variants = values_of(Flag("variants", str, ""), given.get("variants", ",".join(VARIANTS)))
        values = {name: value for name, value in given.values.items() if name != "criterion"}
        plan = plan_of(replace(given, values={"update": PUBLISHED_UPDATE, **values}))
        lambdas = {"lambda_": given["lambda_"], "buc_lambda": given["buc_lambda"]}
        cells = ablation_cells(plan, variants=variants, seeds=seeds, **lambdas)
    tell_of_unlike(given, cells)
    compare_and_show(given, cells, name=name, others=others, methods=given["methods"] is not None)


def _pooled_as(initial: Mapping[str, Any], pooling: str | None) -> dict[str, Any]:
    """`initial` without `pooling`, unless the user gave one."""
    return {name: value for name, value in initial.items() if name != "pooling" or pooling is not None}
