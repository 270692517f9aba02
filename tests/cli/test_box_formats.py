"""From every format of boxes to clusters, and from clusters back: one command each way."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from schemas.parameters import BOX_FORMATS
from stages.runs.run_directory import RunDirectory
from tests.cli.conftest import Dbc

sys.path.insert(0, str(Path(__file__).parents[1] / "stages" / "ingest" / "formats"))
from miniatures import BUILDERS, build

NETWORK = ["--backbone", "resnet10", "--weights", "none", "--embedding-dim", "16"]
FORMATS = sorted(BOX_FORMATS & BUILDERS.keys())


def clustered(dbc: Dbc, source: Path, run: Path) -> RunDirectory:
    """A run of the pictures in `source`, whose format is recognised, that are extracted and merged once."""
    for command in (
        ["ingest", source, "--height", "32", "--width", "32"],
        ["extract", *NETWORK],
        ["merge", "--merge-percent", "0.5"],
    ):
        ran = dbc(*command, "--run", run)
        assert ran.status == 0, ran.err
    return RunDirectory(run)


@pytest.mark.parametrize("name", FORMATS)
def test_one_command_leads_from_the_format_to_a_dataset_that_is_clustered(dbc: Dbc, tmp_path: Path, name: str) -> None:
    source = build(tmp_path / "source", name)
    told = dbc("ingest", source, "--run", tmp_path / "told", "--dry-run").err
    assert f"--format {name} is taken, because " in told
    run = clustered(dbc, source, tmp_path / "run")
    dataset = run.require("dataset")
    assert len(run.require("clusters", 1).read("labels")) == len(dataset.read("pid")) > 1
    if name != "video":
        box = dataset.read("box")
        assert len(box) == len(dataset.read("path"))
        assert (box[:, 2:] > 0).all()
    assert np.unique(dataset.read("path")).size <= 3
