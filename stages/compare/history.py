"""What the stages of one run gave, read from its newest metrics."""

from __future__ import annotations

from schemas.manifest import MetricsManifest
from stages.compare.cells import RETRIEVAL_METRICS, Metrics
from stages.errors import DbcError
from stages.runs.lineage import parent_of
from stages.runs.run_directory import RunDirectory, metrics_manifest, model_manifest


def history(run: RunDirectory) -> list[Metrics]:
    """The metrics of every stage with metrics, in order; DbcError if there is none."""
    stages = run.stages("metrics")
    if not stages:
        raise DbcError(f"{run.root}: no metrics found; make them with: dbc eval, or dbc run")
    return [_metrics(run, metrics_manifest(run.require("metrics", stage))) for stage in stages]


def _metrics(run: RunDirectory, metrics: MetricsManifest) -> Metrics:
    summary = metrics.summary
    return {
        "stage": summary.stage,
        "n_clusters": summary.n_clusters,
        **{name: getattr(summary, name) for name in RETRIEVAL_METRICS},
        "ari": summary.ari,
        "loss": _loss(run, metrics),
    }


def _loss(run: RunDirectory, metrics: MetricsManifest) -> float | None:
    """The last loss of the model whose features were measured, None if it was not trained at that stage."""
    stage = metrics.summary.stage
    features = next((parent for parent in metrics.parents if parent.kind == "features"), None)
    if features is None or metrics.summary.features_stage != stage:
        return None
    model = parent_of(run.resolve(features), "model")
    return None if model is None else model_manifest(run.resolve(model)).summary.loss_last
