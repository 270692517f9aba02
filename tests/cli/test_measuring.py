"""Measuring stages where there is little to measure, or little memory to do it in."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.conftest import NETWORK, Dbc, merged_crops


def test_a_stage_of_one_cluster_is_drawn_without_its_silhouette(dbc: Dbc, tmp_path: Path) -> None:
    flat = merged_crops(tmp_path, size=(16, 32), levels=range(0, 240, 20), merge_percent="0.92")
    assert dbc("eval", "--run", flat).status == 0
    measured = dbc("eval", "--labels-are-clusters", "--run", flat)
    assert "--labels-are-clusters has no effect: no merge of this stage was told --labels" in measured.err
    drawn = dbc("plot", "--run", flat, "--json")
    assert drawn.status == 0, drawn.err
    loop = "for s in init; do dbc eval --stage $s || exit; done"
    told = f"not drawn, as they have features and no figures: stage init; to measure them: {loop}"
    assert told in drawn.json["notes"]
    assert drawn.json["chosen"] == "init"


def test_too_little_memory_is_told_with_the_flag_that_a_command_has(
    dbc: Dbc, run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert dbc("merge", "--merge-percent", "0.25", "--whiten", "2", "--run", run).status == 0
    assert dbc("eval", "--run", run).status == 0
    monkeypatch.setattr("stages.arrays.memory_limit.available_bytes", lambda _: 1000)
    assert dbc("merge", "--stage", "2", "--merge-percent", "0.25", "--run", run).line.endswith(
        "raise --memory-limit, or merge fewer samples"
    )
    drawn = dbc("plot", "--run", run)
    assert drawn.status == 0
    assert "of memory, and the limit is 800.0 B" in drawn.err
    for command in ("report", "select"):
        refused = dbc(command, "--run", run)
        assert refused.status == 1
        assert refused.line.endswith("the limit is 800.0 B; end other programs, or take a machine with more memory")


def test_a_run_that_stops_by_itself_measures_under_its_memory_limit(
    dbc: Dbc, run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("stages.arrays.memory_limit.available_bytes", lambda _: 1000)
    stopping = ["--stop", "auto", "--stages", "1", "--merge-percent", "0.25", "--epochs", "0", "--whiten", "2"]
    ran = dbc("run", *NETWORK, *stopping, "--memory-limit", "4GiB", "--run", run)
    assert ran.status == 0, ran.err
    assert "chosen without identities: stage 2" in ran.out


def test_a_set_too_large_to_watch_is_run_without_a_verdict_and_a_note_says_so(
    dbc: Dbc, run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    command = ["run", *NETWORK, "--stages", "2", "--merge-percent", "0.25", "--epochs", "0", "--run", run, "--json"]
    watched = dbc(*command)
    assert "Merged anew" in watched.json["verdict"]
    monkeypatch.setattr("stages.loop.watching.WATCHED_SAMPLES", 15)
    unwatched = dbc(*command)
    assert unwatched.status == 0, unwatched.err
    assert "verdict" not in unwatched.json
    assert unwatched.err.count("whether training helped is not measured of 16 train samples, more than 15") == 1
