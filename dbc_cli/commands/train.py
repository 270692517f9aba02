"""`dbc train`: the embedding against the clusters of a stage."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dbc_cli.command import Given, initial_fields, with_flags
from dbc_cli.flags.flag import pins, stage_flag
from dbc_cli.flags.tables import COMMON, MAKING, SEED, WHITEN
from dbc_cli.flags.training import AMP, TRAIN, TRAINING

if TYPE_CHECKING:
    from stages.train.compute import Running


@with_flags(
    "train",
    stage_flag("0, 1, 2, …", "the first with clusters after the newest model, else that of this model, or 0"),
    COMMON,
    MAKING,
    pins("dataset", "clusters", "model", "features"),
)
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
        wanted=given.only((*TRAIN, *WHITEN, *SEED, *AMP)),
        initial=initial_fields(given, SEED),
        device=given.get("device", "auto"),
        how=given.how,
        reporter=RichReporter(),
        running=running_of(given),
    )
    given.remember()
    show_outcome(outcome, as_json=given.flag("json"))


def running_of(given: Given) -> Running:
    """How training was asked to run, by `dbc train` or by `dbc run`."""
    from stages.errors import UsageError
    from stages.train.compute import Running

    every = given["checkpoint_every"]
    if every is not None and every < 1:
        raise UsageError(f"--checkpoint-every: found {every}, wanted a number of steps, at least 1")
    return Running(compiled=given.flag("compile"), **given.only(TRAINING))
