"""The application: every command that `dbc_cli.commands` holds, and `--version`."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from dbc_cli.commands import all_commands
from dbc_cli.console import print_text


def _no_flags_yet() -> None:
    """What stands for a command among the others."""


class _Commands(TyperGroup):
    """The commands by name and help; what parses the arguments of one is made when it is called, as that takes a while."""

    def resolve_command(self, ctx: Any, args: list[str]) -> tuple[str | None, Any, list[str]]:
        """The command that the first of `args` names, with all its flags, and the rest of `args`."""
        name, found, rest = super().resolve_command(ctx, args)
        return name, found if name is None else all_commands()[name].parser(), rest


app = typer.Typer(
    name="dbc",
    cls=_Commands,
    help="Learn to recognise the same person, animal or vehicle across cameras, without labels.",
    no_args_is_help=True,
    rich_markup_mode="rich",
)
for name, command in all_commands().items():
    app.command(name, help=command.help)(_no_flags_yet)


LIBRARIES = ("dbc-reid", "torch", "torchvision", "cupy", "zarr", "numpy")


def _show_version(is_given: bool) -> None:
    """Print, for bug reports, the versions of this project, Python and its libraries, and the devices that they see."""
    if not is_given:
        return
    import platform

    from stages.arrays.backend import visible_devices
    from stages.runs.store.digests import library_versions

    versions = {name: number for name, number in library_versions().items() if name.startswith(LIBRARIES)}
    lines = {"dbc-reid": versions.pop("dbc-reid", "not installed"), "python": platform.python_version(), **versions}
    lines |= visible_devices()
    width = max(map(len, lines))
    print_text("\n".join(f"{name:{width}}  {value}" for name, value in lines.items()))
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


@cache
def command_line() -> Callable[..., Any]:
    """What parses the arguments of every command and calls it; made once in a process."""
    return typer.main.get_command(app)
