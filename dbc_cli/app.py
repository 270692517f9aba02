"""The commands of `dbc`, in the order they are used."""

from __future__ import annotations

from typing import Any

import typer

from dbc_cli.commands.ablate import ablate
from dbc_cli.commands.baseline import baseline
from dbc_cli.commands.demo import demo
from dbc_cli.commands.evaluate import evaluate
from dbc_cli.commands.extract import extract
from dbc_cli.commands.ingest import ingest
from dbc_cli.commands.merge import merge
from dbc_cli.commands.plot import plot
from dbc_cli.commands.report import report
from dbc_cli.commands.run import run
from dbc_cli.commands.select import select
from dbc_cli.commands.status import status
from dbc_cli.commands.sweep import sweep
from dbc_cli.commands.train import train

COMMANDS: dict[str, Any] = {
    "ingest": ingest,
    "extract": extract,
    "merge": merge,
    "train": train,
    "eval": evaluate,
    "run": run,
    "select": select,
    "ablate": ablate,
    "sweep": sweep,
    "plot": plot,
    "report": report,
    "baseline": baseline,
    "status": status,
    "demo": demo,
}
"""The commands, in the order that help shows them; each has its `flags`."""

app = typer.Typer(
    name="dbc",
    help="Learn to recognise the same person, animal or vehicle across cameras, without labels.",
    no_args_is_help=True,
    rich_markup_mode="rich",
)
for name, command in COMMANDS.items():
    app.command(name)(command)


@app.callback()
def dbc() -> None:
    """Learn to recognise the same person, animal or vehicle across cameras, without labels."""
