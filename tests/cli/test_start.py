"""`--start`: stages that go on from the clusters before them, and stages that merge every sample anew."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from stages.merge import initial_labels, merge_stage
from stages.run_directory import RunDirectory, clusters_manifest
from tests.cli.conftest import Dbc

PLAIN = ["--recipe", "auto", "--merge-percent", "0.2"]
ANEW = [*PLAIN, "--start", "singletons"]


@pytest.mark.parametrize("update", ["stale", "union", "exact"])
def test_a_stage_from_singletons_makes_the_merges_of_all_stages_up_to_it(dbc: Dbc, run: Path, update: str) -> None:
    assert dbc("merge", "--stage", "3", *ANEW, "--update", update, "--run", run).status == 0
    clusters = RunDirectory(run).require("clusters", 3)
    is_train = RunDirectory(run).require("dataset").read("split") == 0
    features = RunDirectory(run).require("features", -1).read("pooled")[is_train]
    plain = merge_stage(features, initial_labels(len(features)), 3 * int(0.2 * len(features)), update=update)
    assert np.array_equal(clusters.read("labels"), plain.labels)
    assert np.array_equal(clusters.read("merges"), plain.merges)
    linkage = clusters.read("linkage")
    assert len(linkage) == len(plain.merges)
    assert set(linkage[:, :2].ravel()) >= set(np.flatnonzero(np.bincount(plain.labels)[plain.labels] > 1))


def test_it_needs_no_clusters_before_it_and_they_make_no_difference(dbc: Dbc, run: Path) -> None:
    alone = dbc("merge", "--stage", "2", *ANEW, "--run", run, "--json").json
    assert dbc("merge", "--stage", "1", *PLAIN, "--lambda", "5").status == 0
    assert dbc("merge", "--stage", "2", *ANEW, "--json").json == {**alone, "status": "up to date"}
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
    assert dbc("merge", "--stage", "2", *ANEW, *exact).status == 0
    anew = RunDirectory(run).require("clusters", 2)
    assert anew.version == 2
    assert np.array_equal(anew.read("labels"), gone_on.read("labels"))
    assert np.array_equal(anew.read("linkage"), gone_on.read("linkage"))
    assert np.array_equal(anew.read("criterion")[-len(gone_on.read("criterion")) :], gone_on.read("criterion"))


def test_select_compares_a_stage_with_the_one_before_it_whatever_it_started_from(dbc: Dbc, run: Path) -> None:
    for stage in (1, 2, 3):
        assert dbc("merge", "--stage", stage, *ANEW, "--update", "exact", "--run", run).status == 0
    anew = dbc("select", "--run", run, "--json").json["stages"]
    alone = dbc("select", "--against-merging", "--run", run, "--json").json["merging_alone"]
    assert anew == alone
    for stage in (1, 2, 3):
        assert dbc("merge", "--stage", stage, *PLAIN, "--update", "exact", "--run", run).status == 0
    assert dbc("select", "--run", run, "--json").json["stages"] == anew
