"""No command writes over a file of the user's unless asked."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import get_args

import pytest
from PIL import Image

from dbc_cli.commands import all_commands
from stages.constraints.answers_file import COLUMNS
from tests.cli.conftest import Dbc, made

SMALL = ["--merge-percent", "0.3", "--stages", "1", "--merge-only"]
TABLES = {"csv": ("t.csv", "t.csv"), "markdown": ("t.md", "t.md"), "latex": ("t.tex", "t.tex")}
WRITES: tuple[tuple[list[str], dict[str, tuple[str, str]]], ...] = (
    (["ablate", *SMALL, "--variants", "dbc"], TABLES | {"out": ("drawn", "drawn/ablation.svg")}),
    (["sweep", *SMALL, "--lambda", "0,1"], TABLES | {"out": ("drawn", "drawn/sweep-lambda-by-lambda.png")}),
    (["plot"], {"out": ("drawn", "drawn/run.png")}),
    (["baseline", "dal"], TABLES | {"out": ("drawn", "drawn/baseline-dal.svg")}),
    (["count"], {"out": ("pairs.csv", "pairs.csv")}),
    (["query", "picture.png"], {"sheet": ("s.png", "s.png")}),
    (["report", "--draw", "largest"], {"out": ("c.png", "c.png")}),
    (["report", "--map", "none"], {"out": ("p.html", "p.html")}),
    (["report", "--map", "none"], {"html": ("p.html", "p.html")}),
    (["review"], {"static": ("p.html", "p.html")}),
    (["review", "--join", "answers.csv", "answers.csv"], {"out": ("j.csv", "j.csv")}),
    (["export", "clusters"], {"out": ("c.csv", "c.csv")}),
    (
        ["export", "features"],
        {"distances": ("d.npz", "d.npz"), "out": ("f.npz", "f.npz"), "projector": ("map", "map/sprite.png")},
    ),
    (["export", "model"], {"out": ("m.safetensors", "m.safetensors")}),
    (["export", "model"], {"out": ("m.safetensors", "m.md")}),
)
"""Commands with their flags that name what to write: what each is given, and a file that it writes."""
READ_FILES = {"picture.png", "answers.csv"}
READ = {"ids", "root", "join", "answers", "attributes", "source", "deployments"}
"""Flags with a path that is read, or that answers are added to."""
TRIED_APART = {("assign", "csv")}
"""In tests/cli/test_assign.py, since it needs pictures that were added."""
REFUSES_ANY = {"folders"}
"""A folder that must be empty: tests/stages/export/test_members.py."""


@pytest.fixture(scope="module")
def finished(begun: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("finished")
    shutil.copytree(begun, folder / "run")
    Image.new("RGB", (8, 16)).save(folder / "picture.png")
    (folder / "answers.csv").write_text(f"{','.join(COLUMNS)}\n")
    return made(folder, ["merge", "--merge-percent", "0.3"], ["eval", "--stage", "1"])


def test_every_flag_that_names_what_to_write_is_tried() -> None:
    tried = TRIED_APART | {(command[0], flag) for command, flags in WRITES for flag in flags}
    for name, command in all_commands().items():
        paths = {flag.key for flag in command.flags if Path in (flag.kind, *get_args(flag.kind))} - READ - REFUSES_ANY
        assert paths <= {flag for tried_command, flag in tried if tried_command == name}, name


@pytest.mark.parametrize(
    ("command", "flags"),
    WRITES,
    ids=["-".join([command[0], *(file for _, file in flags.values())]) for command, flags in WRITES],
)
def test_a_file_that_is_there_is_replaced_only_if_asked(
    dbc: Dbc, finished: Path, command: list[str], flags: dict[str, tuple[str, str]]
) -> None:
    command = [str(finished.parent / word) if word in READ_FILES else word for word in command]
    for flag, (given, file) in flags.items():
        mine = there(file)
        refused = dbc(*command, f"--{flag}", given, "--run", finished)
        assert (refused.status, refused.out) == (2, "")
        assert refused.line.endswith(f"must be a new file, got {file}, which is there; give another, or --overwrite")
        assert [path.read_text() for path in Path().rglob("*") if path.is_file()] == ["mine"]
        mine.unlink()
    files = [there(file) for _, file in flags.values()]
    words = [word for flag, (given, _) in flags.items() for word in (f"--{flag}", given)]
    asked = dbc(*command, *words, "--run", finished, "--overwrite")
    assert asked.status == 0, asked.err
    assert all(file.read_bytes() != b"mine" for file in files)


def there(file: str) -> Path:
    """The user's own `file`."""
    path = Path(file)
    path.parent.mkdir(exist_ok=True)
    path.write_text("mine")
    return path
