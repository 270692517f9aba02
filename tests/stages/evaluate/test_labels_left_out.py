"""Other labels measure what comes before the first merge anew, as they do the stages that merge by them."""

from __future__ import annotations

from pathlib import Path

import pytest

from schemas.parameters import EvaluateParameters, ExtractParameters, IngestParameters, SyntheticParameters
from stages.evaluate.stage import evaluate
from stages.extract.stage import extract
from stages.ingest.stage import ingest
from stages.runs.context import Context
from stages.runs.run_directory import RunDirectory, metrics_manifest
from stages.samples import TRAIN

pytestmark = pytest.mark.usefixtures("tiny_networks")


def test_the_initial_stage_is_measured_without_the_labels_that_are_given_now(tmp_path: Path) -> None:
    run, table = RunDirectory(tmp_path / "run"), tmp_path / "labels.csv"
    people = SyntheticParameters(identities=4, cameras=2, images_per_camera=2)
    parameters = IngestParameters(format="synthetic", synthetic=people, height=32, width=16)
    ingest(run, source=None, parameters=parameters, context=Context(workers=0))
    initial = {"backbone": "tiny", "weights": "none", "embedding_dim": 8}
    extract(run, stage=-1, parameters=ExtractParameters(), initial=initial, context=Context(device="cpu"))
    dataset = run.require("dataset")
    paths = dataset.read("path")[dataset.read("frame_start")[:-1]][dataset.read("split") == TRAIN].tolist()

    def n_labelled(n_given: int) -> int | None:
        table.write_text("path,identity\n" + "".join(f"{path},one\n" for path in paths[:n_given]))
        evaluate(run, stage=-1, parameters=EvaluateParameters(), labels=table)
        return metrics_manifest(run.require("metrics", -1)).summary.n_labelled

    assert [n_labelled(n) for n in (2, 3, 2)] == [len(paths) - n for n in (2, 3, 2)]
