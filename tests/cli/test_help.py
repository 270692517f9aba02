"""What `--help` shows, as a terminal breaks it."""

from __future__ import annotations

import itertools
import pkgutil
import platform
import re
import subprocess
import sys
from typing import Any

import pytest
import typer

import dbc_cli.commands
from dbc_cli.app import command_line
from dbc_cli.commands import all_commands
from dbc_cli.configuration import CONFIGURABLE
from tests.cli.conftest import Dbc

COMMANDS = {name: command.parser() for name, command in all_commands().items()}


@pytest.fixture(params=[80, 120])
def width(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> int:
    monkeypatch.setattr("typer.rich_utils.MAX_WIDTH", request.param)
    return int(request.param)


@pytest.mark.parametrize("command", CONFIGURABLE)
def test_paragraphs_are_broken_where_the_terminal_ends_and_no_word_inside(dbc: Dbc, width: int, command: str) -> None:
    shown = dbc(command, "--help").out
    prose = shown.split("╭")[0].split("\n")
    for line, following in itertools.pairwise(prose):
        word = following.split()[0] if following.split() else ""
        if line.strip() and word and word != "-":
            assert len(line.rstrip()) + len(word) >= width - 1, line
    words = set(re.split(r"[\s│]+", shown))
    assert {option for flag in CONFIGURABLE[command].flags for option in flag.option.split("/")} <= words
    assert {choice for flag in CONFIGURABLE[command].flags for choice in flag.choices} <= set(
        re.split(r"[\s│<>|,.]+", shown)
    )
    assert "[default: (" not in shown


def test_a_stage_is_the_first_flag_and_its_default_is_told_as_the_command_has_it(dbc: Dbc) -> None:
    told = {name: [p.help for p in command.params if p.name == "stage"] for name, command in COMMANDS.items()}
    with_stage = {name for name, found in told.items() if found}
    assert with_stage >= {"extract", "merge", "train", "eval", "report", "export", "query", "review", "assign", "count"}
    assert "[default: the one that dbc select chooses]" in told["report"][0]
    assert "init" not in told["report"][0] + told["merge"][0] + told["train"][0]
    assert "the first with clusters after the newest model, else that of this model, or 0]" in told["train"][0]
    assert dbc("report", "--help").out.index("--stage") < dbc("report", "--help").out.index("--top")


@pytest.mark.parametrize("command", ["merge", "run", "sweep", "ablate"])
def test_the_memory_limit_names_all_that_it_limits(command: str) -> None:
    (told,) = [parameter.help for parameter in COMMANDS[command].params if parameter.name == "memory_limit"]
    for limited in ("merging", "whitening", "centring", "0.8 of what is available"):
        assert limited in told


def test_a_newcomer_sees_the_common_flags_of_run_first_and_the_others_by_stage(dbc: Dbc) -> None:
    shown = dbc("run", "--help").out
    panels = ["Common", "Merging", "Training", "Network", "Evaluation", "Where and how it runs", "Versions"]
    assert [re.search(rf"╭─ {panel} ─", shown) is not None for panel in panels] == [True] * len(panels)
    assert sorted(panels, key=lambda panel: shown.index(f"─ {panel} ─")) == panels
    common = shown[shown.index("─ Common ─") : shown.index("─ Merging ─")]
    wanted = "run backbone weights n-clusters view encounter labels merge-percent stages stop recipe device seed"
    assert re.findall(r"│ --([\w-]+)", common) == wanted.split()


def test_a_formula_is_shown_where_a_flag_names_it() -> None:
    told = {parameter.name: parameter.help for parameter in COMMANDS["run"].params}
    assert "D = d_ab + λ (d_a + d_b)" in told["lambda_"]
    assert "exp(V_y·v / τ)" in told["temperature"]


def test_every_module_of_commands_declares_one_in_an_order_of_its_own() -> None:
    modules = [found.name for found in pkgutil.iter_modules(dbc_cli.commands.__path__)]
    declared = list(all_commands().values())
    assert len(declared) == len(modules) == len({command.order for command in declared})
    assert list(COMMANDS) == [command.name for command in sorted(declared, key=lambda command: command.order)]


def test_help_imports_nothing_heavy() -> None:
    heavy = "torch", "numpy", "zarr", "pydantic", "scipy", "cupy", "PIL", "matplotlib"
    code = f"import sys, dbc_cli.app; print([name for name in {heavy} if name in sys.modules])"
    # nor is torch needed to find that features or a model are there
    code += "; import stages.extract.stage, stages.train.stage; print('torch' in sys.modules)"
    # nor what merges, to say what a run holds
    code += "; import stages.runs.ending, stages.runs.lasting, stages.runs.next_stage; print('numba' in sys.modules)"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert shown.stdout.split() == ["[]", "False", "False"]


def test_what_parses_a_command_is_made_when_it_is_called() -> None:
    listed: Any = command_line()
    assert all(not command.params for command in listed.commands.values())
    name, found, rest = listed.resolve_command(typer.Context(listed), ["merge", "--stage", "3"])
    assert (name, rest) == ("merge", ["--stage", "3"])
    assert {"stage", "lambda_"} <= {parameter.name for parameter in found.params}


def test_version_says_what_is_installed_and_which_devices_are_seen(dbc: Dbc) -> None:
    shown = dbc("--version")
    lines = dict(line.split(None, 1) for line in shown.out.splitlines())
    assert lines["python"] == platform.python_version()
    assert {"dbc-reid", "torch", "zarr", "cpu"} <= lines.keys()
    assert any(name.startswith("cuda") for name in lines)
