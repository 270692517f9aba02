"""`dbc train`: the embedding against the clusters of a stage."""

from __future__ import annotations

from dbc_cli.command import Given, with_flags
from dbc_cli.flags import AMP, COMMON, INITIAL, MAKING, SEED, STAGE, TRAIN, pins


@with_flags("train", STAGE, COMMON, MAKING, pins("dataset", "clusters", "model", "features"))
def train(given: Given) -> None:
    """Train the embedding with the repelled loss.

    At stage 0 every sample is its own class; later stages train on their clusters, from the weights of the stage before.
    """
    from dbc_cli.console import RichReporter
    from dbc_cli.outcome import show_outcome
    from stages.train.stage import train as run_train

    outcome = run_train(
        given.run_directory,
        stage=given.stage,
        wanted=given.only((*TRAIN, *SEED, *AMP)),
        initial=given.only((*INITIAL, *SEED)),
        device=given.get("device", "auto"),
        how=given.how,
        reporter=RichReporter(),
    )
    given.remember()
    show_outcome(outcome, as_json=given.flag("json"))
