"""`dbc eval`: retrieval figures and cluster measures."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dbc_cli.by_recipe import evaluate_parameters, tell_of_another_recipe
from dbc_cli.command import Given, command
from dbc_cli.console import show
from dbc_cli.flags.flag import EVALUATION, Flag, in_panel, pins, stage_flag
from dbc_cli.flags.tables import CAMERA, COMMON, DEVICE, EVALUATE, MAKING, WHITEN
from dbc_cli.flags.training import RECIPE
from dbc_cli.idle import tell_of_idle, tell_of_unused
from dbc_cli.outcome import show_outcome, table_fields
from schemas.stage_names import stage_label

IDS = (
    Flag("ids", Path, "Table with the columns path and identity: identities known by now.", "", EVALUATION, "FILE"),
    Flag(
        "labels_are_clusters",
        bool,
        "Measure samples whose label the merge was told, too: its --labels were another program's clusters.",
        "",
        EVALUATION,
    ),
)


@command(
    "eval",
    stage_flag("init, 0, 1, 2, …", "the newest with features or clusters"),
    COMMON,
    MAKING,
    IDS,
    pins("dataset", "features", "clusters"),
    order=50,
    configurable=(*EVALUATE, *in_panel(EVALUATION, (*WHITEN, *CAMERA)), *RECIPE, *DEVICE),
    tables=("eval",),
    works=True,
)
def evaluate(given: Given) -> None:
    """Evaluate a stage: CMC, mAP and mINP of retrieval, and clusters against identities.

    Identities are read to evaluate and to report, never to merge or train. Without them, the measures that need none are
    computed, and a note says so. `--ids` gives them afterwards. The silhouette is in squared Euclidean distance, as
    scikit-learn computes it with metric="sqeuclidean".
    """
    from stages.evaluate.stage import evaluate as run_evaluate

    parameters = evaluate_parameters(given)
    tell_of_idle(given, dict(parameters))
    if given["camera"] in ("centring", "penalty"):
        tell_of_unused(given, {"camera": "merges; features are evaluated as with --camera ignored"})
    tell_of_another_recipe(given)
    looks_at_clusters = given.stage is None or given.stage > 0
    outcome = run_evaluate(
        given.clustered_run if looks_at_clusters else given.run_directory,
        stage=given.stage,
        parameters=parameters,
        ids=given["ids"],
        labels_are_clusters=given.flag("labels_are_clusters"),
        context=given.context(),
    )
    given.remember()
    if given.flag("json"):
        show_outcome(outcome, given)
        return
    show(_as_table(table_fields(outcome)), title=f"metrics of stage {stage_label(outcome.stage)}")


def _as_table(fields: Mapping[str, Any]) -> dict[str, Any]:
    """The figures there are, without notes, which are on stderr; sizes of clusters as count × size."""
    told = {name: value for name, value in fields.items() if value is not None and name != "notes"}
    if "cluster_sizes" in told:
        told["cluster_sizes"] = ", ".join(f"{n} × {size}" for size, n in told["cluster_sizes"].items())
    if not told.get("n_queries"):
        told = {
            name: value for name, value in told.items() if name not in ("n_queries", "n_queries_left_out", "n_gallery")
        }
    return told
