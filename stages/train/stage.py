"""The train stage: model S from the clusters of stage S and the weights of the stage before."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch

from schemas.manifest import ModelManifest
from schemas.parameters import TrainParameters
from schemas.stage import INIT_STAGE, stage_label
from schemas.summaries import ModelSummary
from stages.backend import resolve_torch_device
from stages.data.samples import TRAIN
from stages.errors import DbcError
from stages.lineage import parent_of, require_same_dataset
from stages.next_stage import next_train, numbered
from stages.nn.execution import torch_execution
from stages.nn.images import ImageSource
from stages.nn.initial_model import initial_model, open_model, require_agreement
from stages.nn.memory import centroid_memory, zero_memory
from stages.nn.model import ReidModel, model_arrays
from stages.nn.weights import NO_WEIGHTS
from stages.produce import How, Outcome, Produced, Request, produce
from stages.reporting import Reporter
from stages.run_directory import (
    RunDirectory,
    clusters_manifest,
    dataset_manifest,
    features_manifest,
    model_manifest,
)
from stages.store import Artifact, Writer
from stages.train.loop import Step, TrainResult
from stages.train.loop import train as train_model
from stages.train.recipes import resolve
from stages.typing import Float32Array, Int64Array


@dataclass(frozen=True)
class Parents:
    """The artifacts a stage is trained from; `clusters` is None at stage 0, `features` where no centroids are needed."""

    dataset: Artifact
    model: Artifact
    clusters: Artifact | None
    features: Artifact | None

    def all(self) -> tuple[Artifact, ...]:
        """Those there are."""
        candidates = (self.dataset, self.model, self.clusters, self.features)
        return tuple(artifact for artifact in candidates if artifact is not None)


def train(
    run: RunDirectory,
    *,
    stage: int | None,
    wanted: Mapping[str, Any],
    initial: Mapping[str, Any],
    device: str,
    how: How,
    reporter: Reporter,
) -> Outcome:
    """Make the model of `stage` (default: the next), or find it up to date.

    `wanted` holds fields of `TrainParameters` over the recipe's; `initial` fields of `InitParameters` for a run that has
    no model yet. Raises UsageError and DbcError where a parent is missing or a value does not fit.
    """
    stage = numbered(next_train(run) if stage is None else stage, command="dbc train", first=0)
    torch_device = torch.device(resolve_torch_device(device))
    dataset = run.require("dataset")
    clusters = run.require("clusters", stage) if stage > 0 else None
    if clusters is not None:
        require_same_dataset(clusters, dataset)
    before = _weights_before(run, stage, initial, how=how, reporter=reporter)
    if before.artifact is None:
        return before
    parameters = _parameters(stage, wanted, dataset, clusters, before.artifact)
    features = _features(run, clusters, parameters)
    parents = Parents(dataset, before.artifact, clusters, features)
    request = Request(
        kind="model",
        stage=stage,
        manifest=ModelManifest,
        parameters=parameters,
        parents=parents.all(),
        seeds={"training": parameters.seed},
        extra={"initial": model_manifest(before.artifact).initial},
    )

    def compute(writer: Writer) -> Produced:
        return _compute(writer, parents, parameters, device=torch_device, reporter=reporter)

    return produce(run, request, compute, how=how)


def _weights_before(
    run: RunDirectory, stage: int, initial: Mapping[str, Any], *, how: How, reporter: Reporter
) -> Outcome:
    """The newest model before `stage`, made first where there is none at all."""
    model = run.newest_up_to("model", stage - 1)
    if model is None or model_manifest(model).summary.stage == INIT_STAGE:
        outcome = initial_model(run, initial, how=replace(how, force=False), reporter=reporter)
    else:
        require_agreement(model, initial)
        found = model_manifest(model).summary.stage
        outcome = Outcome("up to date", "model", found, model, model.version, {})
    if outcome.stage != stage - 1:
        reporter.note(f"stage {stage - 1} has no model: starting from that of stage {stage_label(outcome.stage)}")
    return outcome


def _parameters(
    stage: int, wanted: Mapping[str, Any], dataset: Artifact, clusters: Artifact | None, before: Artifact
) -> TrainParameters:
    n_samples = dataset_manifest(dataset).summary.n_train
    if not n_samples:
        raise DbcError(f"{dataset.path}: no train samples found, wanted at least 2; ingest data with a train split")
    return resolve(
        stage,
        n_samples=n_samples,
        n_clusters=n_samples if clusters is None else clusters_manifest(clusters).summary.n_clusters,
        recipe=wanted.get("recipe", "auto"),
        random_weights=model_manifest(before).initial.weights == NO_WEIGHTS,
        overrides={name: value for name, value in wanted.items() if name != "recipe"},
    )


def _features(run: RunDirectory, clusters: Artifact | None, parameters: TrainParameters) -> Artifact | None:
    """The features whose embeddings the look-up table starts from: those the clusters were made from, or a pinned one."""
    parent = None if clusters is None else parent_of(clusters, "features")
    if parent is None or parameters.memory_init == "zeros" or parameters.epochs == 0:
        return None
    features = run.resolve(parent)
    if "features" in run.pinned:
        return run.require("features", features_manifest(features).summary.stage)
    return features


def _compute(
    writer: Writer, parents: Parents, parameters: TrainParameters, *, device: torch.device, reporter: Reporter
) -> Produced:
    train_index = np.flatnonzero(parents.dataset.read("split") == TRAIN)
    labels = np.arange(len(train_index)) if parents.clusters is None else parents.clusters.read("labels")
    model = open_model(parents.model, dropout=parameters.dropout)
    memory = _memory(parents, labels, train_index, embedding_dim=model.head.linear.out_features, how=parameters)
    images, image_index = _train_images(parents.dataset, train_index)
    initial = model_manifest(parents.model).initial
    started = time.perf_counter()
    with reporter.task(
        f"train stage {parameters.stage}", total=parameters.epochs * len(labels), unit="images"
    ) as advance:
        seen = 0

        def on_step(step: Step) -> None:
            nonlocal seen
            rate = step.n_images / (time.perf_counter() - started)
            advance(step.n_images - seen, f"loss {step.loss:.3f}  accuracy {step.accuracy:.2f}  {rate:.0f}/s")
            seen = step.n_images

        result = train_model(
            model,
            memory,
            images,
            image_index,
            labels,
            parameters=parameters,
            height=initial.height,
            width=initial.width,
            device=device,
            on_step=on_step,
        )
    warnings = result.health.warnings()
    for warning in warnings:
        reporter.warn(warning)
    _write(writer, model, result)
    rate = parameters.epochs * len(labels) / (time.perf_counter() - started)
    summary = _summary(model, result, parameters, backbone=initial.backbone, images_per_second=round(rate, 1))
    return Produced(summary, torch_execution(device, amp=parameters.amp), notes=warnings)


def _memory(
    parents: Parents, labels: Int64Array, train_index: Int64Array, *, embedding_dim: int, how: TrainParameters
) -> Float32Array:
    """The look-up table at the start, row k for cluster k of the labels that are trained on."""
    if how.memory_init == "zeros" or parents.features is None:
        return zero_memory(int(labels.max()) + 1, embedding_dim)
    return centroid_memory(parents.features.read("embedding")[train_index], labels)


def _train_images(dataset: Artifact, train_index: Int64Array) -> tuple[ImageSource, Int64Array]:
    """The train images in memory, and which of them each train sample is: the first frame of a tracklet."""
    first_frame = dataset.read("frame_start")[train_index]
    return dataset.rows("images")[first_frame], np.arange(len(train_index))


def _write(writer: Writer, model: ReidModel, result: TrainResult) -> None:
    for name, array in model_arrays(model).items():
        writer.array(name, array)
    writer.array("memory", result.memory)
    writer.array("loss", result.loss)
    writer.array("accuracy", result.accuracy)


def _summary(
    model: ReidModel, result: TrainResult, parameters: TrainParameters, *, backbone: str, images_per_second: float
) -> ModelSummary:
    per_epoch = max(1, len(result.loss) // max(parameters.epochs, 1))
    trained = len(result.loss) > 0
    return ModelSummary(
        stage=parameters.stage,
        backbone=backbone,
        n_parameters=sum(parameter.numel() for parameter in model.parameters()),
        n_clusters=len(result.memory),
        n_steps=len(result.loss),
        epochs=parameters.epochs,
        loss_first=float(result.loss[:per_epoch].mean()) if trained else None,
        loss_last=float(result.loss[-per_epoch:].mean()) if trained else None,
        accuracy_last=float(result.accuracy[-per_epoch:].mean()) if trained else None,
        images_per_second=images_per_second,
    )
