"""A flag: the field it fills, its type, and its help."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass, replace
from functools import cached_property
from types import UnionType
from typing import Annotated, Any, Literal, Optional, get_args, get_origin

import typer

from stages.errors import UsageError

BASICS, WHERE = "Common", "Where and how it runs"
KNOWN = "What is known of pairs of pictures"
NETWORK, MERGING, TRAINING, EVALUATION = "Network", "Merging", "Training", "Evaluation"
READING, DRAWING, OUTPUT, VERSIONS = "Reading images", "Drawn people", "Output", "Versions"
PARAMETERS = "Parameters"
PANELS = (BASICS, PARAMETERS, READING, DRAWING, MERGING, KNOWN, TRAINING, NETWORK, EVALUATION, OUTPUT, WHERE, VERSIONS)
"""The parts of help, in their order."""

COMMON_FLAGS = (
    "stage",
    "run",
    "format",
    "backbone",
    "weights",
    "n_clusters",
    "view",
    "encounter",
    "labels",
    "merge_percent",
    "stages",
    "stop",
    "recipe",
    "device",
    "seed",
)
"""The flags that a newcomer needs, in their order: help shows them first, whatever else a command has."""

_LONGEST_METAVAR = 20
"""Letters of choices that fit beside a flag without a break inside a word; longer ones are listed in the text."""


@dataclass(frozen=True)
class Flag:
    """A command-line flag; `name` is the field it fills, `default` what help shows.

    `least` and `most` bound the number of an option; parameters have their bounds in the schemas. `spelled` is how it is
    typed, if not as its field.
    """

    name: str
    kind: Any
    help: str
    default: str = ""
    panel: str = PARAMETERS
    metavar: str | None = None
    _: KW_ONLY
    least: int | None = None
    most: int | None = None
    spelled: str = ""

    @property
    def option(self) -> str:
        """The flag as it is typed: `--merge-percent`, `--mirror/--no-mirror`."""
        return self.spelled or f"--{self.name.rstrip('_').replace('_', '-')}"

    @property
    def key(self) -> str:
        """The flag as `config.toml` spells it: `mirror` for `--mirror/--no-mirror`."""
        return self.option.split("/")[0].removeprefix("--")

    @property
    def choices(self) -> tuple[str, ...]:
        """The words that it takes; empty if it takes other values."""
        return get_args(self.kind) if get_origin(self.kind) is Literal else ()

    @property
    def is_common(self) -> bool:
        """Whether help shows it among the first."""
        return self.name in COMMON_FLAGS

    @property
    def place(self) -> tuple[int, int]:
        """The flag's position in help: common ones first, the others by panel."""
        return (0, COMMON_FLAGS.index(self.name)) if self.is_common else (PANELS.index(self.panel), 0)

    def require_bounds(self, value: Any) -> None:
        """Raise UsageError if `value` is a number outside `least` and `most`; lists are checked value by value."""
        if isinstance(value, int | float) and self.least is not None and value < self.least:
            raise UsageError(f"--{self.key} must be at least {self.least}, got {value}")
        if isinstance(value, int | float) and self.most is not None and value > self.most:
            raise UsageError(f"--{self.key} must be at most {self.most}, got {value}")

    @cached_property
    def annotation(self) -> Any:
        """The annotated type that Typer reads; many commands share a flag."""
        is_long = len("|".join(self.choices)) > _LONGEST_METAVAR
        metavar = self.key.upper() if is_long else self.metavar
        text = f"{self.help} One of {', '.join(self.choices)}." if is_long else self.help
        option = typer.Option(
            self.option,
            help=text.replace("[", "\\[") + (f" [dim]\\[default: {self.default}][/dim]" if self.default else ""),
            show_default=False,
            rich_help_panel=BASICS if self.is_common else self.panel,
            metavar="" if self.kind is bool else metavar,
        )
        kind = str if isinstance(self.kind, UnionType) else self.kind
        return Annotated[Optional[kind], option]  # noqa: UP045 — the type is a value here


def positional(kind: Any, metavar: str, told: str) -> Any:
    """The annotated type of the argument of a command; it is None if it is left out."""
    return Annotated[Optional[kind], typer.Argument(metavar=metavar, help=told, show_default=False)]  # noqa: UP045


DECLARED: dict[str, Flag] = {}
"""Every flag of every command, by the field it fills; a command adds its own when it is declared."""

FLAGS_OF: dict[str, tuple[int, frozenset[str]]] = {}
"""Of every command its place among the commands in help, and the fields that its flags fill."""


def in_panel(panel: str, flags: Sequence[Flag]) -> tuple[Flag, ...]:
    """`flags` in another part of help."""
    return tuple(replace(flag, panel=panel) for flag in flags)


def pins(*kinds: str) -> tuple[Flag, ...]:
    """Flags that pick a version of a parent artifact: `--clusters v1`."""
    return tuple(
        Flag(f"pin_{kind}", str, f"Version of the {kind} to read.", "the newest", VERSIONS, "vN", spelled=f"--{kind}")
        for kind in kinds
    )


def stage_flag(which: str, default: str) -> tuple[Flag, ...]:
    """`--stage` of a command that works on the stages `which`, and by default on `default`."""
    return (Flag("stage", str, f"The stage: {which}", default, metavar="STAGE"),)
