"""Identities reach evaluation alone."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Literal

import pytest

from schemas.parameters import (
    EvaluateParameters,
    ExtractParameters,
    IngestParameters,
    MergeParameters,
    SyntheticParameters,
)
from stages.evaluate.stage import evaluate
from stages.ingest.stage import ingest
from stages.loop.plan import Plan
from stages.loop.run_stages import run_stages
from stages.runs.context import Context
from stages.runs.run_directory import RunDirectory
from stages.runs.store import Artifact

pytestmark = pytest.mark.usefixtures("tiny_networks")

TELLING = {"pid", "tracklet", "path"}


@pytest.mark.parametrize(("camera", "telling"), [("auto", TELLING), ("ignored", TELLING | {"camid"})])
def test_merge_train_and_extract_read_nothing_that_tells_who_is_who(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, camera: Literal["auto", "ignored"], telling: set[str]
) -> None:
    run = RunDirectory(tmp_path)
    people = SyntheticParameters(identities=8, cameras=2, images_per_camera=2)
    parameters = IngestParameters(format="synthetic", synthetic=people, height=32, width=16)
    ingest(run, source=None, parameters=parameters, context=Context(workers=0))
    read: list[str] = []
    plain_read, plain_rows = Artifact.read, Artifact.rows

    def spy(method):  # type: ignore[no-untyped-def]
        def called(self: Artifact, name: str):  # type: ignore[no-untyped-def]
            read.append(name)
            return method(self, name)

        return called

    monkeypatch.setattr(Artifact, "read", spy(plain_read))
    monkeypatch.setattr(Artifact, "rows", spy(plain_rows))
    monkeypatch.setattr("stages.loop.run_stages.evaluate", _no_evaluation)
    plan = Plan(
        merge=MergeParameters(merge_percent=0.2, camera=camera),
        extract=ExtractParameters(),
        evaluate=EvaluateParameters(),
        train={"epochs": 1, "batch_size": 8},
        initial={"backbone": "tiny", "weights": "none", "embedding_dim": 8},
        stages=1,
        n_clusters=3,
        stage0_epochs=1,
    )
    monkeypatch.setattr("stages.loop.run_stages._row", lambda run, *_, **__: SimpleNamespace(run=run))
    run_stages(run, plan, on_row=lambda _: None)
    assert {"images", "split", "pooled"} <= set(read)
    assert not telling & set(read)
    evaluate(run, stage=1, parameters=EvaluateParameters())
    assert "pid" in read


def _no_evaluation(run: RunDirectory, **_: object):  # type: ignore[no-untyped-def]
    from stages.runs.making import Made

    return Made("up to date", "metrics", 0, run.require("dataset"), 1, {})
