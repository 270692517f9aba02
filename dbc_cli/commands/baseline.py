"""`dbc baseline`: another published method to compare with."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dbc_cli.command import Given, command, initial_fields
from dbc_cli.flags.flag import Flag, pins
from dbc_cli.flags.tables import COMMON, DEVICE, SEED
from dbc_cli.flags.training import AMP, INITIAL, TRAIN
from schemas.choices import Baseline
from stages.errors import UsageError

if TYPE_CHECKING:
    from rich.table import Table

METHOD = Annotated[Baseline, typer.Argument(metavar="METHOD", help="pul: k-means, and training on reliable samples.")]
HEADINGS = ("iteration", "clusters", "reliable", "loss", "rank-1", "rank-5", "mAP", "ARI")


BASELINE = (
    Flag("n_clusters", int, "--n-clusters", "Number of k-means clusters.", "", metavar="K", least=1),
    Flag(
        "iterations",
        int,
        "--iterations",
        "Number of rounds of clustering and training.",
        "5",
        metavar="T",
        least=1,
        most=10_000,
    ),
    Flag("threshold", float, "--threshold", "Least cosine of a reliable sample with its cluster's centre.", "0.85"),
)


@command(
    "baseline",
    COMMON,
    pins("dataset"),
    order=120,
    configurable=(*BASELINE, *TRAIN, *INITIAL, *SEED, *AMP, *DEVICE),
    source=METHOD,
)
def baseline(given: Given, method: str | None) -> None:
    """Run another method from the initial model and print its results; models and clusters are not stored.

    pul (Fan et al., 2018): cluster by k-means, train on the samples near their cluster's centre, and repeat. Here it trains
    with the repelled loss.
    """
    from dbc_cli.console import RichReporter, print_json, print_table
    from stages.compare.baselines.progressive import Settings, progressive

    if method is None:
        raise UsageError("METHOD is missing: give pul")
    if given["n_clusters"] is None:
        raise UsageError("--n-clusters is missing: give about the number of identities")
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
