"""`--start`: stages that go on from the clusters before them, and stages that merge every sample anew."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from stages.merge import initial_labels
from stages.runs.run_directory import RunDirectory, clusters_manifest
from tests.cli.conftest import Dbc
from tests.reference.published import merge_stage

PLAIN = ["--recipe", "auto", "--merge-percent", "0.2"]
ANEW = [*PLAIN, "--update", "exact", "--start", "singletons"]


@pytest.mark.parametrize("lambda_", [0.0, 0.1, 2.0])
def test_a_stage_from_singletons_makes_the_merges_of_all_stages_up_to_it(dbc: Dbc, run: Path, lambda_: float) -> None:
    assert dbc("merge", "--stage", "3", *ANEW, "--lambda", lambda_, "--run", run).status == 0
    clusters = RunDirectory(run).require("clusters", 3)
    is_train = RunDirectory(run).require("dataset").read("split") == 0
    features = RunDirectory(run).require("features", -1).read("pooled")[is_train]
    n_merges = 3 * int(0.2 * len(features))
    plain = merge_stage(features, initial_labels(len(features)), n_merges, update="exact", lambda_=lambda_)
    assert np.array_equal(clusters.read("labels"), plain.labels)
    assert np.array_equal(clusters.read("merges"), plain.merges)
    linkage = clusters.read("linkage")
    assert len(linkage) == len(plain.merges)
    assert set(linkage[:, :2].ravel()) >= set(np.flatnonzero(np.bincount(plain.labels)[plain.labels] > 1))


def test_it_needs_no_clusters_before_it_and_they_make_no_difference(dbc: Dbc, run: Path) -> None:
    alone = dbc("merge", "--stage", "2", *ANEW, "--run", run, "--json").json
    assert dbc("merge", "--stage", "1", *PLAIN, "--lambda", "5").status == 0
    again = dbc("merge", "--stage", "2", *ANEW, "--json").json
    assert again == {**alone, "status": "up to date", "notes": again["notes"]}
    parents = clusters_manifest(RunDirectory(run).require("clusters", 2)).parents
    assert [parent.kind for parent in parents] == ["dataset", "features"]
    gone_on = dbc("merge", "--stage", "2", *PLAIN, "--json").json
    assert (gone_on["n_clusters"], gone_on["n_merges"]) == (alone["n_clusters"], alone["n_merges"] // 2)
    assert gone_on["id"] != alone["id"]


def test_where_features_stay_and_merges_are_ranked_one_by_one_both_starts_give_the_same_partition(
    dbc: Dbc, run: Path
) -> None:
    exact = ["--update", "exact", "--run", run]
    for stage in (1, 2):
        assert dbc("merge", "--stage", stage, *PLAIN, *exact).status == 0
    gone_on = RunDirectory(run).require("clusters", 2)
    assert dbc("merge", "--stage", "2", *ANEW).status == 0
    anew = RunDirectory(run).require("clusters", 2)
    assert anew.version == 2
    assert np.array_equal(anew.read("labels"), gone_on.read("labels"))
    assert np.array_equal(anew.read("linkage"), gone_on.read("linkage"))
    assert np.array_equal(anew.read("criterion")[-len(gone_on.read("criterion")) :], gone_on.read("criterion"))


def test_select_compares_a_stage_with_the_one_before_it_whatever_it_started_from(dbc: Dbc, run: Path) -> None:
    for stage in (1, 2, 3):
        assert dbc("merge", "--stage", stage, *ANEW, "--run", run).status == 0
    anew = dbc("select", "--run", run, "--json").json["stages"]
    for stage in (1, 2, 3):
        assert dbc("merge", "--stage", stage, *PLAIN, "--update", "exact", "--run", run).status == 0
    assert dbc("select", "--run", run, "--json").json["stages"] == anew


@pytest.mark.parametrize("update", ["stale", "union"])
@pytest.mark.parametrize("command", ["merge", "run", "sweep"])
def test_ranked_once_singletons_have_no_penalty_and_are_refused(dbc: Dbc, run: Path, update: str, command: str) -> None:
    swept = ["--lambda", "0,1"] if command == "sweep" else []
    refused = dbc(command, "--start", "singletons", "--update", update, *swept, "--run", run)
    assert refused.status == 2
    assert f"--start singletons needs --update exact, got --update {update}" in refused.line


@pytest.mark.parametrize("update", ["stale", "union"])
def test_an_update_that_ranks_once_goes_on_from_the_clusters_before_it_whatever_the_recipe(
    dbc: Dbc, run: Path, update: str
) -> None:
    for stage in (1, 2):
        ran = dbc("merge", "--stage", stage, "--merge-percent", "0.2", "--update", update, "--run", run)
        assert ran.status == 0, ran.err
    parameters = clusters_manifest(RunDirectory(run).require("clusters", 2)).parameters
    assert (parameters.start, parameters.update, parameters.whiten) == ("previous", update, 3)


def test_versions_of_clusters_are_those_of_the_stage_in_select_and_are_refused_where_a_merge_takes_none(
    dbc: Dbc, run: Path
) -> None:
    for stage in (1, 2):
        assert dbc("merge", "--stage", stage, *ANEW, "--run", run).status == 0
    newest = dbc("select", "--run", run, "--json").json["stages"]
    assert dbc("merge", "--stage", "2", *ANEW, "--lambda", "3").status == 0
    first = dbc("select", "--run", run, "--clusters", "v1", "--json")
    assert first.status == 0, first.err
    assert first.json["stages"] == newest
    refused = dbc("merge", "--stage", "2", *ANEW, "--clusters", "v1", "--run", run)
    assert refused.status == 2
    assert "--clusters v1 needs --start previous, got --start singletons, which reads no clusters" in refused.line
