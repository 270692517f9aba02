"""Real images through the first stages: published layouts and tables as people have them."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from schemas.parameters import EvaluateParameters, ExtractParameters, IngestParameters, MergeParameters
from schemas.stage_names import INIT_STAGE
from stages.evaluate.stage import evaluate
from stages.extract.stage import extract
from stages.ingest.stage import ingest
from stages.merge.stage import merge
from stages.runs.context import Context
from stages.runs.run_directory import RunDirectory, metrics_manifest


def test_vehicles_from_a_table_go_through_ingest_extract_merge_and_evaluate(
    tmp_path: Path, real_data: Path, mobilenet_weights: Path
) -> None:
    run = RunDirectory(tmp_path)
    parameters = IngestParameters(format="csv", height=32, width=32)
    dataset = ingest(run, source=real_data / "vehicles", parameters=parameters, context=Context(workers=2))
    assert dataset.artifact is not None
    split = dataset.artifact.read("split")
    assert np.bincount(split).tolist() == [1014, 60, 60]
    extract(
        run,
        stage=INIT_STAGE,
        parameters=ExtractParameters(),
        initial={"backbone": "mobilenet_v2", "weights": str(mobilenet_weights)},
        context=Context(device="cpu"),
    )
    merge(run, stage=1, parameters=MergeParameters(), context=Context(device="cpu"))
    outcome = evaluate(run, stage=1, parameters=EvaluateParameters())
    assert outcome.artifact is not None
    summary = metrics_manifest(outcome.artifact).summary
    assert (summary.n_queries, summary.n_queries_left_out, summary.n_gallery) == (60, 0, 60)
    assert summary.n_clusters == 1014 - 101
    assert summary.rank1 is not None
    assert summary.rank1 > 5 / 60


def test_eth80_is_ingested_as_published(tmp_path: Path, real_data: Path) -> None:
    run = RunDirectory(tmp_path)
    parameters = IngestParameters(format="market1501", height=16, width=16)
    dataset = ingest(run, source=real_data / "eth80-market", parameters=parameters, context=Context(workers=2))
    assert dataset.artifact is not None
    assert np.bincount(dataset.artifact.read("split")).tolist() == [1640, 160, 1480]
    assert len(np.unique(dataset.artifact.read("pid"))) == 80
    assert sorted(np.unique(dataset.artifact.read("camid"))) == [1, 2, 3, 4]
