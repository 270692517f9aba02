"""What `dbc run` shows while it works and at its end."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from rich.console import Console

from dbc_cli.commands.run import _last_lines
from dbc_cli.run_progress import RunProgress, duration
from dbc_cli.stage_table import stage_line, stage_table
from stages.loop.choice.verdict import Verdict
from stages.loop.forecast import Forecast
from stages.loop.plan import StageWork
from stages.runs.source_names import sample_is, samples_are
from tests.cli.conftest import NETWORK, Dbc
from tests.stages.features.held import Held

UNKNOWN = dict.fromkeys(("n_identities", "loss", "accuracy", "rank1", "rank5", "rank10", "mAP", "ari", "nmi"))


def row(stage: int, **known: Any) -> dict[str, Any]:
    told = {"n_clusters": 123456, "n_singletons": 65432, "largest_cluster": 4321, "silhouette": 0.123, "trained": False}
    told["ends_run"] = False
    return {"stage": str(stage), "seconds": 12345.6, **UNKNOWN, **told, **known}


def drawn(what: Any, width: int = 80) -> str:
    console = Console(file=io.StringIO(), width=width, force_terminal=True, color_system=None)
    console.print(what)
    return console.file.getvalue()  # type: ignore[attr-defined]


def test_without_identities_the_table_shows_what_there_is_in_80_columns() -> None:
    heading, *lines = drawn(stage_table([row(7), row(8, loss=5.123)])).splitlines()
    assert heading.split() == ["stage", "clusters", "single", "largest", "loss", "silhouette", "seconds"]
    assert lines[1].split() == ["8", "123456", "65432", "4321", "5.123", "0.123", "12345.6"]
    assert "rank-1" in drawn(stage_table([row(7, rank1=0.5)]))


def test_a_stage_that_only_merges_says_why() -> None:
    assert stage_line(row(3), may_train=True).endswith("not trained: clusters still small")
    assert "not trained" not in stage_line(row(3), may_train=False)
    assert "not trained" not in stage_line(row(3, trained=True), may_train=True)


def test_on_a_terminal_images_and_the_time_left_are_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    works = [StageWork(-1, 0, 10), StageWork(1, 0, 0), StageWork(2, 40, 10)]
    progress = RunProgress(works, Forecast(works, lambda: now[0]), may_train=True)
    progress.begin(-1)
    with progress.task("extract stage init", total=10, unit="images") as advance:
        now[0] = 2.0
        advance(4, "2/s")
        shown = drawn(progress._drawn())
    assert "stage init of 2; left: 3 s, of the run about 68 s" in shown
    assert "4/10 images  2/s" in shown
    progress.add(row(-1))
    progress.begin(1)
    assert "stage 1 of 2, not trained: clusters still small; left" in drawn(progress._drawn())
    assert all(len(line) <= 80 for line in drawn(progress._drawn()).splitlines())


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.2, "0 s"), (99, "99 s"), (100, "2 min"), (5900, "98 min"), (7800, "2 h 10 min")]
)
def test_durations(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_the_last_lines_say_what_was_found_and_what_is_next(dbc: Dbc, crops: Path) -> None:
    plan = ["run", "--merge-percent", "0.4", "--epochs", "0", "--run", crops]
    first = dbc(*plan, "--dry-run")
    assert first.out == "a real run would go on with: metrics of stage init\n"
    ran = dbc(*plan)
    assert ran.status == 0, ran.err
    found, trust, following = ran.out.splitlines()[-3:]
    assert found == "Found at stage 2: 3 clusters, 1 of them of one picture, the largest of 2."
    assert trust.startswith("How far to trust them: ")
    assert following.startswith("Next: dbc report --stage 2 --out clusters.png")
    assert dbc(*plan, "--dry-run").out.splitlines()[-1] == "a real run would go on with: nothing: all of it is there"


def test_clusters_of_one_track_are_called_so() -> None:
    rows = [{"stage": "1", "n_clusters": 3, "n_singletons": 2, "largest_cluster": 4}]
    told = Verdict(chosen=1, helped=None, line="", warnings=(), shown=1, trust="hardly; try other `weights`")
    assert _last_lines(rows, told, "picture")[1] == "How far to trust them: hardly; try other --weights."
    alone, boxes = {"frame_start": np.array([0, 1, 2])}, {"box": np.zeros((2, 4))}
    for held, word, words in (
        ({**boxes, "frame_start": np.array([0, 1, 3])}, "track", "tracks"),
        ({**boxes, **alone}, "box", "boxes"),
        (alone, "picture", "pictures"),
    ):
        assert (sample_is(Held(**held)), samples_are(Held(**held))) == (word, words)
        assert _last_lines(rows, told, word)[0].endswith(f": 3 clusters, 2 of them of one {word}, the largest of 4.")


def test_a_dry_run_of_a_new_run_needs_no_network(dbc: Dbc, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "two").mkdir()
    for level in (0, 90):
        Image.new("RGB", (16, 32), (level, 90, 240 - level)).save(tmp_path / "two" / f"{level}.png")
    fresh = tmp_path / "fresh"
    assert (
        dbc("ingest", tmp_path / "two", "--format", "folder", "--height", "32", "--width", "16", "--run", fresh).status
        == 0
    )
    monkeypatch.setitem(__import__("sys").modules, "stages.loop.run_stages", None)
    assert dbc("run", "--dry-run", *NETWORK, "--merge-percent", "0.5", "--run", fresh).out == (
        "a real run would go on with: model of stage init\n"
    )
    assert dbc("run", "--dry-run", "--merge-percent", "0.1", "--run", fresh).status == 2
