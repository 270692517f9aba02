"""The application: every command that `dbc_cli.commands` holds, and `--version`."""

from __future__ import annotations

from typing import Annotated

import typer

from dbc_cli.commands import all_commands

app = typer.Typer(
    name="dbc",
    help="Learn to recognise the same person, animal or vehicle across cameras, without labels.",
    no_args_is_help=True,
    rich_markup_mode="rich",
)
for name, command in all_commands().items():
    app.command(name)(command.invoke)


def _show_version(is_given: bool) -> None:
    if is_given:
        from dbc_cli.version import show_version

        show_version()
        raise typer.Exit


@app.callback()
def dbc(
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_show_version, is_eager=True, metavar="", help="Show versions and devices, and exit."
        ),
    ] = False,
) -> None:
    """Learn to recognise the same person, animal or vehicle across cameras, without labels."""
