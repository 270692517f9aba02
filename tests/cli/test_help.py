"""What `--help` shows, as a terminal breaks it."""

from __future__ import annotations

import itertools
import re

import pytest
import typer

from dbc_cli.app import app
from dbc_cli.flags.tables import COMMAND_FLAGS
from tests.cli.conftest import Dbc

COMMANDS = typer.main.get_command(app).commands  # type: ignore[attr-defined]


@pytest.fixture(params=[80, 120])
def width(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> int:
    monkeypatch.setattr("typer.rich_utils.MAX_WIDTH", request.param)
    return int(request.param)


@pytest.mark.parametrize("command", COMMAND_FLAGS)
def test_paragraphs_are_broken_where_the_terminal_ends_and_no_word_inside(dbc: Dbc, width: int, command: str) -> None:
    shown = dbc(command, "--help").out
    prose = shown.split("╭")[0].split("\n")
    for line, following in itertools.pairwise(prose):
        word = following.split()[0] if following.split() else ""
        if line.strip() and word and word != "-":
            assert len(line.rstrip()) + len(word) >= width - 1, line
    words = set(re.split(r"[\s│]+", shown))
    assert {flag.option for flag in COMMAND_FLAGS[command]} <= words
    assert {choice for flag in COMMAND_FLAGS[command] for choice in flag.choices} <= set(
        re.split(r"[\s│<>|,.]+", shown)
    )
    assert "[default: (" not in shown


def test_a_stage_is_the_first_flag_and_its_default_is_told_as_the_command_has_it(dbc: Dbc) -> None:
    told = {name: [p.help for p in command.params if p.name == "stage"] for name, command in COMMANDS.items()}
    assert {name for name, found in told.items() if found} == {"extract", "merge", "train", "eval", "report"}
    assert "[default: the newest with clusters]" in told["report"][0]
    assert "init" not in told["report"][0] + told["merge"][0] + told["train"][0]
    assert "the first with clusters after the newest model, else that of this model, or 0]" in told["train"][0]
    assert dbc("report", "--help").out.index("--stage") < dbc("report", "--help").out.index("--top")


@pytest.mark.parametrize("command", ["merge", "run", "sweep", "ablate"])
def test_the_memory_limit_names_all_that_it_limits(command: str) -> None:
    (told,) = [parameter.help for parameter in COMMANDS[command].params if parameter.name == "memory_limit"]
    for limited in ("merging", "whitening", "centring", "0.8 of what is available"):
        assert limited in told
