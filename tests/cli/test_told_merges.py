"""What commands say of values that ask for more than there is, or for nothing, and of clusterings that say nothing."""

from __future__ import annotations

from pathlib import Path

from tests.cli.conftest import Dbc


def test_a_stage_that_no_cluster_is_left_for_is_named_by_its_flags(dbc: Dbc, run: Path) -> None:
    ran = dbc("merge", "--stage", "6", "--merge-percent", "0.2", "--run", run)
    assert ran.status == 2
    assert "--stage 6 makes 18 merges (--merge-percent 0.2), which must be fewer than the 16 clusters" in ran.line


def test_clusters_that_say_nothing_are_told(dbc: Dbc, run: Path) -> None:
    asked = ["merge", "--stage", "1", "--clusterer", "dbscan", "--min-samples", "3", "--run", run]
    whole = dbc(*asked, "--eps", "0.99")
    assert "--clusterer dbscan puts all 16 samples into one cluster; a smaller --eps joins less" in whole.err
    single = dbc(*asked, "--eps", "0.01", "--lambda", "0.1")
    assert "--clusterer dbscan leaves all 16 samples single; a larger --eps joins more" in single.err
    assert "stage 1 has clusters that were made with --eps 0.99; these are made otherwise" in single.err


def test_a_flag_without_effect_makes_nothing_otherwise(dbc: Dbc, run: Path) -> None:
    asked = ["merge", "--stage", "1", "--merge-percent", "0.25", "--run", run]
    assert dbc(*asked).status == 0
    ran = dbc(*asked, "--eps", "0.3", "--json")
    told = ran.err
    assert "--eps 0.3 has no effect" in told
    begun = dbc("run", "--eps", "0.3", "--run", run, "--dry-run", "--json")
    assert [each.json["notes"][0].split(":")[0] for each in (ran, begun)] == ["--eps 0.3 has no effect"] * 2
    assert "made otherwise" not in told
    assert "all are neighbours" not in told


def test_a_number_of_clusters_leaves_the_share_of_merges_unread(dbc: Dbc, run: Path) -> None:
    assert dbc("merge", "--stage", "1", "--merge-percent", "0.25", "--run", run).status == 0
    asked = ["merge", "--n-clusters", "4", "--json", "--run", run]
    first, again = dbc(*asked), dbc(*asked, "--merge-percent", "0.4")
    assert (again.json["status"], again.json["id"]) == ("up to date", first.json["id"])
    assert "--merge-percent 0.4 has no effect: it needs no --n-clusters" in again.json["notes"]
    # in config.toml it is for the other merges
    (run / "config.toml").write_text("[merge]\nmerge-percent = 0.4\n")
    assert "has no effect" not in dbc(*asked).err


def test_neighbours_that_are_all_samples_are_told(dbc: Dbc, run: Path) -> None:
    asked = ["merge", "--stage", "1", "--merge-percent", "0.25", "--metric", "jaccard", "--run", run]
    assert "--k1 16 is not less than the 16 samples, so all are neighbours" in dbc(*asked, "--k1", "16").err
    assert "all are neighbours" not in dbc(*asked, "--k1", "15").err
    reranked = dbc("eval", "--run", run, "--rerank", "--rerank-k1", "99", "--json").json["notes"]
    assert "--rerank-k1 99 is not less than the 16 queries and gallery samples, so all are neighbours" in reranked


def test_what_is_asked_twice_counts_once_and_several_seeds_are_for_a_sweep(dbc: Dbc, run: Path) -> None:
    told = dbc("ablate", "--seeds", "0,0", "--stages", "1", "--run", run, "--dry-run").err
    assert "--seeds names 2 values, 1 of them different; each counts once" in told
    ran = dbc("run", "--seeds", "0,1", "--run", run)
    assert ran.status == 2
    assert "No such option: --seeds" in ran.line
    assert "; for several seeds: dbc sweep --seed 0,1,2" in ran.line
