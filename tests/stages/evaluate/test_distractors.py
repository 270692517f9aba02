"""Distractors among the train samples are nobody: no identity in measures of clusters, in names or in files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from schemas.parameters import EvaluateParameters, ExtractParameters, IngestParameters
from stages.evaluate.stage import evaluate
from stages.export.features import embedded, write_features
from stages.extract.stage import extract
from stages.ingest.stage import ingest
from stages.runs.context import Context
from stages.runs.run_directory import RunDirectory, metrics_manifest
from stages.runs.source_names import names_of, source_names

pytestmark = pytest.mark.usefixtures("tiny_networks")


def test_train_distractors_and_junk_are_no_identity(tmp_path: Path) -> None:
    run, table = RunDirectory(tmp_path / "run"), tmp_path / "samples.csv"
    rows = ["a,,", "a,,", "b,,", "b,,", ",1,", ",1,", ",,1"]
    for number in range(len(rows)):
        Image.fromarray(np.full((32, 16, 3), 30 * number, dtype=np.uint8)).save(tmp_path / f"{number}.png")
    text = "".join(f"{number}.png,{row}\n" for number, row in enumerate(rows))
    table.write_text(f"path,pid,distractor,junk\n{text}")
    parameters = IngestParameters(format="csv", height=32, width=16)
    ingest(run, source=table, parameters=parameters, context=Context(workers=0))
    initial = {"backbone": "tiny", "weights": "none", "embedding_dim": 8}
    extract(run, stage=-1, parameters=ExtractParameters(), initial=initial, context=Context(device="cpu"))
    evaluate(run, stage=-1, parameters=EvaluateParameters(), context=Context(device="cpu"))
    manifest = metrics_manifest(run.require("metrics", -1))
    assert (manifest.summary.n_labelled, manifest.summary.n_identities) == (4, 2)
    assert manifest.parameters.without_distractors
    assert any("4 of 7 train samples" in note for note in manifest.notes)
    dataset = run.require("dataset")
    assert sorted(name or "" for name in names_of(dataset, "identity")) == ["", "", "", "a", "a", "b", "b"]
    assert source_names(dataset, "identity") == {1: "a", 2: "b"}
    # who computes figures from features must tell a distractor, which is a wrong match, from junk, which is none
    write_features(embedded(run, run.require("features", -1)), tmp_path / "features.npz")
    with np.load(tmp_path / "features.npz", allow_pickle=False) as found:
        of_path = dict(zip(found["path"].tolist(), found["pid"].tolist(), strict=True))
    assert [of_path[f"{number}.png"] for number in range(len(rows))] == [1, 1, 2, 2, 0, 0, -1]
