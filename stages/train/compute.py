"""The computation of the train stage: samples and look-up table from artifacts, the loop, and the model artifact."""

from __future__ import annotations

import time

import numpy as np
import torch

from schemas.parameters import TrainParameters
from schemas.summaries import ModelSummary
from stages.arrays.silhouette import sample_silhouettes
from stages.constraints.stage import read_constraints
from stages.errors import DbcError
from stages.features.kept_whitening import whitening_of
from stages.features.prepared import compared_features
from stages.features.whitening import whitened
from stages.nn.camera_norm import CameraStatistics, by_camera, statistics_as_for
from stages.nn.execution import own_modes
from stages.nn.host_memory import keep_large_blocks
from stages.nn.initial_model import open_model
from stages.nn.lookup_table import centroid_table, zero_table
from stages.nn.model.network import ReidModel, model_arrays
from stages.processes import Processes
from stages.reporting import Reporter
from stages.runs.context import Context
from stages.runs.making import Computed
from stages.runs.run_directory import clusters_manifest, compared_cameras, model_manifest
from stages.runs.store import Artifact, Writer
from stages.runs.store.checkpoint import Checkpoint
from stages.samples import TRAIN
from stages.train.checkpoints import StageCheckpoints
from stages.train.images.frames import TrainSamples
from stages.train.images.sources import cached
from stages.train.loop import StepDone, TrainOptions, TrainResult, train
from stages.train.parents import Parents
from stages.train.whitened import with_whitened_head
from stages.typing import BoolArray, Float32Array, Int64Array


@own_modes()
def compute_model(
    writer: Writer,
    parents: Parents,
    parameters: TrainParameters,
    *,
    device: torch.device,
    checkpoints: StageCheckpoints,
    context: Context,
) -> Computed:
    """Train from `parents`, or resume from `checkpoints`, and write the model."""
    keep_large_blocks()
    train_index, labels = _classes(parents, parameters, context)
    model = open_model(parents.model, dropout=parameters.dropout)
    trained, lookup_table = _start(model, parents, labels, train_index, parameters, context.own_device)
    initial = model_manifest(parents.model).initial
    others = _left_out(parents.dataset, train_index) if parameters.exclusive else train_index[:0]
    all_labels = np.concatenate([labels, -1 - np.arange(len(others))])
    statistics = None
    if parents.features is not None:
        statistics = statistics_as_for(model, parents.features, parents.dataset, device=device)
    source, samples, _ = cached(
        parents.dataset.rows("images"),
        _samples(parents, np.concatenate([train_index, others]), all_labels, parameters, statistics),
        cache=context.cache,
        device=device,
        name=parents.dataset.manifest.id,
    )
    resumed = _resumed(checkpoints, writer.processes, context.reporter)
    progress = _Progress(parameters, n_samples=len(labels) * (2 if len(others) else 1), resumed=resumed)
    task = context.reporter.task(f"train stage {parameters.stage}", total=progress.n_images, unit="images")
    with by_camera(model, statistics), task as advance:
        result = train(
            trained,
            lookup_table,
            source,
            samples,
            parameters=parameters,
            device=device,
            cameras=_cameras(parents, train_index) if parameters.loss == "dal" else None,
            options=TrainOptions(
                compiled=context.compiled,
                on_step=lambda step: advance(*progress.of(step)),
                checkpoints=checkpoints if writer.processes.rank == 0 else None,
                resumed=None if resumed is None else resumed.arrays,
                processes=writer.processes,
            ),
        )
    warnings = result.health.warnings()
    for warning in warnings:
        context.reporter.warn(warning)
    arrays = {**model_arrays(model), "memory": result.lookup_table, "loss": result.loss, "accuracy": result.accuracy}
    for name, array in arrays.items():
        writer.array(name, array)
    n_left_out = len(_left_out(parents.dataset, train_index))
    summary = _summary(
        model, result, parameters, backbone=initial.backbone, n_left_out=n_left_out, images_per_second=progress.rate
    )
    return Computed(summary, checkpoints.execution, notes=(*checkpoints.notes, *warnings))


def _resumed(checkpoints: StageCheckpoints, processes: Processes, reporter: Reporter) -> Checkpoint | None:
    """The checkpoint that all processes resume from, the leader's. DbcError if a process finds another one."""
    found = checkpoints.resumable(reporter)
    step = None if found is None else found.step
    expected = processes.from_leader({"step": step})["step"]
    if step != expected:
        raise DbcError(
            f"train: every process must find the same checkpoint, got step {expected} on process 0 and {step} on process "
            f"{processes.rank}; put `run` on storage that all machines share, and run the same command again"
        )
    # from here on the leader writes new ones
    processes.meet()
    return found


class _Progress:
    """Progress after each step, and images a second of this process, which may have resumed in the middle."""

    def __init__(self, parameters: TrainParameters, *, n_samples: int, resumed: Checkpoint | None) -> None:
        self.n_images = parameters.epochs * n_samples * (parameters.frames or 1)
        self.rate = 0.0
        self._started = time.perf_counter()
        self._first: int | None = None if resumed is not None else 0
        self._seen = 0

    def of(self, step: StepDone) -> tuple[int, str]:
        """(images since the last step, text with loss, accuracy and images a second)."""
        seconds = time.perf_counter() - self._started
        if self._first is None:
            self._first = step.n_images
        self.rate = round((step.n_images - self._first) / seconds, 1)
        new, self._seen = step.n_images - self._seen, step.n_images
        return new, f"loss {step.loss:.3f}  accuracy {step.accuracy:.2f}  {self.rate:.0f}/s"


def _classes(parents: Parents, parameters: TrainParameters, context: Context) -> tuple[Int64Array, Int64Array]:
    """(samples to train on, their classes 0..K−1): clusters, without samples that these or `silhouette_above` leave out; else
    each its own class, but one class for those that are known to be the same individual.

    Identities are read here and only here, and only if `supervised` asks for them.
    """
    train_index = np.flatnonzero(parents.dataset.read("split") == TRAIN)
    if parameters.supervised:
        train_index, labels = known_identities(parents.dataset, train_index)
    elif parents.clusters is None:
        return train_index, parents.known_classes(len(train_index))
    else:
        labels = parents.clusters.read("labels")
        chosen = np.ones(len(labels), dtype=bool)
        if "selected" in parents.clusters.names():
            chosen = parents.clusters.read("selected").astype(bool)
        if parents.features is not None and parameters.silhouette_above > -1:
            asked = clusters_manifest(parents.clusters).parameters
            rows = compared_features(
                parents.features,
                parents.dataset,
                asked,
                device=context.own_device,
                memory_limit=context.memory_limit,
            )
            chosen &= sure_samples(rows, labels, above=parameters.silhouette_above) | _confirmed(parents, len(labels))
        train_index, labels = train_index[chosen], labels[chosen]
    return train_index, np.unique(labels, return_inverse=True)[1].astype(np.int64)


def _left_out(dataset: Artifact, train_index: Int64Array) -> Int64Array:
    """The train samples that are not in `train_index`, in order."""
    return np.setdiff1d(np.flatnonzero(dataset.read("split") == TRAIN), train_index)


def sure_samples(rows: Float32Array, labels: Int64Array, *, above: float) -> BoolArray:
    """Whether the silhouette of each of `rows` (n, d) among the clusters `labels` (n,), 0..K−1, is above `above`: (n,).

    A sample that is a cluster of its own has 0. All are sure if fewer than two clusters would be left.
    """
    is_sure = np.asarray(sample_silhouettes(rows, labels, np.arange(len(rows))) > above)
    return is_sure if len(np.unique(labels[is_sure])) > 1 else np.ones(len(rows), dtype=bool)


def _confirmed(parents: Parents, n_samples: int) -> BoolArray:
    """Which of the train samples (n_samples,) `parents.constraints` say to be one individual with another."""
    is_confirmed = np.zeros(n_samples, dtype=bool)
    if parents.constraints is not None:
        is_confirmed[read_constraints(parents.constraints).same] = True
    return is_confirmed


def known_identities(dataset: Artifact, train_index: Int64Array) -> tuple[Int64Array, Int64Array]:
    """The samples of `train_index` with a known identity, and these; DbcError if there are fewer than two identities."""
    pid = dataset.read("pid")[train_index].astype(np.int64)
    is_known = pid > 0
    n_identities = len(np.unique(pid[is_known]))
    if n_identities < 2:
        raise DbcError(
            f"`supervised=True` needs two identities or more in the train split, got {n_identities}; ingest identities"
        )
    return train_index[is_known], pid[is_known]


def _cameras(parents: Parents, train_index: Int64Array) -> Int64Array:
    """The camera of every train sample; DbcError if they are not known, or if samples are in clusters."""
    if parents.clusters is not None:
        raise DbcError("`loss='dal'` trains stage 0, in which every sample is its own class; use `stages=0`")
    camid = parents.dataset.read("camid")[train_index].astype(np.int64)
    n_unknown = int((camid < 0).sum())
    if n_unknown:
        raise DbcError(
            f"`loss='dal'` needs the camera of every train sample, got {n_unknown} without one; ingest cameras"
        )
    return camid


def _samples(
    parents: Parents,
    train_index: Int64Array,
    labels: Int64Array,
    parameters: TrainParameters,
    statistics: CameraStatistics | None = None,
) -> TrainSamples:
    """The train samples, with the weights that their clusters have; without `frames` each is its first frame."""
    frame_start = parents.dataset.read("frame_start")
    count = np.diff(frame_start)[train_index]
    weights = None
    if parents.clusters is not None and "weights" in parents.clusters.names():
        all_train = np.flatnonzero(parents.dataset.read("split") == TRAIN)
        weights = parents.clusters.read("weights")[np.searchsorted(all_train, train_index)]
    places = None if statistics is None else statistics.places(compared_cameras(parents.dataset)[train_index])
    count = count if parameters.frames else np.ones_like(count)
    return TrainSamples(frame_start[train_index], count, labels, weights, places)


def _start(
    model: ReidModel,
    parents: Parents,
    labels: Int64Array,
    train_index: Int64Array,
    parameters: TrainParameters,
    device: str,
) -> tuple[ReidModel, Float32Array]:
    """The network to train, on `model`'s backbone, and the look-up table, whose row k is cluster k of `labels` (n)."""
    network, embedding_dim, embedding = model, model.head.linear.out_features, None
    if parents.features is not None:
        embedding = parents.features.read("embedding")[train_index]
    if parents.features is not None and parameters.whiten:
        pooled = parents.features.read("pooled")
        all_train = pooled[parents.dataset.read("split") == TRAIN]
        whitening = whitening_of(parents.features, all_train, ridge=parameters.whiten, device=device)
        pooled = pooled[train_index]
        network = with_whitened_head(model, whitening, dropout=parameters.dropout)
        embedding_dim, embedding = pooled.shape[1], whitened(pooled, whitening)
    if embedding is None or parameters.memory_init == "zeros":
        return network, zero_table(int(labels.max()) + 1, embedding_dim)
    return network, centroid_table(embedding, labels)


def _summary(
    model: ReidModel,
    result: TrainResult,
    parameters: TrainParameters,
    *,
    backbone: str,
    n_left_out: int,
    images_per_second: float,
) -> ModelSummary:
    per_epoch = len(result.loss) // parameters.epochs
    return ModelSummary(
        stage=parameters.stage,
        backbone=backbone,
        n_parameters=sum(parameter.numel() for parameter in model.parameters()),
        n_clusters=len(result.lookup_table),
        n_left_out=n_left_out,
        n_steps=len(result.loss),
        epochs=parameters.epochs,
        loss_first=float(result.loss[:per_epoch].mean()),
        loss_last=float(result.loss[-per_epoch:].mean()),
        accuracy_last=float(result.accuracy[-per_epoch:].mean()),
        images_per_second=images_per_second,
    )
