"""Progressive unsupervised learning: cluster, keep the reliable samples, train on them from the start, and again."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from schemas.parameters import TrainParameters
from schemas.recipes import DEFAULT_RECIPE
from stages.arrays.backend import resolve_torch_device
from stages.compare.baselines.reliable import PUBLISHED_THRESHOLD, UNRELIABLE, pul_labels
from stages.errors import DbcError, UsageError
from stages.evaluate.clusters.agreement import measure_agreement
from stages.evaluate.retrieval.by_split import retrieval_by_split
from stages.extract.forward import extract
from stages.nn.backbones.weights import NO_WEIGHTS
from stages.nn.initial_model import initial_model, open_model
from stages.nn.lookup_table import centroid_table
from stages.nn.model.network import ReidModel
from stages.reporting import Reporter
from stages.runs.context import Context
from stages.runs.run_directory import RunDirectory, dataset_manifest, model_manifest
from stages.runs.store import Artifact
from stages.samples import TRAIN
from stages.train.images.frames import TrainSamples
from stages.train.images.sources import cached
from stages.train.loop import train
from stages.train.recipes import resolve
from stages.typing import Float32Array, Int32Array, Int64Array, UInt8Array


@dataclass(frozen=True)
class Settings:
    """Options of the loop; `train` holds fields of `TrainParameters`, `initial` of `InitParameters`."""

    n_clusters: int
    iterations: int = 5
    threshold: float = PUBLISHED_THRESHOLD
    seed: int = 0
    train: Mapping[str, Any] | None = None
    initial: Mapping[str, Any] | None = None
    device: str = "auto"


@dataclass(frozen=True)
class Row:
    """An iteration that is done, 0 being the initial model.

    `n_clusters` and `n_reliable` samples were trained on, to `loss` in the last epoch; `ari` is that of the reliable
    samples' clusters. Values are None without training, or if the data has no identities.
    """

    iteration: int
    n_clusters: int | None
    n_reliable: int | None
    loss: float | None
    rank1: float | None
    rank5: float | None
    mAP: float | None
    ari: float | None


@dataclass(frozen=True)
class _Features:
    """Of all samples: `pooled` (n_samples, d), L2-normalised, and `embedding` (n_samples, e)."""

    pooled: Float32Array
    embedding: Float32Array


@dataclass(frozen=True)
class _Truth:
    """What `evaluate` alone may see: ids and splits (n_samples)."""

    pid: Int32Array
    camid: Int32Array
    split: UInt8Array


def progressive(run: RunDirectory, settings: Settings, *, reporter: Reporter, on_row: Callable[[Row], None]) -> None:
    """Call `on_row` for the initial model and for every iteration; only the initial model is kept in `run`.

    Fan et al., ACM TOMM 2018 (see `reliable`): every iteration clusters the newest features by k-means, and trains the
    initial model, not the newest, on the reliable samples. As published, but for the loss, which is the repelled loss
    of this project in place of a softmax classifier, and for the start, which was trained on another labelled data set there.
    Raises UsageError for settings out of range, DbcError if the run has no dataset or no initial model.
    """
    _check(settings)
    device = torch.device(resolve_torch_device(settings.device))
    dataset = run.require("dataset")
    initial = {"seed": settings.seed, **(settings.initial or {})}
    start = initial_model(run, initial, context=Context(reporter=reporter)).artifact
    if start is None:
        raise DbcError(f"{run.root}: no initial model found; make it with: dbc extract --stage init")
    truth = _Truth(dataset.read("pid"), dataset.read("camid"), dataset.read("split"))
    train_index = np.flatnonzero(truth.split == TRAIN)
    features = first = _extracted(open_model(start), dataset, device=device, reporter=reporter)
    on_row(_row(0, features, truth, labels=None, loss=None))
    for iteration in range(1, settings.iterations + 1):
        labels = pul_labels(
            features.pooled[train_index],
            n_clusters=settings.n_clusters,
            threshold=settings.threshold,
            seed=settings.seed + iteration,
        )
        parameters = _parameters(iteration, settings, labels, dataset, start)
        model = open_model(start, dropout=parameters.dropout)
        loss = _trained(model, dataset, first.embedding, train_index, labels, parameters, device=device)
        features = _extracted(model, dataset, device=device, reporter=reporter)
        on_row(_row(iteration, features, truth, labels=labels, loss=loss))


def _check(settings: Settings) -> None:
    for name in ("n_clusters", "iterations"):
        if getattr(settings, name) < 1:
            raise UsageError(f"`{name}` must be at least 1, got {getattr(settings, name)}")
    if not -1 <= settings.threshold <= 1:
        raise UsageError(f"`threshold` must be a cosine from -1 to 1, got {settings.threshold}")


def _parameters(
    iteration: int, settings: Settings, labels: Int64Array, dataset: Artifact, start: Artifact
) -> TrainParameters:
    """The recipe's parameters for clusters of so many reliable samples; the iteration stands for the stage."""
    given = dict(settings.train or {})
    initial = model_manifest(start).initial
    summary = dataset_manifest(dataset).summary
    return resolve(
        iteration,
        n_samples=int((labels != UNRELIABLE).sum()),
        n_clusters=int(labels.max()) + 1,
        recipe=given.pop("recipe", DEFAULT_RECIPE),
        random_weights=initial.weights == NO_WEIGHTS,
        backbone=initial.backbone,
        is_video=summary.n_images > summary.n_samples,
        # the table as published; its classes are those of the head, so that there are no features to whiten
        overrides={"seed": settings.seed, "memory_momentum": 0.5, **given, "whiten": 0.0},
    )


def _trained(
    model: ReidModel,
    dataset: Artifact,
    embedding: Float32Array,
    train_index: Int64Array,
    labels: Int64Array,
    parameters: TrainParameters,
    *,
    device: torch.device,
) -> float | None:
    """The loss of the last epoch of training `model` on the samples of `train_index` with a label (n_train), not −1.

    `embedding` (n_samples, e) are those of the model as it is.
    """
    kept = labels != UNRELIABLE
    chosen = train_index[kept]
    frame_start = dataset.read("frame_start")
    count = np.diff(frame_start)[chosen] if parameters.frames else np.ones(len(chosen), dtype=np.int64)
    samples = TrainSamples(frame_start[chosen], count, labels[kept])
    source, samples, _ = cached(dataset.rows("images"), samples, cache="auto", device=device)
    result = train(
        model,
        centroid_table(embedding[chosen], labels[kept]),
        source,
        samples,
        parameters=parameters,
        device=device,
    )
    return result.health.last_loss


def _extracted(model: ReidModel, dataset: Artifact, *, device: torch.device, reporter: Reporter) -> _Features:
    frame_start = dataset.read("frame_start")
    pooled, embedding = [], []
    with reporter.task("extract", total=len(frame_start) - 1, unit="samples") as advance:
        for _, pooled_block, embedding_block in extract(
            model,
            dataset.rows("images"),
            frame_start,
            device=device,
        ):
            pooled.append(pooled_block)
            embedding.append(embedding_block)
            advance(len(pooled_block), "")
    return _Features(np.concatenate(pooled), np.concatenate(embedding))


def _row(iteration: int, features: _Features, truth: _Truth, *, labels: Int64Array | None, loss: float | None) -> Row:
    is_train = truth.split == TRAIN
    retrieval = retrieval_by_split(features.pooled, split=truth.split, pid=truth.pid, camid=truth.camid)
    metrics = {"rank1": _known(retrieval.rank(1)), "rank5": _known(retrieval.rank(5)), "mAP": _known(retrieval.mAP)}
    if labels is None:
        return Row(iteration, None, None, loss, **metrics, ari=None)
    kept = labels != UNRELIABLE
    agreement = measure_agreement(labels[kept], truth.pid[is_train][kept], truth.camid[is_train][kept])
    return Row(iteration, int(labels.max()) + 1, int(kept.sum()), loss, **metrics, ari=_known(agreement.ari))


def _known(value: float) -> float | None:
    return None if math.isnan(value) else value
