"""The model of a stage that is not trained: that of the stage before, handed on without reading it or torch."""

from __future__ import annotations

import numpy as np

from schemas.summaries import ModelSummary
from stages.nn.initial_agreement import WEIGHTS
from stages.runs.making import Computed
from stages.runs.run_directory import clusters_manifest, model_manifest
from stages.runs.store import Writer
from stages.samples import TRAIN
from stages.train.parents import Parents


def hand_on(writer: Writer, parents: Parents, *, stage: int) -> Computed:
    """Write the model of `stage`: the weights of the one before, linked where that can be, and a table (K, e) of zeros.

    What ran, for the manifest, is what made these weights.
    """
    before, manifest = parents.model, model_manifest(parents.model)
    if parents.clusters is None:
        n_samples = int((parents.dataset.read("split") == TRAIN).sum())
        n_clusters = int(parents.known_classes(n_samples).max()) + 1
    else:
        n_clusters = clusters_manifest(parents.clusters).summary.n_clusters
    embedding_dim, _ = manifest.arrays["head/linear.weight"].shape
    writer.take(before, (name for name in before.names() if name.startswith(WEIGHTS)))
    writer.array("memory", np.zeros((n_clusters, embedding_dim), dtype=np.float32))
    for name in ("loss", "accuracy"):
        writer.array(name, np.empty(0, dtype=np.float32))
    summary = ModelSummary(
        stage=stage,
        backbone=manifest.summary.backbone,
        n_parameters=manifest.summary.n_parameters,
        n_clusters=n_clusters,
        n_steps=0,
        epochs=0,
    )
    return Computed(summary, manifest.execution)
