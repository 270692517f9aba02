"""The commands of `dbc`, in the order they are used."""

from __future__ import annotations

import typer

from dbc_cli.ablate import ablate
from dbc_cli.baseline import baseline
from dbc_cli.demo import demo
from dbc_cli.evaluate import evaluate
from dbc_cli.extract import extract
from dbc_cli.ingest import ingest
from dbc_cli.merge import merge
from dbc_cli.plot import plot
from dbc_cli.report import report
from dbc_cli.run import run
from dbc_cli.select import select
from dbc_cli.status import status
from dbc_cli.sweep import sweep
from dbc_cli.train import train

app = typer.Typer(
    name="dbc",
    help="Learn to recognise the same person, animal or vehicle across cameras, without labels.",
    no_args_is_help=True,
    rich_markup_mode="rich",
)
for name, command in (
    ("ingest", ingest),
    ("extract", extract),
    ("merge", merge),
    ("train", train),
    ("eval", evaluate),
    ("run", run),
    ("select", select),
    ("ablate", ablate),
    ("sweep", sweep),
    ("plot", plot),
    ("report", report),
    ("baseline", baseline),
    ("status", status),
    ("demo", demo),
):
    app.command(name)(command)


@app.callback()
def dbc() -> None:
    """Learn to recognise the same person, animal or vehicle across cameras, without labels."""
