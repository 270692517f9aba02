"""`dbc merge`: clusters of a stage."""

from __future__ import annotations

from dbc_cli.by_recipe import merge_parameters
from dbc_cli.command import Given, with_flags
from dbc_cli.flags.flag import pins, stage_flag
from dbc_cli.flags.tables import COMMON, MAKING


@with_flags(
    "merge",
    stage_flag("1, 2, 3, …", "the one after the newest with a model"),
    COMMON,
    MAKING,
    pins("features", "clusters"),
)
def merge(given: Given) -> None:
    """Merge the clusters that the dispersion criterion ranks closest.

    Reads the features of the stage before and, with --start previous, its clusters; writes the clusters of this one:
    labels, the merges with D, d_ab, d_a and d_b, and the dendrogram so far.
    """
    from dbc_cli.outcome import show_outcome
    from stages.errors import UsageError
    from stages.merge.stage import merge as run_merge

    parameters, run = merge_parameters(given), given.run_directory
    if given["pin_clusters"] is not None and parameters.start == "singletons":
        raise UsageError(
            f"--clusters: found {given['pin_clusters']} with --start singletons, which takes no clusters; leave it out or "
            "give --start previous"
        )
    outcome = run_merge(
        run,
        stage=given.stage,
        parameters=parameters,
        context=given.context(),
    )
    given.remember()
    show_outcome(outcome, as_json=given.flag("json"))
