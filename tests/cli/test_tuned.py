"""`--recipe tuned` and the flags it stands for."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.metrics import silhouette_score

from stages.runs.run_directory import RunDirectory
from tests.cli.conftest import Dbc

MERGING = ["--merge-percent", "0.2", "--stage", "1"]


def test_the_tuned_recipe_of_a_run_is_what_single_commands_give_with_its_flags(dbc: Dbc, run: Path) -> None:
    ran = dbc("run", "--recipe", "tuned", "--merge-percent", "0.2", "--stages", "1", "--epochs", "1", "--run", run)
    assert ran.status == 0, ran.err
    tuned = [
        "--recipe",
        "paper",
        "--whiten",
        "3",
        "--update",
        "exact",
        "--intra-normalizer",
        "n2",
        "--start",
        "singletons",
        "--camera",
        "auto",
    ]
    assert dbc("merge", *MERGING, *tuned, "--json").json["status"] == "up to date"
    assert dbc("train", "--stage", "1", "--recipe", "tuned", "--epochs", "1", "--json").json["status"] == "up to date"
    assert dbc("eval", "--stage", "1", "--whiten", "3").status == 0
    assert dbc("merge", *MERGING, "--recipe", "tuned", "--json").json["status"] == "up to date"
    assert dbc("eval", "--stage", "1", "--recipe", "tuned").status == 0
    assert len(list(run.glob("stage-01/metrics/v*.zarr"))) == 1


def test_a_recipe_in_the_configuration_is_that_of_every_command(dbc: Dbc, run: Path) -> None:
    (run / "config.toml").write_text('recipe = "tuned"\nmerge-percent = 0.2\n')
    ran = dbc("run", "--stages", "1", "--epochs", "1", "--run", run)
    assert ran.status == 0, ran.err
    assert dbc("merge", "--stage", "1", "--json").json["status"] == "up to date"
    assert dbc("train", "--stage", "1", "--epochs", "1", "--json").json["status"] == "up to date"
    assert dbc("eval", "--stage", "1", "--json").json["status"] == "up to date"
    assert dbc("merge", "--stage", "1", "--recipe", "auto", "--json").json["status"] != "up to date"


def test_another_recipe_than_that_of_training_is_told(dbc: Dbc, run: Path) -> None:
    assert "--recipe" not in dbc("eval", "--stage", "init", "--run", run).err
    trained = dbc("train", "--stage", "0", "--recipe", "paper", "--epochs", "1", "--run", run)
    assert trained.status == 0, trained.err
    told = "stage 0 was trained with --recipe paper, this goes by --recipe tuned"
    assert told in dbc("extract", "--run", run).err
    assert told not in dbc("extract", "--no-flip", "--camera-norm", "off", "--run", run).err
    for words in (["merge", "--dry-run"], ["eval", "--stage", "0"]):
        assert told in dbc(*words, "--run", run).err
        assert told not in dbc(*words, "--recipe", "paper", "--run", run).err


def test_a_flag_goes_before_the_tuned_recipe(dbc: Dbc, run: Path) -> None:
    given = ["--recipe", "tuned", "--whiten", "0", "--update", "stale", "--merge-percent", "0.2"]
    ran = dbc("run", *given, "--stages", "1", "--epochs", "0", "--run", run)
    assert ran.status == 0, ran.err
    plain = ["--recipe", "auto", "--intra-normalizer", "n2", "--camera", "auto"]
    assert dbc("merge", *MERGING, *plain, "--json").json["status"] == "up to date"


@pytest.mark.parametrize(
    "flags",
    [
        ["--metric", "jaccard", "--k1", "3", "--k2", "1"],
        ["--camera", "centring"],
        ["--camera", "penalty", "--camera-weight", "0.5"],
        ["--whiten", "1"],
    ],
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
    assert "--metric jaccard needs --criterion dbc, got --criterion buc" in refused.line


def unit(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def test_select_and_report_look_at_what_the_merge_compared(dbc: Dbc, run: Path) -> None:
    flags = ["--camera", "centring", "--whiten", "2"]
    assert dbc("merge", "--merge-percent", "0.4", *flags, "--run", run).status == 0
    dataset = RunDirectory(run).require("dataset")
    is_train = dataset.read("split") == 0
    labels = RunDirectory(run).require("clusters", 1).read("labels")
    rows = RunDirectory(run).require("features", -1).read("pooled")[is_train].astype(np.float64)
    camid = dataset.read("camid")[is_train]
    for camera in np.unique(camid):
        rows[camid == camera] -= rows[camid == camera].mean(axis=0)
    rows = unit(rows) - unit(rows).mean(axis=0)
    variance, directions = np.linalg.eigh(np.cov(rows.T, bias=True))
    compared = unit(rows @ directions / np.sqrt(variance + 2 * variance.mean()))
    *_, row = dbc("select", "--run", run, "--json").json["stages"]
    assert row["silhouette"] == pytest.approx(silhouette_score(compared, labels, metric="cosine"), abs=1e-4)
    widest = dbc("report", "--run", run, "--json").json["loosest"][0]
    members = compared[labels == widest["cluster"]]
    apart = np.square(members[:, None] - members[None, :]).sum() / (len(members) * (len(members) - 1))
    assert widest["spread"] == pytest.approx(apart, abs=1e-4)
