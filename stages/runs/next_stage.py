"""What comes next: the stage a command works on when it is not told, and the command that moves a run on."""

from __future__ import annotations

from collections.abc import Mapping

from schemas.stage_names import INIT_STAGE, stage_label
from stages.arguments import require_kind
from stages.errors import DbcError, UsageError
from stages.runs.context import Context
from stages.runs.descent import stages_now
from stages.runs.lineage import before_review
from stages.runs.run_directory import RunDirectory, clusters_manifest, require_stage


def newest_trained(run: RunDirectory) -> int:
    """The newest stage with a model of now; `INIT_STAGE` where nothing has been trained."""
    return max(stages_now(run, "model"), default=INIT_STAGE)


def next_merge(run: RunDirectory) -> int:
    """The stage whose clusters to make: the one after the newest trained stage, so that a repeated call is up to date."""
    return max(newest_trained(run), 0) + 1


def last_merge_stage(run: RunDirectory) -> int:
    """The stage of a merge that ends a run: after every stage that has a model, or clusters that do not end one."""
    # corrected by answers, they end the run as they did before
    made_as = {stage: clusters_manifest(before_review(run, stage)).parameters for stage in run.stages("clusters")}
    merged = [stage for stage, parameters in made_as.items() if not parameters.ends_run]
    return max([*run.stages("model"), *merged, 0]) + 1


def next_train(run: RunDirectory) -> int:
    """The stage to train: the first untrained one that has clusters, else the newest trained one, else 0."""
    trained = newest_trained(run)
    waiting = _waiting(run)
    return waiting[0] if waiting else max(trained, 0)


def _waiting(run: RunDirectory) -> list[int]:
    """The stages, ascending, whose clusters nothing was trained on yet; not those that end a run."""
    trained = newest_trained(run)
    later = [stage for stage in stages_now(run, "clusters") if stage > trained]
    return [stage for stage in later if not _ends_run(run, stage)]


def _ends_run(run: RunDirectory, stage: int) -> bool:
    return clusters_manifest(run.require("clusters", stage)).parameters.ends_run


def next_evaluate(run: RunDirectory) -> int:
    """The stage to evaluate: the newest that has features or clusters of now."""
    return max([*stages_now(run, "features"), *stages_now(run, "clusters")], default=INIT_STAGE)


def require_call(
    run: object, stage: object, parameters: object, kind: type, context: object, *, makes_run: bool = False
) -> None:
    """Raise an error of one line unless a step is called with a run, a stage, parameters of its `kind` and a context.

    The command line gives nothing else, but Python may. DbcError if the run is not there, unless the step `makes_run`.
    """
    if stage is not None:
        require_stage(stage)
    if kind is Mapping:
        require_kind("overrides", parameters, kind, give="such as {'recipe': 'tuned'}")
    else:
        require_kind("parameters", parameters, kind)
    require_run(run, context, makes_run=makes_run)


def require_run(run: object, context: object, *, makes_run: bool = False) -> None:
    """Raise an error of one line unless a function is called with a run and a context; `makes_run` as in `require_call`."""
    require_kind("run", run, RunDirectory, give="`RunDirectory(path)`")
    require_kind("context", context, Context, give="`Context(…)` of `stages.runs.context`")
    if not makes_run and isinstance(run, RunDirectory) and not run.root.is_dir():
        raise DbcError(f"no run found at {run.root}; make one with `ingest`")


def numbered(stage: int, *, command: str, first: int) -> int:
    """`stage` if `command` can work on it; UsageError if it is below `first`."""
    if stage < first:
        raise UsageError(f"`stage` must be at least {first} in {command}, got {stage_label(stage)}")
    return stage


def next_command(run: RunDirectory) -> str:
    """The command that moves the run on by one artifact."""
    if not run.versions("dataset"):
        return "dbc ingest SOURCE"
    trained = newest_trained(run)
    waiting = _waiting(run)
    if waiting:
        return f"dbc train --stage {waiting[0]}"
    if trained not in stages_now(run, "features"):
        return "dbc extract"
    return "dbc train --stage 0" if trained == INIT_STAGE else "dbc merge"
