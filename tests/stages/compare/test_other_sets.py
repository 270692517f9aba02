"""Another set to learn from is no set of this run's pictures."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from schemas.parameters import IngestParameters
from stages.compare.other_sets import require_another_set
from stages.errors import UsageError
from stages.ingest.stage import ingest
from stages.reporting import Silent
from stages.runs.context import Context
from stages.runs.run_directory import RunDirectory

GREYS = {"a": 10, "b": 20, "c": 30, "d": 40}


class Warnings(Silent):
    def __init__(self) -> None:
        self.lines: list[str] = []

    def warn(self, message: str) -> None:
        self.lines.append(message)


def run_of(folder: Path, names: str) -> RunDirectory:
    for name in names:
        place = folder / "pictures" / name
        place.mkdir(parents=True)
        Image.fromarray(np.full((8, 8, 3), GREYS[name], dtype=np.uint8)).save(place / "1.png")
    run = RunDirectory(folder / "run")
    parameters = IngestParameters(format="folder", height=8, width=8, folder_identities=True)
    ingest(run, source=folder / "pictures", parameters=parameters, context=Context(workers=0))
    return run


def test_the_same_pictures_are_refused_and_some_of_them_are_warned_of(tmp_path: Path) -> None:
    own, other = run_of(tmp_path / "own", "ab"), run_of(tmp_path / "other", "cd")
    mixed, told = run_of(tmp_path / "mixed", "bc"), Warnings()
    require_another_set(own, other, told)
    require_another_set(own, RunDirectory(tmp_path / "nowhere"), told)
    assert not told.lines
    require_another_set(own, mixed, told)
    assert [line.rpartition(": ")[2] for line in told.lines] == ["1"]
    with pytest.raises(UsageError, match="`source_run` must be a run of another set"):
        require_another_set(own, own, told)
