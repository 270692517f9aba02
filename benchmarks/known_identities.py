"""A ceiling for runs without labels: the same network and budget, trained on the true identities instead of clusters."""

from __future__ import annotations

import numpy as np
import torch

from benchmarks.experiment_sets import DataSet, with_recipe
from stages.compare.cells import Metrics
from stages.evaluate.retrieval.metrics import retrieval_of
from stages.extract.camera_statistics import looked_for
from stages.extract.forward import compute_features
from stages.features.camera_finding import ByCamera
from stages.features.whitening import Whitening, fit_whitening, whitened
from stages.nn.camera_norm import CameraStatistics, by_camera
from stages.nn.initial_model import initial_model, open_model
from stages.nn.lookup_table import centroid_table
from stages.nn.model.network import ReidModel
from stages.runs.run_directory import model_manifest
from stages.runs.store import Artifact
from stages.samples import GALLERY, QUERY, TRAIN
from stages.train.images.frames import TrainSamples
from stages.train.images.sources import cached
from stages.train.loop import train
from stages.train.recipes import recipe_parameters
from stages.train.whitened import with_whitened_head
from stages.typing import Float32Array

RIDGE = 3.0
_CPU = torch.device("cpu")


def trained_on_identities(data: DataSet, *, seed: int) -> Metrics:
    """Rank-1 and mAP after the last stages of a tuned run, each with the classes that identity labels give.

    As many stages are trained as a run of the same merges trains. Features are extracted and measured as `tuned` does.
    """
    dataset = data.run.require("dataset")
    split, pid, camid = (dataset.read(name) for name in ("split", "pid", "camid"))
    train_index = np.flatnonzero(split == TRAIN)
    labels = np.unique(pid[train_index], return_inverse=True)[1].astype(np.int64)
    made = initial_model(data.run, with_recipe(data.plan, "tuned").initial)
    if made.artifact is None:
        raise RuntimeError("an initial model is made unless it is a dry run")
    model = open_model(made.artifact)
    images, frame_start = dataset.rows("images"), dataset.read("frame_start")
    pooled, statistics = _features(model, made.artifact, dataset)
    n_merges = int(data.plan.merge.merge_percent * len(labels))
    for stage in range(1, data.plan.last_stage + 1):
        # the tuned schedule looks at the mean size of the clusters, here that of the run's
        parameters = recipe_parameters(
            stage,
            n_samples=len(labels),
            n_clusters=len(labels) - stage * n_merges,
            backbone=str(data.plan.initial["backbone"]),
            pooling=model_manifest(made.artifact).initial.pooling,
            overrides={"seed": seed},
        )
        if not parameters.epochs:
            continue
        whitening = fit_whitening(pooled[train_index], ridge=RIDGE)
        network = with_whitened_head(model, whitening, dropout=parameters.dropout)
        table = centroid_table(whitened(pooled[train_index], whitening), labels)
        places = None if statistics is None else statistics.places(camid[train_index])
        one_each = np.ones(len(labels), dtype=np.int64)
        samples = TrainSamples(frame_start[train_index], one_each, labels, places=places)
        source, samples, _ = cached(images, samples, cache="auto", device=_CPU)
        with by_camera(model, statistics):
            train(network, table, source, samples, parameters=parameters, device=_CPU)
        pooled, statistics = _features(model, made.artifact, dataset)
    _, whitenings, _ = ByCamera(pooled[train_index], camid[train_index], _fit).find(metric=None, for_new=True)
    rows = pooled if whitenings is None else whitenings.of(pooled, camid)
    found = retrieval_of(rows[split == QUERY], rows[split == GALLERY], split=split, pid=pid, camid=camid)
    return {"rank1": found.rank(1), "mAP": found.mAP}


def _fit(rows: Float32Array, _camera: int | None) -> Whitening:
    return fit_whitening(rows, ridge=RIDGE)


def _features(model: ReidModel, weights: Artifact, dataset: Artifact) -> tuple[Float32Array, CameraStatistics | None]:
    """Pooled features of all samples, and the statistics of cameras that the first batch norm had."""
    statistics, _ = looked_for(model, weights, dataset, device=_CPU)
    places = None if statistics is None else statistics.places(dataset.read("camid"))
    images, frame_start = dataset.rows("images"), dataset.read("frame_start")
    with by_camera(model, statistics):
        pieces = compute_features(model, images, frame_start, flip=True, places=places, device=_CPU)
        return np.concatenate([pooled for _, pooled, _ in pieces]), statistics
