"""The extract stage: features of every sample of every split under the model of a stage."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import torch

from schemas.manifest import FeaturesManifest
from schemas.parameters import ExtractParameters
from schemas.stage import INIT_STAGE, stage_label
from schemas.summaries import FeaturesSummary
from stages.backend import resolve_torch_device
from stages.errors import UsageError
from stages.extract.forward import extract as extract_blocks
from stages.next_stage import next_extract
from stages.nn.execution import torch_execution
from stages.nn.initial_model import initial_model, open_model, require_agreement
from stages.produce import How, Outcome, Produced, Request, produce
from stages.reporting import Reporter
from stages.run_directory import RunDirectory, model_manifest
from stages.store import Artifact, Writer


def extract(
    run: RunDirectory,
    *,
    stage: int | None,
    parameters: ExtractParameters,
    initial: Mapping[str, Any],
    batch_size: int,
    device: str,
    how: How,
    reporter: Reporter,
) -> Outcome:
    """Make the features of `stage` (default: the newest with a model, `init` before any), or find them up to date.

    `initial` holds fields of `InitParameters` for a run that has no model yet. Raises UsageError where they are given for
    a stage that was trained from others, DbcError where dataset or model is missing.
    """
    if batch_size < 1:
        raise UsageError(f"--batch-size: found {batch_size}, wanted at least 1")
    dataset = run.require("dataset")
    stage = next_extract(run) if stage is None else stage
    if stage == INIT_STAGE:
        begun = initial_model(run, initial, how=_unforced(how), reporter=reporter)
        if begun.artifact is None:
            return begun
        model = begun.artifact if "model" not in run.pinned else run.require("model", stage)
    else:
        model = run.require("model", stage)
        require_agreement(model, initial)
    torch_device = torch.device(resolve_torch_device(device))
    request = Request(
        kind="features",
        stage=stage,
        manifest=FeaturesManifest,
        parameters=parameters,
        parents=(dataset, model),
    )

    def compute(writer: Writer) -> Produced:
        return _compute(
            writer,
            dataset,
            model,
            parameters,
            stage=stage,
            batch_size=batch_size,
            device=torch_device,
            reporter=reporter,
        )

    return produce(run, request, compute, how=how)


def _unforced(how: How) -> How:
    return How(force=False, dry_run=how.dry_run, command=how.command)


def _compute(
    writer: Writer,
    dataset: Artifact,
    artifact: Artifact,
    parameters: ExtractParameters,
    *,
    stage: int,
    batch_size: int,
    device: torch.device,
    reporter: Reporter,
) -> Produced:
    manifest = model_manifest(artifact)
    model = open_model(artifact)
    images = dataset.rows("images")
    frame_start = dataset.read("frame_start")
    n_samples, n_images = len(frame_start) - 1, int(frame_start[-1])
    started = time.perf_counter()
    dim, embedding_dim = model.head.linear.in_features, model.head.linear.out_features
    with (
        reporter.task(f"extract stage {stage_label(stage)}", total=n_images, unit="images") as advance,
        writer.stream("pooled", row_shape=(dim,), dtype="float32", max_rows=n_samples) as pooled,
        writer.stream("embedding", row_shape=(embedding_dim,), dtype="float32", max_rows=n_samples) as embedding,
    ):
        blocks = extract_blocks(
            model,
            images,
            frame_start,
            height=manifest.initial.height,
            width=manifest.initial.width,
            batch_size=batch_size,
            amp=parameters.amp,
            device=device,
        )
        for first, pooled_block, embedding_block in blocks:
            pooled.append(pooled_block)
            embedding.append(embedding_block)
            done = int(frame_start[first + len(pooled_block)] - frame_start[first])
            advance(done, f"{frame_start[first] / (time.perf_counter() - started):.0f}/s")
    seconds = time.perf_counter() - started
    summary = FeaturesSummary(
        stage=stage,
        n_samples=n_samples,
        n_images=n_images,
        dim=dim,
        embedding_dim=embedding_dim,
        images_per_second=round(n_images / seconds, 1),
    )
    return Produced(summary, torch_execution(device, amp=parameters.amp))
