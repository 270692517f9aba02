"""`dbc count`: no estimate without answers, and one with an interval when drawn pairs are answered."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
from PIL import Image

from stages.constraints.answers_file import NamedSamples
from stages.runs.run_directory import RunDirectory
from stages.samples import TRAIN
from tests.cli.conftest import NETWORK, Dbc


def test_answers_turn_the_number_of_clusters_into_an_estimate(dbc: Dbc, run: Path, tmp_path: Path) -> None:
    assert dbc("merge", "--merge-percent", "0.25", "--run", run).status == 0
    counting = ["count", "--stage", "1", "--n-answers", "60", "--run", run]
    told = dbc(*counting).out
    assert "stage 1 has 12 clusters, which is no estimate of the individuals" in told
    assert "dbc review --for-count" in told
    listed = tmp_path / "pairs.csv"
    nothing = dbc(*counting, "--out", listed, "--json").json
    assert (nothing["estimate"], nothing["n_clusters"], nothing["answered"]) == (None, 12, 0)
    rows = list(csv.DictReader(listed.read_text().splitlines()))
    assert len(rows) == nothing["to_answer"] > 0
    assert {row["answer"] for row in rows} == {"unsure"}
    dataset = RunDirectory(run).require("dataset")
    pid = dataset.read("pid")[dataset.read("split") == TRAIN]
    who = dict(zip(NamedSamples(dataset).names, pid.tolist(), strict=True))
    with (run / "constraints.csv").open("w") as file:
        file.write("path_a,path_b,answer\n")
        for row in rows:
            answer = "same" if who[row["path_a"]] == who[row["path_b"]] else "different"
            file.write(f"{row['path_a']},{row['path_b']},{answer}\n")
    found = dbc(*counting, "--json").json
    assert found["to_answer"] == 0
    assert 1 <= found["low"] <= found["estimate"] <= found["high"] <= 16
    assert found["low"] <= len(set(pid.tolist())) <= found["high"]
    widths = list(found["expected_width"].values())
    assert widths == sorted(widths, reverse=True)
    ran = dbc(*counting, "--out", "none.csv")
    assert "there is nothing to list, so none.csv is not written" in ran.err
    assert not Path("none.csv").exists()
    shown = ran.out
    assert "between" in shown
    assert f"by {len(rows)} answers, from which {found['answered'] - len(rows)} more of the drawn pairs follow" in shown
    assert shown.index(f"between {found['low']:.0f} and {found['high']:.0f}") < shown.index("the estimate is")
    fits = found["low"] <= found["n_clusters"] <= found["high"]
    is_vague = found["high"] > 2 * found["low"]
    assert (f"dbc merge --n-clusters {round(found['estimate'])}" in shown) is (not fits and not is_vague)
    assert ("means little" in shown) is is_vague
    others = " ".join(dbc(*counting, "--seed", "5").out.split())
    assert f"answers in the file: {len(rows)}, to pairs that are drawn: " in others
    # clusters that answers have made do not draw other pairs
    assert dbc("merge", "--merge-percent", "0.25", "--run", run).status == 0
    assert dbc(*counting, "--json").json["estimate"] == found["estimate"]


def test_labels_of_every_sample_are_no_estimate(dbc: Dbc, run: Path) -> None:
    dataset = RunDirectory(run).require("dataset")
    is_train = dataset.read("split") == TRAIN
    rows = zip(NamedSamples(dataset).names, dataset.read("pid")[is_train].tolist(), strict=True)
    Path("labels.csv").write_text("path,identity\n" + "".join(f"{name},{pid}\n" for name, pid in rows))
    n_named = len(set(dataset.read("pid")[is_train].tolist()))
    assert dbc("merge", "--labels", "labels.csv", "--n-clusters", str(n_named), "--run", run).status == 0
    found = dbc("count", "--stage", "1", "--run", run, "--json").json
    assert [found[name] for name in ("n_named", "estimate", "low", "high")] == [n_named, None, None, None]
    shown = dbc("count", "--stage", "1", "--run", run).out
    assert shown.startswith(f"individuals: {n_named}, as labels name every sample")
    assert "between" not in shown


def test_the_pairs_of_the_count_can_be_reviewed(dbc: Dbc, run: Path, tmp_path: Path) -> None:
    assert dbc("merge", "--merge-percent", "0.25", "--run", run).status == 0
    page = tmp_path / "pairs.html"
    ran = dbc("review", "--stage", "1", "--for-count", "--static", page, "--pairs", "5", "--run", run)
    assert " drawn pairs without an answer are on the page; --pairs " in ran.err
    assert ran.status == 0, ran.err
    assert page.read_text().count('"reason":"drawn"') == 5


def test_unsure_answers_count_as_different_and_are_told(dbc: Dbc, run: Path, tmp_path: Path) -> None:
    assert dbc("merge", "--merge-percent", "0.25", "--run", run).status == 0
    listed = tmp_path / "pairs.csv"
    assert dbc("count", "--stage", "1", "--out", listed, "--run", run).status == 0
    ran = dbc("count", "--stage", "1", "--answers", listed, "--run", run, "--json")
    assert "drawn pairs that are unsure, and count as different: " in " ".join(ran.err.split())
    assert ran.json["high"] == 16
    assert "--view apart" in ran.err
    # all may be one
    assert ran.json["low"] == 1


def test_clusters_that_are_likely_empty_are_told_by_run_and_count(dbc: Dbc, tmp_path: Path) -> None:
    draws, folder = np.random.default_rng(0), tmp_path / "photos"
    folder.mkdir()
    scene, rows = draws.integers(0, 250, (32, 16, 3)), ["path,encounter"]
    for number in range(12):
        # six of nothing in three visits, six of six other places
        pixels = scene + draws.integers(0, 5, scene.shape) if number < 6 else draws.integers(0, 255, scene.shape)
        Image.fromarray(pixels.astype(np.uint8)).save(folder / f"{number:02}.png")
        rows.append(f"{number:02}.png,e{number // 2}")
    (folder / "table.csv").write_text("\n".join(rows))
    run = ["--run", tmp_path / "run"]
    assert dbc("ingest", folder / "table.csv", "--height", "32", "--width", "16", *run).status == 0
    ran = dbc(
        "run",
        "--stages",
        "1",
        "--stage0-epochs",
        "0",
        "--epochs",
        "0",
        "--merge-percent",
        "0.45",
        "--whiten",
        "0",
        "--json",
        *NETWORK,
        *run,
    )
    assert ran.status == 0, ran.err
    counted = dbc("count", "--json", *run)
    told = "almost copies of one of another encounter, as empty pictures are. If nobody is on them"
    assert (told in " ".join(ran.json["warnings"]), told in counted.err) == (True, True), ran.err + counted.err
    assert told in " ".join(counted.json["notes"])
