"""`--recipe tuned` and the flags it stands for."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.conftest import Dbc

MERGING = ["--merge-percent", "0.2", "--stage", "1"]


def test_the_tuned_recipe_of_a_run_is_what_single_commands_give_with_its_flags(dbc: Dbc, run: Path) -> None:
    ran = dbc("run", "--recipe", "tuned", "--merge-percent", "0.2", "--stages", "1", "--epochs", "1", "--run", run)
    assert ran.status == 0, ran.err
    tuned = ["--whiten", "3", "--update", "exact", "--intra-normalizer", "n2"]
    assert dbc("merge", *MERGING, *tuned, "--json").json["status"] == "up to date"
    assert dbc("train", "--stage", "1", "--recipe", "tuned", "--epochs", "1", "--json").json["status"] == "up to date"
    assert dbc("eval", "--stage", "1", "--whiten", "3").status == 0
    assert len(list(run.glob("stage-01/metrics/v*.zarr"))) == 1


def test_a_flag_goes_before_the_tuned_recipe(dbc: Dbc, run: Path) -> None:
    given = ["--recipe", "tuned", "--whiten", "0", "--update", "stale", "--merge-percent", "0.2"]
    ran = dbc("run", *given, "--stages", "1", "--epochs", "0", "--run", run)
    assert ran.status == 0, ran.err
    assert dbc("merge", *MERGING, "--intra-normalizer", "n2", "--json").json["status"] == "up to date"


@pytest.mark.parametrize(
    "flags", [["--metric", "jaccard", "--k1", "3", "--k2", "1"], ["--camera", "centring"], ["--whiten", "1"]]
)
def test_what_merging_compares_is_a_choice_of_its_own(dbc: Dbc, run: Path, flags: list[str]) -> None:
    plain = dbc("merge", *MERGING, "--run", run, "--json").json
    other = dbc("merge", *MERGING, *flags, "--json")
    assert other.status == 0, other.err
    assert other.json["n_clusters"] == plain["n_clusters"]
    assert other.json["id"] != plain["id"]
    assert dbc("merge", *MERGING, *flags, "--json").json["status"] == "up to date"


def test_jaccard_has_no_nearest_pairs(dbc: Dbc, run: Path) -> None:
    refused = dbc("merge", *MERGING, "--metric", "jaccard", "--criterion", "buc", "--run", run)
    assert refused.status == 2
    assert "--criterion: found buc with --metric jaccard" in refused.line
