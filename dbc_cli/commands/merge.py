"""`dbc merge`: clusters of a stage."""

from __future__ import annotations

from dbc_cli.by_recipe import (
    as_made_before,
    asked_constraints,
    asked_n_clusters,
    merge_parameters,
    tell_of_another_extraction,
    tell_of_another_merge,
    tell_of_another_recipe,
)
from dbc_cli.command import Given, command
from dbc_cli.flags.flag import MERGING, Flag, pins, stage_flag
from dbc_cli.flags.tables import CAMERA, COMMON, CONSTRAINTS, DEVICE, MAKING, MEMORY, MERGE, WHITEN
from dbc_cli.flags.training import RECIPE
from dbc_cli.idle import tell_of_idle, tell_of_unused
from dbc_cli.outcome import show_outcome
from stages.errors import UsageError

FROM_STAGE = (
    Flag(
        "from_stage",
        str,
        "The stage whose features are merged.",
        "the one before; with --n-clusters and without --stage the one that dbc select chooses",
        MERGING,
        "STAGE",
    ),
)


@command(
    "merge",
    stage_flag("1, 2, 3, …", "the one after the newest with a model"),
    FROM_STAGE,
    COMMON,
    MAKING,
    pins("dataset", "features", "clusters"),
    order=30,
    configurable=(*MERGE, *CONSTRAINTS, *WHITEN, *CAMERA, *RECIPE, *DEVICE, *MEMORY),
    tables=("merge",),
    works=True,
)
def merge(given: Given) -> None:
    """Merge the clusters with the smallest D = d_ab + λ (d_a + d_b).

    Reads the features of the previous stage and, with --start previous, its clusters. Writes the clusters of this stage:
    labels, the merges with D, d_ab, d_a and d_b, and the dendrogram so far. Pairs that --constraints calls the same join
    first, those that differ are never in one cluster.
    """
    from stages.merge.stage import merge as run_merge
    from stages.runs.lineage import before_review
    from stages.runs.next_stage import next_merge
    from stages.runs.run_directory import clusters_manifest

    parameters, run = merge_parameters(given), given.run_directory
    if given["pin_clusters"] is not None and parameters.start == "singletons":
        raise UsageError(
            f"--clusters {given['pin_clusters']} needs --start previous, got --start singletons, which reads no clusters; "
            "change one of them"
        )
    stage, from_stage = given.stage, given.stage_of("from_stage")
    if parameters.start == "reviewed":
        from stages.export.which_stage import stage_to_show

        tell_of_unused(given, dict.fromkeys(("merge_percent", "n_clusters"), "merges, and --start reviewed makes none"))
        run = given.clustered_run
        # those that dbc review shows
        stage = stage_to_show(run, stage, given.reporter)
        parameters = as_made_before(given, parameters, clusters_manifest(before_review(run, stage)).parameters)
    else:
        tell_of_another_recipe(given)
    tell_of_idle(given, dict(parameters))
    tell_of_another_extraction(given)
    # in config.toml it is for the end of dbc run, and not for each merge of a loop
    asked = None if "n_clusters" in given.configured else asked_n_clusters(given)
    if asked is not None and asked != "schedule" and parameters.clusterer == "dbc" and parameters.start != "reviewed":
        from stages.loop.last_clusters import asked_merge

        stage, last = asked_merge(run, parameters, asked, stage=stage, from_stage=from_stage, context=given.context())
        before = run.newest_up_to("clusters", stage - 1)
        # nothing reads it here, and dbc run has that of its stages in the key
        tell_of_unused(given, {"merge_percent": "no `n_clusters`"})
        percent = (parameters if before is None else clusters_manifest(before).parameters).merge_percent
        update = {"n_clusters": last.n_clusters, "merge_percent": percent}
        from_stage, parameters = last.from_stage, parameters.model_copy(update=update)
    tell_of_another_merge(given, run, next_merge(run) if stage is None else stage, parameters)
    outcome = run_merge(
        run,
        stage=stage,
        parameters=parameters,
        from_stage=from_stage,
        constraints=asked_constraints(given),
        context=given.context(),
    )
    given.remember()
    show_outcome(outcome, given)
