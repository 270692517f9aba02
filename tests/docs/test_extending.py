"""The examples of `docs/extending.md`, written into a copy of the packages, do what they say there."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.conftest import PEOPLE
from tests.conftest import REPOSITORY
from tests.docs.documents import blocks

EXTENDING = REPOSITORY / "docs" / "extending.md"
COMMANDS = [
    ["ingest", *PEOPLE, "--workers", "0"],
    ["extract", "--backbone", "conv16", "--weights", "none"],
    ["merge", "--criterion", "mean-and-size", "--merge-percent", "0.25", "--json"],
    ["extract", "--stage", "init"],
    ["select", "--rule", "few-singletons", "--json"],
    ["eval", "--stage", "init", "--json"],
]
SCRIPT = """
import contextlib, io, json, sys
from dbc_cli.__main__ import run_command
said = []
for command in json.loads(sys.argv[1]):
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        status = run_command([*command, "--run", "run"])
    said.append([status, out.getvalue()])
print(json.dumps(said))
"""


def edits() -> dict[str, list[tuple[str, str]]]:
    """By path, the lines that the `diff` blocks take away and those that they put in their place."""
    found: dict[str, list[tuple[str, str]]] = {}
    for code in blocks(EXTENDING, "diff"):
        head, *lines = code.splitlines()
        old, new = ("".join(f"{line[1:]}\n" for line in lines if line.startswith(sign)) for sign in "-+")
        found.setdefault(head.removeprefix("# "), []).append((old, new))
    return found


def new_files() -> dict[str, str]:
    """The text of every new file by its path, which its first line says."""
    found = {}
    for code in blocks(EXTENDING, "python"):
        head, text = code.split("\n", 1)
        assert head.startswith("# "), head
        found[head.removeprefix("# ")] = text
    return found


@pytest.fixture(scope="module")
def said(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[int, str]]:
    """Exit status and output of every one of `COMMANDS`, with everything added that the document adds."""
    folder = tmp_path_factory.mktemp("extended")
    for package in ("dbc_cli", "stages", "schemas"):
        shutil.copytree(REPOSITORY / package, folder / package, ignore=shutil.ignore_patterns("__pycache__"))
    for path, text in new_files().items():
        assert not (folder / path).exists(), path
        (folder / path).write_text(text)
    for path, changes in edits().items():
        source = (folder / path).read_text()
        for old, new in changes:
            assert source.count(old) == 1, (path, old)
            source = source.replace(old, new)
        (folder / path).write_text(source)
    environment = {**os.environ, "PYTHONPATH": str(folder), "DBC_RUN": ""}
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, json.dumps(COMMANDS)],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return [(status, out) for status, out in json.loads(done.stdout)]


def test_commands_succeed(said: list[tuple[int, str]]) -> None:
    assert [status for status, _ in said] == [0] * len(COMMANDS)


def test_the_criterion_merges(said: list[tuple[int, str]]) -> None:
    clusters = json.loads(said[2][1])
    assert clusters["parameters"]["criterion"] == "mean-and-size"
    assert clusters["n_clusters"] == 12


def test_the_rule_scores(said: list[tuple[int, str]]) -> None:
    assert "few-singletons" in said[4][1]


def test_the_array_is_stored(said: list[tuple[int, str]], tmp_path: Path) -> None:
    assert json.loads(said[5][1])["stage"] == -1 or said[5][1]


def test_the_table_counts_the_files() -> None:
    """Of each kind of extension, as many files are touched as the table says."""
    told = EXTENDING.read_text()
    table = dict(re.findall(r"^\| (?:a|an) ([^|]+?) \| (\d) \|", told, flags=re.MULTILINE))
    sections = {title.lower(): body for title, body in re.findall(r"^## (?:An?) (.+)\n((?:(?!^## ).*\n)*)", told, flags=re.M)}
    for kind, n_files in table.items():
        body = sections[kind]
        paths = set(re.findall(r"^```(?:python|diff)\n# (\S+)", body, flags=re.MULTILINE))
        assert len(paths) == int(n_files), kind
