"""Retrieval of features that were handed on without training is that of the stage before."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from schemas.parameters import (
    EvaluateParameters,
    ExtractParameters,
    IngestParameters,
    MergeParameters,
    SyntheticParameters,
)
from stages.evaluate import stage as module
from stages.evaluate.stage import evaluate
from stages.ingest.stage import ingest
from stages.loop.plan import Plan
from stages.loop.run_stages import run_stages
from stages.runs.context import Context
from stages.runs.run_directory import RunDirectory, metrics_manifest

pytestmark = pytest.mark.usefixtures("tiny_networks")


def test_it_is_read_and_the_same_and_other_features_or_parameters_are_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    measured, plain = [], module._retrieval
    monkeypatch.setattr(module, "_retrieval", lambda *given: measured.append(None) or plain(*given))
    run = RunDirectory(tmp_path)
    people = SyntheticParameters(identities=8, cameras=2, images_per_camera=2)
    parameters = IngestParameters(format="synthetic", synthetic=people, height=32, width=16)
    ingest(run, source=None, parameters=parameters, context=Context(workers=0))
    plan = Plan(
        merge=MergeParameters(merge_percent=0.25),
        extract=ExtractParameters(),
        evaluate=EvaluateParameters(whiten=3),
        train={"epochs": 1, "batch_size": 8},
        initial={"backbone": "tiny", "weights": "none", "embedding_dim": 8},
        stages=1,
        stage0_epochs=0,
    )
    run_stages(run, plan, on_row=lambda _: False)
    # those of init, and those of the stage that trained
    assert len(measured) == 2
    init, handed_on, trained = (metrics_manifest(run.require("metrics", stage)) for stage in (-1, 0, 1))
    assert init.summary.mAP == handed_on.summary.mAP != trained.summary.mAP
    found = run.require("metrics", 0).read("average_precision")
    evaluate(run, stage=0, parameters=EvaluateParameters(whiten=4))
    assert len(measured) == 3
    for path in tmp_path.glob("stage-*/metrics"):
        path.rename(path.with_name("set aside"))
    evaluate(run, stage=0, parameters=plan.evaluate)
    assert len(measured) == 4
    np.testing.assert_array_equal(run.require("metrics", 0).read("average_precision"), found)
    # what cannot be read, or has no such version, is no reason to fail
    evaluate(run, stage=-1, parameters=plan.evaluate)
    (tmp_path / "stage-init" / "metrics" / "v1.zarr" / "zarr.json").write_text("broken")
    forced = Context(device="cpu", force=True)
    evaluate(RunDirectory(tmp_path, {"features": 1}), stage=0, parameters=plan.evaluate, context=forced)
    assert len(measured) == 6
