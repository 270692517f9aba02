"""`--n-clusters`: the merge that ends a run, to as many clusters as the features ask for, or as the user says."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from dbc_cli.pointer import remember_run
from schemas.parameters import MergeParameters
from stages.errors import UsageError
from stages.loop.last_clusters import asked_merge
from stages.merge import initial_labels
from stages.runs.lineage import parent_of
from stages.runs.run_directory import RunDirectory, clusters_manifest
from tests.cli.conftest import Dbc, copied, made
from tests.reference.published import merge_stage

ONLY_MERGES = ["--epochs", "0", "--merge-percent", "0.25", "--stages", "2"]
PLAIN = ["--whiten", "0", "--camera", "ignored", "--metric", "sqeuclidean", "--intra-normalizer", "n"]


@pytest.fixture(scope="module")
def merged_once(begun: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of two stages of merges and one that ends it. Not to be changed."""
    folder = copied(begun.parent, tmp_path_factory.mktemp("merged"))
    return made(folder, ["run", *ONLY_MERGES])


@pytest.fixture
def merged(dbc: Dbc, merged_once: Path, tmp_path: Path) -> Path:
    """A copy of it to work in, which commands remember."""
    run = copied(merged_once.parent, tmp_path) / "run"
    remember_run(run)
    return run


def test_a_run_ends_with_the_fewest_clusters_that_its_features_ask_for(dbc: Dbc, merged: Path) -> None:
    again = dbc("run", *ONLY_MERGES, "--json").json
    assert [row["stage"] for row in again["stages"]] == ["init", 0, 1, 2, 3]
    assert all(row["made"] == [] for row in again["stages"])
    assert again["stages"][-1]["loss"] is None
    fewest = again["stages"][-1]["n_clusters"]
    assert (
        f"hold together best in {fewest} to" in again["verdict"]
        or f"best in about {fewest} clusters" in again["verdict"]
    )
    assert "give --n-clusters if you know" in again["verdict"]
    assert again["chosen"] == 3
    clusters = RunDirectory(merged).require("clusters", 3)
    assert len(np.unique(clusters.read("labels"))) == fewest
    shown = dbc("run", *ONLY_MERGES)
    assert f"Found at stage 3: {fewest} clusters" in shown.out
    assert "dbc export clusters --stage 3" in shown.out


def test_a_merge_of_its_own_gives_the_same_clusters(dbc: Dbc, merged: Path) -> None:
    before = clusters_manifest(RunDirectory(merged).require("clusters", 3))
    again = dbc("merge", "--n-clusters", "auto", "--json")
    assert again.json["status"] == "up to date"
    assert again.json["id"] == before.id
    assert f"to {before.summary.n_clusters} clusters, as stage 3" in again.err
    assert "made otherwise" not in again.err
    n_clusters = before.summary.n_clusters
    by_schedule = dbc("merge", "--merge-percent", "0.25", "--dry-run")
    assert f"stage 3 has clusters that were made with --n-clusters {n_clusters}; these are" in by_schedule.err


def test_a_number_ends_the_run_with_so_many_clusters_whatever_the_schedule_leaves(dbc: Dbc, run: Path) -> None:
    told = dbc("run", *ONLY_MERGES, *PLAIN, "--n-clusters", "5", "--run", run, "--json").json
    assert [row["n_clusters"] for row in told["stages"]][-1] == 5
    clusters = RunDirectory(run).require("clusters", 3)
    features = (
        RunDirectory(run)
        .require("features", -1)
        .read("pooled")[RunDirectory(run).require("dataset").read("split") == 0]
    )
    plain = merge_stage(features, initial_labels(len(features)), len(features) - 5, update="exact", lambda_=0.1)
    assert np.array_equal(clusters.read("labels"), plain.labels)
    assert clusters_manifest(clusters).parameters.n_clusters == 5
    other = dbc("merge", *PLAIN, "--n-clusters", "3", "--json").json
    assert (other["stage"], other["n_clusters"]) == (3, 3)
    with pytest.raises(UsageError, match="`n_clusters` must be less than the 16 train samples, got 16"):
        asked_merge(RunDirectory(run), MergeParameters(), 16)
    assert "which ends the run with 3 clusters" in dbc("export", "clusters", "--out", "c.csv").err
    # the clusters there are, not those that were asked for
    paths = [row["path"] for row in dbc("export", "clusters", "--json").json["clusters"] if row["cluster"] is not None]
    pairs = [f"{paths[0]},{path},same" for path in paths[1:-1]]
    (run / "constraints.csv").write_text("\n".join(["path_a,path_b,answer", *pairs]))
    assert dbc("merge", *PLAIN, "--n-clusters", "5", "--json").json["n_clusters"] == 2
    assert "which ends the run with 2 clusters" in dbc("count").err


def test_schedule_ends_the_run_with_its_last_stage_and_so_do_other_recipes(dbc: Dbc, run: Path) -> None:
    asked = dbc("run", *ONLY_MERGES, "--n-clusters", "schedule", "--run", run, "--json").json
    assert [row["stage"] for row in asked["stages"]] == ["init", 0, 1, 2]
    assert dbc("merge", "--n-clusters", "3").status == 0
    told = "stage 3 ended this run before, and is still what export, report and others take; stage 2, the last of now"
    assert told in dbc("run", *ONLY_MERGES, "--n-clusters", "schedule").err
    published = dbc("run", *ONLY_MERGES, "--recipe", "auto", "--json").json
    assert [row["stage"] for row in published["stages"]] == ["init", 0, 1, 2]
    # a note on clusters that cannot be read costs no result
    (run / "stage-03" / "clusters" / "v1.zarr" / "zarr.json").write_text("broken")
    assert "Found at stage 2" in dbc("run", *ONLY_MERGES, "--n-clusters", "schedule").out


def test_clusters_that_end_a_run_are_measured_with_the_features_they_were_made_of(dbc: Dbc, run: Path) -> None:
    assert dbc("merge", "--stage", "1", "--merge-percent", "0.25", "--run", run).status == 0
    asked = dbc("merge", "--n-clusters", "4", "--from-stage", "init", "--json").json
    assert (asked["stage"], asked["n_clusters"], asked["features_stage"]) == (2, 4, "init")
    merged = RunDirectory(run).require("clusters", 2)
    parent = parent_of(merged, "features")
    assert parent is not None
    assert parent.id == RunDirectory(run).require("features", -1).manifest.id
    measured = dbc("eval", "--stage", "2", "--json")
    assert (measured.json["features_stage"], measured.json["n_clusters"]) == ("init", 4)
    assert "has no features" not in measured.err
    # stage 1 was not trained, and has none of its own
    told = dbc("merge", "--n-clusters", "4", "--stage", "2", "--dry-run").err
    assert "merging the features of stage init to 4 clusters, as stage 2" in told


def test_nothing_waits_to_be_trained_on_the_clusters_that_end_a_run(dbc: Dbc, merged: Path) -> None:
    assert "next: dbc export clusters" in dbc("status").out
    assert dbc("train", "--dry-run", "--json").json["stage"] == 2
    rows = dbc("export", "clusters", "--json").json["clusters"]
    names = [row["path"] for row in rows if row["cluster"] is not None]
    (merged / "constraints.csv").write_text(f"path_a,path_b,answer\n{names[0]},{names[-1]},same\n")
    assert dbc("merge", "--n-clusters", "5", "--from-stage", "init").status == 0
    assert dbc("merge", "--start", "reviewed", "--json").json["features_stage"] == "init"
    assert "next: dbc export clusters" in dbc("status").out
    assert "has no features" not in dbc("export", "clusters").err
    # corrected by answers they end the run as before
    assert "schedule's number" not in dbc("select").out
    assert dbc("merge", "--n-clusters", "3", "--json").json["stage"] == 3
    assert "next: dbc export clusters" in dbc("status").out
    # whatever is chosen
    told = "export, report and others take stage 3, which ends the run with 3 clusters; --stage names another"
    assert told in dbc("select", "--rule", "silhouette").err


def test_longer_runs_move_the_last_merge_behind_them(dbc: Dbc, merged: Path) -> None:
    longer = dbc("run", *ONLY_MERGES[:4], "--stages", "3", "--json").json
    assert [row["stage"] for row in longer["stages"]] == ["init", 0, 1, 2, 3, 4]
    assert not clusters_manifest(RunDirectory(merged).require("clusters", 3)).parameters.ends_run
    shorter = dbc("run", *ONLY_MERGES, "--json").json
    assert [row["stage"] for row in shorter["stages"]] == ["init", 0, 1, 2, 4]


def test_a_dry_run_says_that_the_last_merge_is_missing(dbc: Dbc, run: Path) -> None:
    assert dbc("run", *ONLY_MERGES, "--n-clusters", "schedule", "--run", run).status == 0
    assert dbc("run", *ONLY_MERGES, "--dry-run", "--json").json["would_create"] == "clusters of stage 3"
    assert (
        dbc("run", *ONLY_MERGES, "--n-clusters", "schedule", "--dry-run", "--json")
        .json["would_create"]
        .startswith("nothing")
    )


@pytest.mark.parametrize(
    ("command", "told"),
    [
        (["run", "--n-clusters", "many"], "--n-clusters must be a whole number, auto or schedule, got many"),
        (["run", "--n-clusters", "0"], "--n-clusters must be at least 1, got 0"),
        (["run", *ONLY_MERGES, "--n-clusters", "99"], "--n-clusters must be less than the 16 train samples, got 99"),
        (["merge", "--n-clusters", "16"], "--n-clusters must be less than the 16 train samples, got 16"),
        (
            ["merge", "--stage", "1", "--from-stage", "1", "--n-clusters", "4"],
            "--from-stage must come before --stage, 1, got 1",
        ),
        (["merge", "--from-stage", "one"], "--from-stage: "),
        (["merge", "--from-stage", "7", "--n-clusters", "4"], "--from-stage must come before --stage, 1, got 7"),
        (["run", "--n-clusters", "-3"], "--n-clusters must be at least 1, got -3"),
        (
            ["run", "--recipe", "auto", *ONLY_MERGES, "--n-clusters", "12"],
            "less than the 8 clusters that stage 2 leaves",
        ),
    ],
)
def test_numbers_that_cannot_be_are_refused(dbc: Dbc, run: Path, command: list[str], told: str) -> None:
    refused = dbc(*command, "--run", run)
    assert refused.status == 2
    assert told in refused.line


def test_a_configuration_may_hold_the_number_or_the_word(dbc: Dbc, run: Path) -> None:
    for text, stages in (("4", 5), ("'schedule'", 4)):
        (run / "config.toml").write_text(f"n-clusters = {text}\n")
        told = dbc("run", *ONLY_MERGES, "--run", run, "--json").json
        assert len(told["stages"]) == stages
    (run / "config.toml").write_text("n-clusters = 1.5\n")
    assert "a whole number or text in quotes" in dbc("run", *ONLY_MERGES, "--run", run).line


def test_merges_that_go_on_end_with_the_clusters_of_the_stage_whose_features_are_merged(dbc: Dbc, run: Path) -> None:
    going_on = ["--epochs", "0", "--recipe", "paper", "--merge-percent", "0.15"]
    assert dbc("run", *going_on, "--stages", "5", "--run", run).status == 0
    shorter = dbc("run", *going_on, "--stages", "2", "--n-clusters", "5", "--json").json
    assert (shorter["stages"][-1]["stage"], shorter["stages"][-1]["n_clusters"]) == (6, 5)
    ended = clusters_manifest(RunDirectory(run).require("clusters", 6))
    before = parent_of(RunDirectory(run).require("clusters", 6), "clusters")
    assert before is not None
    assert before.location.startswith(f"stage-{ended.summary.features_stage:02}")


def test_merges_that_go_on_end_where_features_ask_for_more_clusters(dbc: Dbc, run: Path) -> None:
    told = dbc(
        "run",
        *ONLY_MERGES[:2],
        "--recipe",
        "auto",
        "--merge-percent",
        "0.45",
        "--stages",
        "2",
        "--n-clusters",
        "auto",
        "--run",
        run,
    )
    assert told.status == 0, told.err
    assert "no merge ends the run" in told.err


def test_a_number_of_the_configuration_is_for_the_end_of_a_run_alone(dbc: Dbc, merged: Path) -> None:
    (merged / "config.toml").write_text("[merge]\nn-clusters = 12\n")
    assert dbc("merge", "--stage", "1", "--merge-percent", "0.25", "--json").json["n_clusters"] == 12
    assert dbc("merge", "--start", "reviewed", "--json").status == 0
    assert "made anew" not in dbc("run", *ONLY_MERGES[:4], "--stages", "3").err


def test_a_run_without_merges_may_end_with_a_number(dbc: Dbc, run: Path) -> None:
    told = dbc("run", "--epochs", "0", "--stages", "0", "--n-clusters", "5", "--run", run, "--json").json
    assert [row["n_clusters"] for row in told["stages"]] == [16, 16, 5]
