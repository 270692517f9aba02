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
ABLATE, SWEEP = ["ablate", *SMALL, "--variants", "dbc"], ["sweep", *SMALL, "--lambda", "0,1"]
WRITES = (
    ([*ABLATE, "--csv", "t.csv"], "t.csv"),
    ([*ABLATE, "--markdown", "t.md"], "t.md"),
    ([*ABLATE, "--latex", "t.tex"], "t.tex"),
    ([*ABLATE, "--out", "drawn"], "drawn/ablation.svg"),
    ([*SWEEP, "--csv", "t.csv"], "t.csv"),
    ([*SWEEP, "--markdown", "t.md"], "t.md"),
    ([*SWEEP, "--latex", "t.tex"], "t.tex"),
    ([*SWEEP, "--out", "drawn"], "drawn/sweep-lambda-by-lambda.png"),
    (["plot", "--out", "drawn"], "drawn/run.png"),
    (["baseline", "dal", "--csv", "t.csv"], "t.csv"),
    (["baseline", "dal", "--markdown", "t.md"], "t.md"),
    (["baseline", "dal", "--latex", "t.tex"], "t.tex"),
    (["baseline", "dal", "--out", "drawn"], "drawn/baseline-dal.svg"),
    (["count", "--out", "pairs.csv"], "pairs.csv"),
    (["query", "picture.png", "--sheet", "s.png"], "s.png"),
    (["report", "--out", "c.png", "--draw", "largest"], "c.png"),
    (["report", "--out", "p.html", "--map", "none"], "p.html"),
    (["report", "--html", "p.html", "--map", "none"], "p.html"),
    (["review", "--static", "p.html"], "p.html"),
    (["review", "--join", "answers.csv", "answers.csv", "--out", "j.csv"], "j.csv"),
    (["export", "features", "--distances", "d.npz"], "d.npz"),
    (["export", "clusters", "--out", "c.csv"], "c.csv"),
    (["export", "features", "--out", "f.npz"], "f.npz"),
    (["export", "features", "--projector", "map"], "map/sprite.png"),
    (["export", "model", "--out", "m.safetensors"], "m.safetensors"),
    (["export", "model", "--out", "m.safetensors"], "m.md"),
)
"""Commands with a flag that names what to write, and a file that they write."""
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
    tried = TRIED_APART | {
        (command[0], word.removeprefix("--")) for command, _ in WRITES for word in command if word.startswith("--")
    }
    for name, command in all_commands().items():
        paths = {flag.key for flag in command.flags if Path in (flag.kind, *get_args(flag.kind))} - READ - REFUSES_ANY
        assert paths <= {flag for tried_command, flag in tried if tried_command == name}, name


@pytest.mark.parametrize(("command", "file"), WRITES, ids=[f"{command[0]}-{file}" for command, file in WRITES])
def test_a_file_that_is_there_is_replaced_only_if_asked(
    dbc: Dbc, finished: Path, command: list[str], file: str
) -> None:
    mine = Path(file)
    mine.parent.mkdir(exist_ok=True)
    mine.write_text("mine")
    command = [str(finished.parent / word) if word in READ_FILES else word for word in command]
    refused = dbc(*command, "--run", finished)
    assert (refused.status, refused.out) == (2, "")
    assert refused.line.endswith(f"must be a new file, got {file}, which is there; give another, or --overwrite")
    assert [path.read_text() for path in Path().rglob("*") if path.is_file()] == ["mine"]
    asked = dbc(*command, "--run", finished, "--overwrite")
    assert asked.status == 0, asked.err
    assert mine.read_bytes() != b"mine"
