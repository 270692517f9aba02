"""A small run made once by the commands, and a way to run commands in this process."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from dbc_cli.__main__ import run_command
from dbc_cli.pointer import POINTER
from tests.tiny_network import provide_tiny_networks

PEOPLE = ["--identities", "8", "--cameras", "2", "--images-per-camera", "2", "--height", "32", "--width", "16"]
LEVELS = (0, 4, 90, 94, 200)
"""Of the plain crops in `crops`."""
NETWORK = ["--backbone", "tiny", "--weights", "none", "--embedding-dim", "16"]
"""What `dbc` and `made` know: the five million weights of a ResNet are most of the time that a small run takes."""


@dataclass(frozen=True)
class Ran:
    """What a command left: exit status and both streams."""

    status: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)

    @property
    def line(self) -> str:
        """The last line of stderr; the only one that a failure may write beside notes."""
        return self.err.strip().splitlines()[-1]


Dbc = Callable[..., Ran]
_MISCOUNTED = re.compile(
    r"(?<![\w.,:/–-])(?<!stage )1 ((new|other|drawn|damaged|train|gallery) )?(answers|arrays|artifacts|boxes|cameras|clusters"
    r"|encounters|files|folders|frames|identities|images|individuals|merges|observations|pairs|people|pictures|queries|rows"
    r"|samples|tracks|versions|videos)\b"
)
"""What no command may write of one thing; `stages.reporting.so_many` writes it."""


@pytest.fixture
def dbc(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Dbc:
    """Run `dbc` with arguments, in an empty folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DBC_RUN", raising=False)
    provide_tiny_networks(monkeypatch)

    def call(*arguments: object) -> Ran:
        capsys.readouterr()
        status = run_command([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        assert not (found := _MISCOUNTED.search(captured.out + captured.err)), found
        return Ran(status, captured.out, captured.err)

    return call


def made(folder: Path, *commands: list[str], name: str = "run") -> Path:
    """The run `name` that `commands` make in `folder`, where nothing tells of another one."""
    run = folder / name
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.delenv("DBC_RUN", raising=False)
        provide_tiny_networks(patch)
        for command in commands:
            assert run_command([*command, "--run", str(run)]) == 0
    return run


def copied(folder: Path, target: Path) -> Path:
    """`target` with what lies in `folder`, but for the run that this remembers."""
    return Path(shutil.copytree(folder, target, dirs_exist_ok=True, ignore=shutil.ignore_patterns(POINTER.name)))


def merged_crops(folder: Path, *, size: tuple[int, int], levels: Sequence[int], merge_percent: str) -> Path:
    """A run of plain crops, one a level of colour, without identities or cameras, that are extracted and merged once."""
    (folder / "crops").mkdir()
    width, height = size
    for level in levels:
        Image.new("RGB", size, (level, 90, 240 - level)).save(folder / "crops" / f"{level}.png")
    stored = ["--format", "folder", "--height", str(height), "--width", str(width)]
    return made(
        folder,
        ["ingest", str(folder / "crops"), *stored],
        ["extract", *NETWORK],
        ["merge", "--merge-percent", merge_percent],
        name="crops-run",
    )


@pytest.fixture(scope="session")
def begun(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run with a dataset of drawn people and the features of an untrained network. Not to be changed."""
    return made(tmp_path_factory.mktemp("begun"), ["ingest", *PEOPLE, "--workers", "0"], ["extract", *NETWORK])


@pytest.fixture
def run(begun: Path, tmp_path: Path) -> Path:
    """A copy of `begun` to work in."""
    return Path(shutil.copytree(begun, tmp_path / "run"))


@pytest.fixture(scope="session")
def crops_made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with plain crops of `LEVELS`, and a run that merged two of them. Not to be changed."""
    folder = tmp_path_factory.mktemp("crops")
    merged_crops(folder, size=(16, 32), levels=LEVELS, merge_percent="0.4")
    return folder


@pytest.fixture
def crops(crops_made: Path, tmp_path: Path) -> Path:
    """A copy of that run to work in, beside its pictures."""
    return copied(crops_made, tmp_path) / "crops-run"
