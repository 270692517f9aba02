"""`dbc show`, `log`, `diff` and `gc` on a small run."""

from __future__ import annotations

from pathlib import Path

import pytest

from stages.runs.store.checkpoint import keep
from stages.runs.unreferenced import kept_calibrations, kept_whitenings
from tests.cli.conftest import Dbc


@pytest.fixture
def merged_twice(dbc: Dbc, run: Path) -> Path:
    for lambda_ in ("0.1", "5"):
        assert dbc("merge", "--stage", "1", "--merge-percent", "0.4", "--lambda", lambda_, "--run", run).status == 0
    return run


def test_an_artifact_is_shown_with_its_arrays_and_parameters(dbc: Dbc, merged_twice: Path) -> None:
    told = dbc("show", "1/clusters/v1", "--run", merged_twice, "--json").json
    shown = dbc("show", "1/clusters/v1", "--run", merged_twice).out
    assert told["parameters"]["lambda"] == 0.1
    for name, record in told["arrays"].items():
        assert f"{name}  {record['dtype']} {tuple(record['shape'])}" in shown
    assert "lambda  0.1000" in shown
    assert "dataset  dataset/v1.zarr" in shown


def test_a_lineage_names_the_commands_that_made_it(dbc: Dbc, merged_twice: Path) -> None:
    rows = dbc("log", "--run", merged_twice, "--json").json["lineage"]
    places = ["stage-01/clusters/v2.zarr", "stage-init/features/v1.zarr", "stage-init/model/v1.zarr", "dataset/v1.zarr"]
    assert [row["artifact"] for row in rows] == places
    assert [row["problem"] for row in rows] == [None] * 4
    shown = dbc("log", "1/clusters/v1", "--run", merged_twice).out
    assert "stage-01/clusters/v1.zarr" in shown
    assert "dataset/v1.zarr" in shown


def test_a_difference_says_what_changed_and_how_far_clusters_agree(dbc: Dbc, merged_twice: Path) -> None:
    told = dbc("diff", "1/clusters/v1", "1/clusters/v2", "--run", merged_twice, "--json").json
    assert told["parameters"] == {"lambda": [0.1, 5.0]}
    assert told["partitions"]["ari"] <= 1
    same = dbc("diff", "1/clusters/v1", "1/clusters/v1", "--run", merged_twice)
    assert "same content" in same.out
    other = dbc("diff", "1/clusters", "dataset", "--run", merged_twice)
    assert (other.status, other.line) == (2, "dbc diff: both artifacts must be of one kind, got clusters and dataset")
    assert dbc("diff", "--run", merged_twice).status == 2
    assert dbc("show", "--run", merged_twice).status == 2


def test_versions_are_removed_only_if_that_is_asked_for(dbc: Dbc, merged_twice: Path) -> None:
    listed = dbc("gc", "--run", merged_twice, "--json").json
    assert [row["artifact"] for row in listed["unreferenced"]] == ["stage-01/clusters/v1.zarr"]
    assert (merged_twice / "stage-01" / "clusters" / "v1.zarr").is_dir()
    assert listed["bytes_of_whitenings"] == listed["bytes_of_calibrations"] == 0
    keep(merged_twice / "stage-init" / "features", "a" * 64, {}, about={"holds": "whitening"})
    keep(merged_twice / "stage-01" / "clusters", "a" * 64, {}, about={"holds": "calibration"})
    listed = dbc("gc", "--run", merged_twice, "--json").json
    assert listed["bytes_of_whitenings"] > 0 < listed["bytes_of_calibrations"]
    out = dbc("gc", "--run", merged_twice, "--delete").out
    assert "1 version, " in out
    assert "whitenings kept to save time: " in out
    assert "calibrations kept to save time: " in out
    assert not kept_whitenings(merged_twice)
    assert not kept_calibrations(merged_twice)
    assert not (merged_twice / "stage-01" / "clusters" / "v1.zarr").exists()
    assert "every version is the newest" in dbc("gc", "--run", merged_twice).out
    assert dbc("status", "--verify", "--run", merged_twice).status == 0
