"""What the stages of one run gave, read from its newest metrics."""

from __future__ import annotations

from collections.abc import Sequence

from schemas.manifest import MetricsManifest
from schemas.parameters import EvaluateParameters
from stages.compare.cells import RETRIEVAL_METRICS, Metrics
from stages.errors import DbcError
from stages.runs.lineage import parent_of
from stages.runs.run_directory import RunDirectory, metrics_manifest, model_manifest


def history(run: RunDirectory) -> list[Metrics]:
    """The metrics of every stage with metrics, in order; DbcError if there is none."""
    return [_metrics(run, metrics) for metrics in evaluations(run)]


def evaluations(run: RunDirectory) -> list[MetricsManifest]:
    """The newest metrics of every stage that has some, in order; DbcError if there is none."""
    stages = run.stages("metrics")
    if not stages:
        raise DbcError(f"{run.root}: no metrics found; make them with: dbc eval, or dbc run")
    return [metrics_manifest(run.require("metrics", stage)) for stage in stages]


def evaluated_otherwise(parameters: Sequence[EvaluateParameters]) -> str | None:
    """A warning if stages were evaluated by different `parameters`, so that a curve of them misleads; else None."""
    names = {"ids_digest": "ids"}
    different = [
        f"`{names.get(name, name)}`"
        for name in EvaluateParameters.model_fields
        if len({str(getattr(each, name)) for each in parameters}) > 1
    ]
    if not different:
        return None
    return (
        f"stages were evaluated with different {', '.join(different)}: do not compare their figures; dbc eval with the same "
        "for each stage makes them comparable"
    )


def _metrics(run: RunDirectory, metrics: MetricsManifest) -> Metrics:
    summary = metrics.summary
    return {
        "stage": summary.stage,
        "n_clusters": summary.n_clusters,
        **{name: getattr(summary, name) for name in RETRIEVAL_METRICS},
        "ari": summary.ari,
        "loss": loss_of(run, metrics),
    }


def loss_of(run: RunDirectory, metrics: MetricsManifest) -> float | None:
    """The last loss of the model whose features were measured, None if it was not trained at that stage."""
    stage = metrics.summary.stage
    features = next((parent for parent in metrics.parents if parent.kind == "features"), None)
    if features is None or metrics.summary.features_stage != stage:
        return None
    model = parent_of(run.resolve(features), "model")
    return None if model is None else model_manifest(run.resolve(model)).summary.loss_last
