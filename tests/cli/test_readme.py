"""Documents, help and schemas say the same."""

from __future__ import annotations

import re
from dataclasses import asdict
from typing import Any

import pytest

from dbc_cli.commands import all_commands
from dbc_cli.commands.ingest import INGEST, SYNTHETIC
from dbc_cli.flags import tables, training
from dbc_cli.flags.flag import Flag
from schemas import parameters, recipes
from tests.conftest import REPOSITORY

TABLES = ("README.md", "docs/commands.md")
COMMANDS = {name: command.parser() for name, command in all_commands().items()}


@pytest.mark.parametrize("document", TABLES)
def test_every_command_has_help_and_an_example_in_the_table(document: str) -> None:
    told = (REPOSITORY / document).read_text()
    rows = re.findall(r"^\| `dbc (\w+)` \|.*\| `dbc (\w+)[^`]*` \|$", told, flags=re.MULTILINE)
    assert [command for command, _ in rows] == list(COMMANDS)
    assert [example for _, example in rows] == list(COMMANDS)
    for name, command in COMMANDS.items():
        assert command.help, name
        for parameter in command.params:
            assert parameter.name == "help" or getattr(parameter, "help", None), (name, parameter.name)


MODELS: dict[str, tuple[tuple[Flag, ...], tuple[type[Any], ...]]] = {
    "INGEST": (INGEST, (parameters.IngestParameters,)),
    "SYNTHETIC": (SYNTHETIC, (parameters.SyntheticParameters,)),
    "INITIAL": (training.INITIAL, (parameters.InitParameters,)),
    "MERGE": (tables.MERGE, (parameters.MergeParameters,)),
    "TRAIN": (training.TRAIN, (parameters.TrainParameters,)),
    "EVALUATE": (tables.EVALUATE, (parameters.EvaluateParameters,)),
    "SEED": (tables.SEED, (parameters.IngestParameters, parameters.InitParameters, parameters.TrainParameters)),
}
SAID_IN_WORDS = {
    next(flag.default for flag in tables.MERGE if flag.name == "lambda_"): 0.1,
    "0; half of drawn people": 0.5,
    "as stored": 0,
    "the backbone's": None,
    "auto in dbc run by tuned, else schedule": None,
    "auto; synthetic without a SOURCE": "synthetic",
    "as their names suggest": None,
    "0.2 of MegaDetector": 0.0,
    "animal of MegaDetector, else any": "any",
}


@pytest.mark.parametrize("group", MODELS)
def test_the_defaults_that_help_shows_are_those_of_the_schemas(group: str) -> None:
    flags, models = MODELS[group]
    for flag in flags:
        for model in models:
            field = model.model_fields[flag.name]
            default = field.get_default(call_default_factory=True, validated_data={"criterion": "dbc"})
            if flag.default.startswith("by recipe"):
                continue
            shown = SAID_IN_WORDS.get(flag.default, flag.default)
            assert ("" if shown is None else str(shown)) == (
                "" if default is None or default is False else str(default)
            ), flag.option


def test_documents_say_what_the_default_recipe_stands_for() -> None:
    told = " ".join((REPOSITORY / "docs/commands.md").read_text().split())
    assert f"`--recipe {recipes.DEFAULT_RECIPE}` (default)" in told
    for name, value in asdict(recipes.RECIPES["tuned"].merging).items():
        shown = f"{value:g}" if isinstance(value, float) else value
        assert f"--{name.replace('_', '-')} {shown}" in told
    for flag in (*tables.MERGE, *tables.WHITEN):
        assert flag.default.startswith("by recipe") == hasattr(recipes.RECIPES["tuned"].merging, flag.name), flag.option
