"""`dbc baseline`: a published method to compare with that is a loop of its own."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dbc_cli.command import Given, initial_fields, with_flags
from dbc_cli.flags.flag import pins
from dbc_cli.flags.tables import COMMON, SEED
from dbc_cli.flags.training import AMP, TRAIN
from schemas.choices import Baseline
from stages.errors import UsageError

if TYPE_CHECKING:
    from rich.table import Table

METHOD = Annotated[Baseline, typer.Argument(metavar="METHOD", help="pul: k-means and its reliable samples.")]
HEADINGS = ("iteration", "clusters", "reliable", "loss", "rank-1", "rank-5", "mAP", "ARI")


@with_flags("baseline", COMMON, pins("dataset"), source=METHOD)
def baseline(given: Given, method: str | None) -> None:
    """Run a baseline from the initial model and print its figures; it keeps no models or clusters.

    pul (Fan et al., 2018): cluster by k-means, train on the samples near their cluster's centre, and again. The classes
    are trained with the repelled loss.
    """
    from dbc_cli.console import RichReporter, print_json, print_table
    from stages.compare.baselines.progressive import Settings, progressive

    if method is None:
        raise UsageError("METHOD: none given, wanted pul")
    if given["n_clusters"] is None:
        raise UsageError("--n-clusters: none given, wanted the number of k-means clusters, about that of identities")
    fields = {name: given[name] for name in ("iterations", "threshold", "seed", "device") if given[name] is not None}
    settings = Settings(
        n_clusters=given["n_clusters"],
        train=given.only((*TRAIN, *AMP)),
        initial=initial_fields(given, SEED),
        **fields,
    )
    rows: list[dict[str, Any]] = []
    progressive(given.run_directory, settings, reporter=RichReporter(), on_row=lambda row: rows.append(asdict(row)))
    given.remember()
    if given.flag("json"):
        print_json({"run": given.run.as_posix(), "method": method, "iterations": rows})
    else:
        print_table(_table(rows))


def _table(rows: list[dict[str, Any]]) -> Table:
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in HEADINGS:
        table.add_column(heading, justify="right")
    for row in rows:
        table.add_row(*(_cell(value) for value in row.values()))
    return table


def _cell(value: float | None) -> str:
    if value is None:
        return "–"
    return f"{value:.3f}" if isinstance(value, float) else str(value)
