"""`dbc train`: the embedding against the clusters of a stage."""

from __future__ import annotations

from dbc_cli.by_recipe import asked_constraints, initial_by_recipe, tell_of_another_pooling
from dbc_cli.command import Given, command
from dbc_cli.flags.flag import TRAINING, in_panel, pins, stage_flag
from dbc_cli.flags.tables import COMMON, CONSTRAINTS, DEVICE, MAKING, SEED, WHITEN
from dbc_cli.flags.training import AMP, COMPILE, INITIAL, RUNNING, SUPERVISED, TRAIN
from dbc_cli.idle import tell_of_idle, tell_of_unused
from dbc_cli.outcome import show_outcome


@command(
    "train",
    stage_flag("0, 1, 2, …", "the first with clusters after the newest model, else that of this model, or 0"),
    COMMON,
    MAKING,
    pins("dataset", "clusters", "model", "features"),
    order=40,
    configurable=(
        *(*TRAIN, *SUPERVISED, *in_panel(TRAINING, WHITEN), *CONSTRAINTS),
        *(*INITIAL, *SEED, *AMP, *COMPILE, *DEVICE, *RUNNING),
    ),
    tables=("train",),
    works=True,
)
def train(given: Given) -> None:
    """Train the embedding with the repelled loss, eq. (1).

    At stage 0 every sample is its own class. A later stage trains on its clusters, from the weights of the previous stage.
    With --supervised, stage 0 learns the identities of the train split: for a labelled set that other runs start from.
    """
    from stages.runs.next_stage import next_train
    from stages.runs.run_directory import model_manifest
    from stages.train.stage import train as run_train

    tell_of_idle(given, {"loss": "repelled", "exclusive": False, **given.values})
    tell_of_another_pooling(given)
    if (next_train(given.run_directory) if given.stage is None else given.stage) == 0:
        of_clusters = ("memory_init", "silhouette_above", "whiten", "restart")
        tell_of_unused(given, dict.fromkeys(of_clusters, "a later stage, which has clusters"))
    outcome = run_train(
        given.run_directory,
        stage=given.stage,
        overrides=given.fields_of((*TRAIN, *SUPERVISED, *in_panel(TRAINING, WHITEN), *SEED, *AMP)),
        initial=initial_by_recipe(given),
        constraints=asked_constraints(given),
        context=given.context(),
    )
    given.remember()
    if outcome.artifact is not None and not model_manifest(outcome.artifact).summary.n_steps:
        why = "--epochs is 0" if given["epochs"] == 0 else "clusters are still small"
        given.note(f"not trained, because {why}: the weights are those of the stage before")
    show_outcome(outcome, given)
