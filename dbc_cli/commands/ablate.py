"""`dbc ablate`: both criteria, with and without their penalty, from one shared stage 0."""

from __future__ import annotations

from dataclasses import replace

from dbc_cli.command import Given, with_flags
from dbc_cli.comparison import COMPARISON, carry_out, picture_folder, show_comparison, show_plan, values_of
from dbc_cli.flags.flag import Flag, pins
from dbc_cli.flags.tables import COMMON

ABLATE = (
    Flag("seeds", str, "--seeds", "Seeds, with commas between: mean and standard deviation.", "--seed", metavar="LIST"),
    Flag("variants", str, "--variants", "Some of buc-,buc,dbc-,dbc,dbc-exact.", "all", metavar="LIST"),
    Flag("buc_lambda", float, "--buc-lambda", "λ of BUC; --lambda is that of DBC.", "0.005"),
)

PUBLISHED_UPDATE = "stale"
"""How the variants merge where it is not said, whatever the recipe: `dbc-exact` is there to compare with."""


@with_flags("ablate", COMMON, ABLATE, COMPARISON, pins("dataset"))
def ablate(given: Given) -> None:
    """Compare BUC⁻, BUC, DBC⁻, DBC and DBC exact, which share data set, initial features and stage 0.

    The minus is without the penalty (λ = 0). All use one --update, stale unless said, but for DBC exact. Each is a run of
    its own under RUN/ablate, and RUN stays as it is. The table tells of the stage with the best mAP, of the last, and of
    the one chosen without identities.
    """
    from dbc_cli.commands.run import plan_of
    from stages.compare.ablation import VARIANTS, ablation_cells
    from stages.errors import UsageError

    seeds = values_of(Flag("seeds", int, "--seeds", ""), given.get("seeds", given.get("seed", 0)))
    if min(seeds) < 0:
        raise UsageError(f"--seeds: found {min(seeds)}, wanted at least 0")
    variants = values_of(Flag("variants", str, "--variants", ""), given.get("variants", ",".join(VARIANTS)))
    values = {name: value for name, value in given.values.items() if name != "criterion"}
    plan = plan_of(replace(given, values={"update": PUBLISHED_UPDATE, **values}))
    cells = ablation_cells(
        plan, variants=variants, seeds=seeds, dbc_lambda=given["lambda_"], buc_lambda=given["buc_lambda"]
    )
    if given.flag("dry_run"):
        show_plan(given, cells)
        return
    results = carry_out(given, cells)
    from stages.compare.outcomes import chosen_by_label, runs_by_label
    from stages.compare.plots.panels import save
    from stages.compare.plots.sheets import comparison_sheet

    figure = comparison_sheet(runs_by_label(results), title="ablation", chosen=chosen_by_label(results))
    show_comparison(given, results, save(figure, picture_folder(given) / "ablation"))
