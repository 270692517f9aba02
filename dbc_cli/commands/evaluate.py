"""`dbc eval`: retrieval figures and cluster measures."""

from __future__ import annotations

from dbc_cli.by_recipe import evaluate_parameters
from dbc_cli.command import Given, command
from dbc_cli.flags.flag import EVALUATION, in_panel, pins, stage_flag
from dbc_cli.flags.tables import CAMERA, COMMON, DEVICE, EVALUATE, MAKING, WHITEN
from dbc_cli.flags.training import RECIPE


@command(
    "eval",
    stage_flag("init, 0, 1, 2, …", "the newest with features or clusters"),
    COMMON,
    MAKING,
    pins("features", "clusters"),
    order=50,
    configurable=(*EVALUATE, *in_panel(EVALUATION, (*WHITEN, *CAMERA)), *RECIPE, *DEVICE),
    tables=("eval",),
)
def evaluate(given: Given) -> None:
    """Evaluate a stage: CMC, mAP and mINP of retrieval, and clusters against identities.

    Identities are read to evaluate and to report, never to merge or train. Without them, the measures that need none are
    computed, and a note says so.
    """
    from dbc_cli.outcome import show_outcome
    from stages.evaluate.stage import evaluate as run_evaluate

    outcome = run_evaluate(
        given.run_directory,
        stage=given.stage,
        parameters=evaluate_parameters(given),
        context=given.context(),
    )
    given.remember()
    show_outcome(outcome, as_json=given.flag("json"))
