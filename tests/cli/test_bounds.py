"""No number on the command line is without a bound, and every command that reads stages can go back to another dataset."""

from __future__ import annotations

import inspect
from pathlib import Path

import pytest
from pydantic import BaseModel

from dbc_cli.commands import all_commands
from dbc_cli.flags.flag import Flag
from schemas import parameters
from tests.cli.conftest import Dbc

FLAGS = {(name, flag.key): flag for name, command in all_commands().items() for flag in command.flags}
NUMBERS = {place: flag for place, flag in FLAGS.items() if flag.kind in (int, float)}
OPTIONS = {place: flag for place, flag in NUMBERS.items() if flag.least is not None}
PASSED_ON = {"extract_batch_size": "batch_size", "buc_lambda": "lambda_", "stage0_epochs": "epochs"}
"""Flags that fill a parameter of another name."""
OTHERWISE = {"threshold", "last_stride"}
"""Flags that are held against the samples there are, or against a list."""


def bounds_of(flag: Flag) -> set[str]:
    """Which bounds the parameters of the flag's name have: `low`, `high`."""
    name = PASSED_ON.get(flag.name, flag.name)
    classes = [kind for _, kind in inspect.getmembers(parameters, inspect.isclass) if issubclass(kind, BaseModel)]
    fields = [kind.model_fields[name] for kind in classes if name in kind.model_fields]
    found = {
        key for field in fields for part in field.metadata for key in ("ge", "gt", "le", "lt") if hasattr(part, key)
    }
    return {"low" if key[0] == "g" else "high" for key in found}


@pytest.mark.parametrize("place", NUMBERS, ids="-".join)
def test_every_number_has_two_bounds(place: tuple[str, str]) -> None:
    flag = NUMBERS[place]
    own = {name for name, bound in (("low", flag.least), ("high", flag.most)) if bound is not None}
    assert flag.name in OTHERWISE or own | bounds_of(flag) == {"low", "high"}


@pytest.mark.parametrize("place", OPTIONS, ids="-".join)
def test_an_option_outside_its_bounds_is_refused_before_anything_is_read(dbc: Dbc, place: tuple[str, str]) -> None:
    Path("empty").mkdir()
    flag = OPTIONS[place]
    for bound, word, value in (
        (flag.least, "least", None if flag.least is None else flag.least - 1),
        (flag.most, "most", None if flag.most is None else flag.most + 1),
    ):
        if bound is not None:
            refused = dbc(place[0], flag.option, value, "--run", "empty")
            assert (refused.status, refused.out) == (2, "")
            assert refused.line == f"dbc {place[0]}: {flag.option} must be at {word} {bound}, got {value}"
    assert list(Path("empty").iterdir()) == []


def test_each_value_of_a_list_is_held_against_the_bounds(dbc: Dbc, begun: Path) -> None:
    refused = dbc("sweep", "--stages", "1,-1", "--merge-percent", "0.3", "--run", begun, "--dry-run")
    assert (refused.status, refused.line) == (2, "dbc sweep: --stages must be at least 0, got -1")


def test_every_command_that_reads_a_stage_can_go_back_to_an_earlier_dataset() -> None:
    reads = {name for name, key in FLAGS if key in ("features", "clusters", "model")} | {
        "plot",
        "run",
        "ablate",
        "sweep",
    }
    assert reads == {name for name, key in FLAGS if key == "dataset"} - {"baseline"}
