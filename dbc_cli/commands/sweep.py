"""`dbc sweep`: a separate run of all stages for every combination of values."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dbc_cli.command import Given, command
from dbc_cli.commands.extract import FEATURES
from dbc_cli.commands.run import plan_of
from dbc_cli.comparison import (
    COMPARISON,
    carry_out,
    pictures_may_be_replaced,
    require_pictures,
    show_comparison,
    show_plan,
    tell_of_unlike,
    values_of,
)
from dbc_cli.configuration import STAGE_TABLES
from dbc_cli.flags.flag import Flag, pins
from dbc_cli.flags.tables import CAMERA, COMMON, DEVICE, EVALUATE, MEMORY, MERGE, SCHEDULE, SEED, WHITEN
from dbc_cli.flags.training import AMP, INITIAL, TRAIN
from dbc_cli.idle import settings_of, tell_of_idle
from stages.errors import UsageError

if TYPE_CHECKING:
    from stages.compare.cells import Cell, CellResult

PARAMETERS = (*SCHEDULE, *FEATURES, *MERGE, *WHITEN, *CAMERA, *TRAIN, *INITIAL, *SEED, *EVALUATE)


def _with_choices(flag: Flag) -> str:
    return f"{flag.help} Of {', '.join(flag.choices)}." if flag.choices else flag.help


LISTS = tuple(
    replace(flag, kind=str, help=_with_choices(flag), metavar="LIST") for flag in PARAMETERS if flag.kind is not bool
)
_AS_THEY_ARE = tuple(flag for flag in PARAMETERS if flag.kind is bool)


@command(
    "sweep",
    LISTS,
    _AS_THEY_ARE,
    AMP,
    COMMON,
    COMPARISON,
    pins("dataset"),
    order=90,
    configurable=(*DEVICE, *MEMORY),
    tables=STAGE_TABLES,
)
def sweep(given: Given) -> None:
    """Run all stages for every combination of values, as in --lambda 0,0.01,0.1 --seed 0,1,2.

    A LIST is one value, or several separated by commas. Each combination is a run of its own in RUN/sweep; RUN is not changed.
    All share the dataset, the initial features and, if they agree on it, stage 0. The table shows mean ± standard deviation
    (n − 1) over seeds.
    """
    cells = cells_of(given)
    several = {flag.name for flag in PARAMETERS if flag.key in swept(given)}
    tell_of_idle(given, *(settings_of(cell.plan) for cell in cells), swept=several)
    tell_of_unlike(given, cells)
    names = [name for name in swept(given) if name != "seed"]
    if given.flag("dry_run"):
        show_plan(given, cells, pictures=_pictures(names))
        return
    results = carry_out(given, cells, pictures=_pictures(names))
    show_comparison(given, results, _draw(given, results, names))


def swept(given: Given) -> dict[str, list[Any]]:
    """The parameters with more than one value, by the flag without its dashes; UsageError if there is none."""
    lists = {flag.key: values_of(flag, given.values[flag.name]) for flag in PARAMETERS if flag.name in given.values}
    several = {key: values for key, values in lists.items() if len(values) > 1}
    if not several:
        raise UsageError(
            "at least one flag must be a list of two values or more, such as --lambda 0,0.1; see: dbc sweep --help"
        )
    return several


def cells_of(given: Given) -> list[Cell]:
    """A cell for every combination."""
    from stages.compare.cells import Cell
    from stages.compare.grid import combinations, folder_name

    several = swept(given)
    fields = {flag.key: flag for flag in PARAMETERS}
    single = {f.name: values_of(f, given.values[f.name])[0] for f in PARAMETERS if f.name in given.values}
    folder = "sweep-merge-only" if given.flag("merge_only") else "sweep"
    cells = []
    for setting in combinations(several):
        values = {**given.values, **single, **{fields[key].name: value for key, value in setting.items()}}
        plan = plan_of(replace(given, values=values))
        cells.append(Cell(f"{folder}/{folder_name(setting)}", plan, setting))
    return cells


def _pictures(names: Sequence[str]) -> list[str]:
    """The names of the pictures of a sweep of `names`: curves by stage, then by each parameter."""
    stem = f"sweep-{'-'.join(names) or 'seed'}"
    return [f"{stem}-stages", *(f"{stem}-by-{name}" for name in names)]


def _draw(given: Given, results: Sequence[CellResult], names: Sequence[str]) -> list[Path]:
    """Curves by stage and by each swept parameter but the seed."""
    from stages.compare.outcomes import by_value, runs_by_label
    from stages.compare.plots.panels import save
    from stages.compare.plots.sheets import comparison_sheet, value_sheet

    by_stage, *by_names = _pictures(names)
    folder, overwrite = require_pictures(given, [by_stage, *by_names]), pictures_may_be_replaced(given)
    title = f"sweep of {', '.join(names) or 'the seed'}"
    sheet = comparison_sheet(runs_by_label(results), title=title)
    written = list(save(sheet, folder / by_stage, overwrite=overwrite))
    for name, picture in zip(names, by_names, strict=True):
        # the first kind that is known: figures of identities, or what is known without
        for figures in (("rank1", "mAP", "ari"), ("cluster_silhouette",)):
            outcomes = {figure: by_value(results, name, figure) for figure in figures}
            if any(point[1] is not None for found in outcomes.values() for line in found.values() for point in line):
                written += save(value_sheet(name, outcomes, title=title), folder / picture, overwrite=overwrite)
                break
    return written
