"""`dbc eval`: retrieval figures and cluster measures."""

from __future__ import annotations

from dbc_cli.by_recipe import evaluate_parameters
from dbc_cli.command import Given, with_flags
from dbc_cli.flags.flag import pins, stage_flag
from dbc_cli.flags.tables import COMMON, MAKING


@with_flags(
    "eval",
    stage_flag("init, 0, 1, 2, …", "the newest with features or clusters"),
    COMMON,
    MAKING,
    pins("features", "clusters"),
)
def evaluate(given: Given) -> None:
    """Evaluate a stage: CMC, mAP and mINP of retrieval, and clusters against identities.

    The one command that reads identities. Without them it gives what needs none, and says so.
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
