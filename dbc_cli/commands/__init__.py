"""The commands of `dbc`, one module each. A new one is a new module here that declares itself with `command`."""

from __future__ import annotations

import pkgutil
from functools import cache
from importlib import import_module

from dbc_cli.command import Command


@cache
def all_commands() -> dict[str, Command]:
    """Every command by its name, in the order of help."""
    modules = [import_module(f"{__name__}.{found.name}") for found in pkgutil.iter_modules(__path__)]
    declared = {value for module in modules for value in vars(module).values() if isinstance(value, Command)}
    return {command.name: command for command in sorted(declared, key=lambda command: (command.order, command.name))}
