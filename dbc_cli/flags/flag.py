"""What a flag is: the field it fills, its type, and what help says of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, Literal, Optional, get_args, get_origin

import typer

PARAMETERS, WHERE = "Parameters", "Where and how it runs"
PANELS = (PARAMETERS, "Initial weights", "Drawn people", "Output", WHERE, "Versions")
"""The parts of help, in their order."""

_LONGEST_METAVAR = 20
"""Letters of choices that fit beside a flag without a break inside a word; longer ones are told in the text."""


@dataclass(frozen=True)
class Flag:
    """A command-line flag; `name` is the field it fills, `default` what help shows."""

    name: str
    kind: Any
    option: str
    help: str
    default: str = ""
    panel: str = PARAMETERS
    metavar: str | None = None

    @property
    def key(self) -> str:
        """The flag as `config.toml` spells it: `freeze` for `--freeze/--no-freeze`."""
        return self.option.split("/")[0].removeprefix("--")

    @property
    def choices(self) -> tuple[str, ...]:
        """The words that it takes; none where it takes others."""
        return get_args(self.kind) if get_origin(self.kind) is Literal else ()

    @property
    def place(self) -> tuple[int, bool]:
        """Where help shows the flag: by panel, a stage first."""
        return PANELS.index(self.panel), self.name != "stage"

    def annotation(self) -> Any:
        """The annotated type that Typer reads."""
        is_long = len("|".join(self.choices)) > _LONGEST_METAVAR
        metavar = self.key.upper() if is_long else self.metavar
        told = f"{self.help} One of {', '.join(self.choices)}." if is_long else self.help
        option = typer.Option(
            self.option,
            help=told.replace("[", "\\[") + (f" [dim]\\[default: {self.default}][/dim]" if self.default else ""),
            show_default=False,
            rich_help_panel=self.panel,
            metavar="" if self.kind is bool else metavar,
        )
        return Annotated[Optional[self.kind], option]  # noqa: UP045 — the type is a value here


DECLARED: dict[str, Flag] = {}
"""Every flag of every command, by the field it fills; a command adds its own when it is declared."""


def pins(*kinds: str) -> tuple[Flag, ...]:
    """Flags that pick a version of a parent artifact: `--clusters v1`."""
    return tuple(
        Flag(f"pin_{kind}", str, f"--{kind}", f"Version of the {kind} to take.", "the newest", "Versions", "vN")
        for kind in kinds
    )


def stage_flag(which: str, default: str) -> tuple[Flag, ...]:
    """`--stage` of a command that works on the stages `which`, and on `default` where it is not told."""
    return (Flag("stage", str, "--stage", f"The stage: {which}", default, metavar="STAGE"),)
