"""`dbc query` with pictures of the run and others."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from dbc_cli.commands.query import _show
from stages.runs.run_directory import RunDirectory
from stages.search.query import Found, Match
from tests.cli.conftest import Dbc


def test_the_same_picture_is_left_out_and_clusters_are_those_of_the_artifact(
    dbc: Dbc, crops: Path, tmp_path: Path
) -> None:
    Image.new("RGB", (50, 70), (92, 90, 148)).save("other.png")
    run = RunDirectory(crops)
    before = sorted(path for path in crops.rglob("*") if path.is_file())
    ran = dbc("query", tmp_path / "crops" / "4.png", "other.png", "--run", crops, "--sheet", "s.png", "--json")
    assert ran.status == 0, ran.err
    own, other = ran.json["pictures"]
    # the picture itself is told, and left out of what is like it
    assert (own["itself"]["path"], own["itself"]["similarity"], other["itself"]) == ("4.png", 1.0, None)
    assert own["matches"][0]["path"] == "0.png"
    assert "4.png" not in {match["path"] for match in own["matches"]}
    assert "4.png is 4.png of the run itself, individual" in ran.err
    assert {match["path"] for match in other["matches"][:2]} == {"90.png", "94.png"}
    labels = dict(zip(run.require("dataset").read("path"), run.require("clusters", 1).read("labels"), strict=True))
    sizes = np.bincount(run.require("clusters", 1).read("labels"))
    for match in own["matches"]:
        assert match["individual"] == match["cluster"] + 1
        assert (match["cluster"], match["cluster_size"]) == (labels[match["path"]], sizes[labels[match["path"]]])
    with Image.open("s.png") as sheet:
        assert sheet.size[1] > 2 * 96
    shown = dbc("query", "other.png", "--run", crops, "--top", "2").out
    assert "other.png: most similar at stage 1" in shown
    assert len(shown.splitlines()) == 4
    # whitenings are kept, and nothing else is written
    after = sorted(path for path in crops.rglob("*") if path.is_file() and ".checkpoint" not in path.as_posix())
    assert after == [path for path in before if ".checkpoint" not in path.as_posix()]


@pytest.mark.parametrize("individual", [None, 3])
def test_matches_without_individuals_send_to_assign(individual: int | None, capsys: pytest.CaptureFixture[str]) -> None:
    match = Match("a.jpg", "a.jpg", "query", 0.9, individual, None, None)
    found = Found(1, 1, (Path("p.jpg"),), ((match,),), (), None, None)  # type: ignore[arg-type]
    _show(found, None)
    assert ("dbc assign gives PICTURE an individual" in capsys.readouterr().out) == (individual is None)


def test_before_any_merge_samples_stand_alone(dbc: Dbc, run: Path) -> None:
    Image.new("RGB", (16, 32), (200, 20, 20)).save("red.png")
    told = dbc("query", "red.png", "--run", run, "--json", "--top", "3").json
    assert told["stage"] == "init"
    assert all(match["cluster_size"] in (1, None) for match in told["pictures"][0]["matches"])


@pytest.mark.parametrize(
    ("words", "status", "line"),
    [
        ([], 2, "PICTURE is missing"),
        (["none.png"], 1, "none.png cannot be read: No such file or directory"),
        (["text.png"], 1, "text.png is not an image that Pillow reads"),
        (["crops/4.png", "--top", "0"], 2, "--top must be at least 1, got 0"),
        (["crops/4.png", "--sheet", "s.txt"], 2, "--sheet must end in .png"),
        (["crops/4.png", "--stage", "7"], 1, "no clusters of stage 7 found"),
    ],
)
def test_misuse_is_one_line(dbc: Dbc, crops: Path, words: list[str], status: int, line: str) -> None:
    Path("text.png").write_text("no picture")
    ran = dbc("query", *words, "--run", crops)
    assert ran.status == status
    assert line in ran.line
