"""What the stages of one run gave, read from its newest metrics."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress

from schemas.manifest import AnyManifest, MetricsManifest
from schemas.parameters import EvaluateParameters
from schemas.rules import argument
from schemas.stage_names import stage_label
from stages.compare.cells import Metrics, as_metrics
from stages.errors import DbcError
from stages.reporting import SILENT, Reporter
from stages.runs.descent import metrics_now, named_stages, stages_now
from stages.runs.lineage import broken_chain, made_from
from stages.runs.run_directory import RunDirectory, metrics_manifest, model_manifest
from stages.runs.store import open_artifact


def history(run: RunDirectory) -> list[Metrics]:
    """The metrics of the stages of `evaluations`."""
    found = evaluations(run)
    return [as_metrics(each.summary, stage=each.summary.stage, loss=loss_of(run, each)) for each in found]


def evaluations(run: RunDirectory, reporter: Reporter = SILENT) -> list[MetricsManifest]:
    """Newest metrics of each stage in order, without those of an older chain (`metrics_now`); DbcError if there are none."""
    stages = metrics_now(run, reporter)
    if not stages:
        raise DbcError(f"{run.root}: no metrics found; make them with: dbc eval, or dbc run")
    return [metrics_manifest(run.require("metrics", stage)) for stage in stages]


def evaluated_otherwise(shown: Sequence[MetricsManifest]) -> str | None:
    """A warning if the metrics `shown` are by different parameters, so that a curve of them misleads; else None.

    Which identities were given is nothing to stages without figures by identities.
    """
    by_identities = [each for each in shown if each.summary.ari is not None or each.summary.mAP is not None]
    different = _different([each.parameters for each in shown])
    if "ids_digest" not in _different([each.parameters for each in by_identities]):
        different = [name for name in different if name != "ids_digest"]
    if not different:
        return None
    names = ", ".join("`ids`" if name == "ids_digest" else f"`{name}`" for name in different)
    return (
        f"stages were evaluated with different {names}: do not compare their figures; dbc eval with the same for each stage "
        "makes them comparable"
    )


def not_measured(run: RunDirectory, shown: Sequence[MetricsManifest]) -> str | None:
    """A note on stages that have features of now, and no figures of these, so that no curve has them; else None."""
    there = {*stages_now(run, "metrics"), *(each.summary.stage for each in shown)}
    left_out = [stage for stage in stages_now(run, "features") if stage not in there]
    if not left_out:
        return None
    loop = " ".join(map(stage_label, left_out))
    return (
        f"not drawn, as they have features and no figures: {named_stages(left_out)}; to measure them: "
        f"for s in {loop}; do dbc eval --stage $s || exit; done"
    )


def shown_of_several(run: RunDirectory, shown: Sequence[MetricsManifest]) -> str | None:
    """A note with the parameters of the metrics `shown`, if their stages also have metrics by other parameters; else None."""
    different: dict[str, None] = {}
    for metrics in shown:
        stage = metrics.summary.stage
        versions = [open_artifact(run.directory("metrics", stage), each) for each in run.versions("metrics", stage)]
        alike = [each for each in versions if _dataset(each.manifest) == _dataset(metrics)]
        different |= dict.fromkeys(_different([metrics_manifest(each).parameters for each in alike]))
    if not different:
        return None
    values = shown[-1].parameters
    told = [argument(name, getattr(values, name)) for name in different]
    return f"the figures of dbc eval with {', '.join(told)} are shown, as it was asked last"


def of_other_clusters(run: RunDirectory, shown: Sequence[MetricsManifest]) -> list[str]:
    """A line for each of the metrics `shown` whose features come from a model trained on other clusters of its stage."""
    told: list[str] = []
    for metrics in shown:
        parents = {parent.kind: parent for parent in metrics.parents}
        if {"features", "clusters"} <= parents.keys():
            # nothing is known of what is gone, and figures are shown without it
            with suppress(DbcError):
                features, clusters = (run.resolve(parents[kind]) for kind in ("features", "clusters"))
                told += broken_chain(run, features, clusters)
    return told


def _different(parameters: Sequence[EvaluateParameters]) -> list[str]:
    # `leave_one_out` follows the data set, and identities that `ids` gave
    names = [name for name in EvaluateParameters.model_fields if name != "leave_one_out"]
    return [name for name in names if len({str(getattr(each, name)) for each in parameters}) > 1]


def _dataset(metrics: AnyManifest) -> str | None:
    return next((parent.id for parent in metrics.parents if parent.kind == "dataset"), None)


def loss_of(run: RunDirectory, metrics: MetricsManifest) -> float | None:
    """The last loss of the model whose features were measured, None if it was not trained at that stage, or is gone."""
    stage = metrics.summary.stage
    features = next((parent for parent in metrics.parents if parent.kind == "features"), None)
    if features is None or metrics.summary.features_stage != stage:
        return None
    with suppress(DbcError):
        model = made_from(run, run.resolve(features), "model")
        return None if model is None else model_manifest(model).summary.loss_last
    return None
