"""`dbc merge` of features that are no numbers or belong to other samples: one line, exit 1, nothing written."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from stages.features import prepared
from stages.runs.store import Artifact
from tests.cli.conftest import Dbc
from tests.cli.test_errors import refused

Change = Callable[[NDArray[np.float32]], NDArray[np.float32]]


def set_to(value: float) -> Change:
    """A change that sets one value of one row in three."""

    def change(array: NDArray[np.float32]) -> NDArray[np.float32]:
        changed = array.copy()
        changed[::3, 2] = value
        return changed

    return change


def alter(monkeypatch: pytest.MonkeyPatch, name: str, change: Change) -> None:
    """From now on, arrays called `name` are read changed: on disk a digest would tell."""
    read = Artifact.read

    # what was whitened before is known by the digest, which stays
    monkeypatch.setattr(prepared, "_newest", {})

    def altered(artifact: Artifact, wanted: str) -> NDArray[np.float32]:
        array = read(artifact, wanted)
        return change(array) if wanted == name else array

    monkeypatch.setattr(Artifact, "read", altered)


@pytest.mark.parametrize(
    ("name", "change", "flags", "told"),
    [
        ("pooled", set_to(np.nan), ["--update", "stale"], "holds NaN or infinity"),
        ("pooled", set_to(-np.inf), ["--update", "exact"], "holds NaN or infinity"),
        ("pooled", set_to(np.inf), ["--metric", "euclidean", "--update", "union"], "holds NaN or infinity"),
        ("pooled", set_to(np.nan), ["--metric", "jaccard"], "row 0 holds NaN or infinity"),
        ("pooled", np.zeros_like, ["--metric", "cosine", "--recipe", "auto"], "row 0 is all zeros"),
        ("pooled", np.zeros_like, [], "features are the same, some that differ are needed to whiten: are"),
        ("pooled", lambda rows: rows[:-1], [], "got 31; extract them again"),
        ("pooled", lambda rows: np.concatenate([rows, rows[:2]]), [], "got 34; extract them again"),
        (
            "labels",
            lambda labels: labels[:-1],
            ["--stage", "2", "--start", "previous"],
            "labels must have shape (16,), one for each row of features, got (15,)",
        ),
        (
            "labels",
            lambda labels: labels + 3,
            ["--stage", "2", "--start", "previous"],
            "labels must use each of 0..K−1, got 13 values from 3 to 15",
        ),
    ],
)
def test_inputs_that_do_not_fit_are_refused(
    dbc: Dbc,
    run: Path,
    monkeypatch: pytest.MonkeyPatch,
    *,
    name: str,
    change: Change,
    flags: list[str],
    told: str,
) -> None:
    assert dbc("merge", "--merge-percent", "0.2", "--run", run).status == 0
    if change is np.zeros_like:
        # the whitening that was kept is of the features as they are on disk
        for kept in run.glob("stage-*/features/.checkpoint-*"):
            shutil.rmtree(kept)
        monkeypatch.setattr("stages.features.kept_whitening._newest", {})
    before = sorted(run.rglob("*"))
    alter(monkeypatch, name, change)
    stage = flags if "--stage" in flags else [*flags, "--stage", "1", "--force"]
    refused(dbc("merge", "--merge-percent", "0.2", *stage, "--run", run), status=1, told=told)
    assert sorted(run.rglob("*")) == before


def test_fewer_clusters_than_merges(dbc: Dbc, run: Path) -> None:
    flags = ["--merge-percent", "0.6", "--run", run]
    assert dbc("merge", *flags).status == 0
    before = sorted(run.rglob("*"))
    for start, n_merges, n_before in (("singletons", 18, 16), ("previous", 9, 7)):
        told = (
            f"--stage 2 makes {n_merges} merges (--merge-percent 0.6), which must be fewer than the {n_before} clusters"
        )
        refused(dbc("merge", *flags, "--stage", "2", "--start", start), status=2, told=told)
    assert sorted(run.rglob("*")) == before
