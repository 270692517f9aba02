"""What messages advise exists: every flag, argument and command that the code names, with a value that it takes."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import dbc_cli
import stages
from dbc_cli.commands import all_commands

FLAGS = [(name, flag) for name, command in all_commands().items() for flag in command.flags]
OPTIONS_OF = {name: {"--help"} for name in all_commands()}
CHOICES: dict[str, set[str]] = {"--help": set(), "--version": set(), "--nproc-per-node": set()}
"""What an option takes, if only certain words; the last one is torchrun's."""
CHOICES_OF: dict[str, set[str]] = {}
for command, flag in FLAGS:
    OPTIONS_OF[command].update(flag.option.split("/"))
    CHOICES_OF.setdefault(flag.name, set()).update(flag.choices)
    for option in flag.option.split("/"):
        CHOICES.setdefault(option, set()).update(flag.choices)
VERBS = {"has", "names", "says"}
"""Words that follow a flag in a sentence about it."""
FILES = sorted(path for package in (dbc_cli, stages) for path in Path(package.__path__[0]).rglob("*.py"))


def wrong(text: str) -> Iterator[str]:
    """What `text` names that is not there."""
    for flag, value in re.findall(r"(--[a-z][a-z0-9-]*)(?:[ =]([\w{}-]+))?", text):
        if flag not in CHOICES:
            yield flag
        elif CHOICES[flag] and value and "{" not in value and value not in CHOICES[flag] | VERBS:
            yield f"{flag} {value}"
    for name, value in re.findall(r"`([a-z_]+)='?([^`'{}]+)'?`", text):
        if CHOICES_OF.get(name) and value not in CHOICES_OF[name] | {"None"}:
            yield f"{name}={value}"
    for command, rest in re.findall(r"\bdbc ([a-z]+)((?: [^ ;,:)&]+)*)", text):
        if command in OPTIONS_OF:
            yield from (
                f"dbc {command} {flag}" for flag in re.findall(r"--[a-z-]+", rest) if flag not in OPTIONS_OF[command]
            )


@pytest.mark.parametrize("text", ["lower it, or give --cache store", "--no-such", "`cache='store'`", "dbc train --top"])
def test_what_is_not_there_is_found(text: str) -> None:
    assert list(wrong(text))


def test_flags_values_and_commands_in_messages_exist() -> None:
    assert {(file.name, each) for file in FILES for each in wrong(file.read_text())} == set()
