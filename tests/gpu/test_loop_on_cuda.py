"""The whole loop on a CUDA device: it runs, says so, and agrees with the CPU where it must."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from schemas.parameters import (
    EvaluateParameters,
    ExtractParameters,
    IngestParameters,
    InitParameters,
    MergeParameters,
    SyntheticParameters,
)
from stages.extract import network
from stages.extract.forward import compute_features as extract_pieces
from stages.extract.stage import extract
from stages.ingest.stage import ingest
from stages.loop.plan import Plan
from stages.loop.run_stages import run_stages
from stages.merge.stage import merge
from stages.nn.camera_norm import by_camera, measure_looks, statistics_of
from stages.nn.model.network import build_model
from stages.runs.context import Context
from stages.runs.run_directory import RunDirectory

pytestmark = pytest.mark.gpu

INITIAL = {"backbone": "resnet18", "weights": "none", "embedding_dim": 32}


@pytest.fixture
def run(tmp_path: Path) -> RunDirectory:
    import torch

    if not torch.cuda.is_available():
        pytest.skip("no CUDA device that torch sees")
    directory = RunDirectory(tmp_path / "run")
    people = SyntheticParameters(identities=16, cameras=2, images_per_camera=3)
    parameters = IngestParameters(format="synthetic", synthetic=people, height=64, width=32)
    ingest(directory, source=None, parameters=parameters, context=Context(workers=0))
    return directory


def pooled(run: RunDirectory, *, device: str, amp: bool = False) -> np.ndarray:
    outcome = extract(
        run,
        stage=None,
        parameters=ExtractParameters(amp=amp, batch_size=16),
        initial=INITIAL,
        context=Context(force=True, device=device),
    )
    assert outcome.artifact is not None
    assert outcome.artifact.manifest.execution.device.startswith(device)
    return outcome.artifact.read("pooled")


def test_features_agree_with_the_cpu_and_half_precision_stays_close(run: RunDirectory) -> None:
    on_cpu = pooled(run, device="cpu")
    np.testing.assert_allclose(pooled(run, device="cuda"), on_cpu, atol=2e-3)
    np.testing.assert_allclose(pooled(run, device="cuda", amp=True), on_cpu, atol=2e-2)


@pytest.mark.parametrize("fewest", [1, 1000], ids=["recorded", "launched"])
def test_features_by_camera_with_mirror_images_agree_with_the_cpu(
    run: RunDirectory, monkeypatch: pytest.MonkeyPatch, fewest: int
) -> None:
    import torch

    monkeypatch.setattr(network, "FEWEST_BATCHES", fewest)
    model = build_model(InitParameters(**INITIAL))
    images, camid = run.require("dataset").read("images"), run.require("dataset").read("camid")
    found = []
    for name in ("cpu", "cuda:0"):
        device = torch.device(name)
        looks = measure_looks(model, images, np.arange(len(images)), device=device)
        assert looks is not None
        statistics = statistics_of(looks, camid, strength=1.0)
        options = {"flip": True, "places": statistics.places(camid), "batch_size": 16, "device": device}
        with by_camera(model, statistics):
            pieces = list(extract_pieces(model, images, np.arange(len(images) + 1), **options))  # type: ignore[arg-type]
        found.append(np.concatenate([pooled for _, pooled, _ in pieces]))
    np.testing.assert_allclose(found[1], found[0], atol=2e-3)


def test_clusters_have_the_ids_that_the_cpu_gives_them(run: RunDirectory) -> None:
    pooled(run, device="cpu")
    ids = set()
    for device in ("cpu", "cuda"):
        outcome = merge(
            run, stage=1, parameters=MergeParameters(merge_percent=0.2), context=Context(force=True, device=device)
        )
        assert outcome.artifact is not None
        ids.add(outcome.artifact.manifest.id)
    assert len(ids) == 1


def test_the_whole_loop_runs_and_says_where(run: RunDirectory) -> None:
    rows = []
    plan = Plan(
        merge=MergeParameters(merge_percent=0.2),
        extract=ExtractParameters(amp=True),
        evaluate=EvaluateParameters(),
        train={"epochs": 1, "amp": True},
        initial=INITIAL,
        stages=2,
        stage0_epochs=1,
    )
    run_stages(run, plan, context=Context(device="cuda"), on_row=rows.append)
    assert [row.stage for row in rows] == [-1, 0, 1, 2]
    assert rows[-1].model.execution.device.startswith("cuda:0")
    assert rows[-1].model.execution.precision == "bfloat16"
