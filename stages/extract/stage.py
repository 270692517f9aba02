"""The extract stage: features of every sample of every split under the model of a stage."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import torch

from schemas.manifest import FeaturesManifest
from schemas.parameters import ExtractParameters
from schemas.stage import INIT_STAGE, stage_label
from schemas.summaries import FeaturesSummary
from stages.backend import resolve_torch_device
from stages.extract.forward import extract as extract_blocks
from stages.next_stage import next_extract
from stages.nn.execution import torch_execution
from stages.nn.initial_model import initial_model, open_model, require_agreement
from stages.produce import How, Outcome, Produced, Request, produce
from stages.reporting import Reporter
from stages.run_directory import RunDirectory, features_manifest, model_manifest
from stages.store import Artifact, Writer


def extract(
    run: RunDirectory,
    *,
    stage: int | None,
    parameters: ExtractParameters,
    initial: Mapping[str, Any],
    device: str,
    how: How,
    reporter: Reporter,
) -> Outcome:
    """Make the features of `stage` (default: the newest with a model, `init` before any), or find them up to date.

    `initial` holds fields of `InitParameters` for a run that has no model yet. Raises UsageError where they are given for
    a stage that was trained from others, DbcError where dataset or model is missing.
    """
    torch_device = torch.device(resolve_torch_device(device))
    dataset = run.require("dataset")
    stage = next_extract(run) if stage is None else stage
    if stage == INIT_STAGE:
        begun = initial_model(run, initial, how=replace(how, force=False), reporter=reporter)
        if begun.artifact is None:
            return begun
        model = begun.artifact if "model" not in run.pinned else run.require("model", stage)
    else:
        model = run.require("model", stage)
        require_agreement(model, initial)
    request = Request(
        kind="features",
        stage=stage,
        manifest=FeaturesManifest,
        parameters=parameters,
        parents=(dataset, model),
    )

    def compute(writer: Writer) -> Produced:
        same = None if how.force else _same_weights(run, request)
        if same is not None:
            return _copy(writer, same, stage=stage)
        return _compute(
            writer,
            dataset,
            model,
            parameters,
            stage=stage,
            device=torch_device,
            reporter=reporter,
        )

    return produce(run, request, compute, how=how)


def _same_weights(run: RunDirectory, request: Request) -> Artifact | None:
    """Features that an earlier stage has of the same dataset, parameters and weights; None where there are none.

    A stage without training steps hands on the weights it was given, so its features are those of the stage before.
    """
    dataset, model = request.parents
    for stage in run.stages("features"):
        found = run.find("features", stage) if stage < request.stage else None
        parents = {} if found is None else {parent.kind: parent for parent in found.manifest.parents}
        if found is None or parents["dataset"].id != dataset.manifest.id:
            continue
        same_weights = _weights(run.resolve(parents["model"])) == _weights(model)
        if same_weights and features_manifest(found).parameters == request.parameters:
            return found
    return None


def _weights(model: Artifact) -> dict[str, str]:
    arrays = model.manifest.arrays
    return {name: record.sha256 for name, record in arrays.items() if name.startswith(("backbone/", "head/"))}


def _copy(writer: Writer, same: Artifact, *, stage: int) -> Produced:
    for name in ("pooled", "embedding"):
        writer.array(name, same.read(name))
    manifest = features_manifest(same)
    note = f"the weights are those of stage {stage_label(manifest.summary.stage)}: its features were copied"
    summary = manifest.summary.model_copy(update={"stage": stage})
    return Produced(summary, manifest.execution, notes=(note,))


def _compute(
    writer: Writer,
    dataset: Artifact,
    artifact: Artifact,
    parameters: ExtractParameters,
    *,
    stage: int,
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
            batch_size=parameters.batch_size,
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
