"""Which stage is exported if none is named."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress

from schemas.stage_names import stage_label
from stages.errors import DbcError, MemoryLimitError, UsageError
from stages.loop.choice.choose import choose, choose_clusters
from stages.loop.choice.stage import Compared, measured
from stages.reporting import SILENT, Reporter
from stages.runs.descent import clusters_now
from stages.runs.ending import made_last
from stages.runs.lineage import features_and_dataset
from stages.runs.run_directory import RunDirectory
from stages.wording import so_many


def stage_to_show(run: RunDirectory, stage: int | None, reporter: Reporter) -> int:
    """`stage`, or by default that of the clusters made last if answers corrected them, or the stage with clusters that is
    chosen without identities, else the newest.

    DbcError if the run has no clusters, UsageError if `stage` comes before the first merge.
    """
    if not run.stages("clusters"):
        raise DbcError(f"{run.root}: no clusters found; make them with: dbc run, or dbc merge")
    if stage is not None:
        if stage < 1:
            raise UsageError(f"`stage` must be at least 1, the first with clusters, got {max(stage, 0)}")
        return stage
    merged = clusters_now(run, reporter)
    if len(merged) == 1:
        return merged[0]
    last = taken_unasked(run, merged)
    if last is not None:
        reporter.note(f"stage {last[0]} is taken, {last[1]}; another with `stage`")
        return last[0]
    with naming_a_whole_stage(run, merged, "or name a stage that is whole: `stage={}`"):
        measures = measured(run, Compared(reporter=reporter))
    chosen, best = choose_clusters(measures), choose(measures)
    if chosen is None:
        told = f"stage {merged[-1]} is taken, the newest, because none can be chosen"
    elif chosen == best or best is None:
        told = f"stage {chosen} is taken, as dbc select chooses"
    else:
        told = f"stage {chosen} is taken, the best with clusters: dbc select chooses stage {stage_label(best)}, before a merge"
    reporter.note(f"{told}; another with `stage`")
    return merged[-1] if chosen is None else chosen


@contextmanager
def naming_a_whole_stage(run: RunDirectory, merged: Sequence[int], advice: str) -> Iterator[None]:
    """Let a DbcError end with `advice`, with the newest of the stages `merged` that is whole; not one of too little memory."""
    try:
        yield
    except MemoryLimitError:
        raise
    except DbcError as error:
        whole = _whole_stage(run, merged)
        told = "" if whole is None else f"; {advice.format(whole)}"
        raise DbcError(f"{error}{told}") from error


def _whole_stage(run: RunDirectory, merged: Sequence[int]) -> int | None:
    """The newest of the stages `merged` that is whole, to be named where none can be chosen; None if there is none."""
    for stage in reversed(merged):
        with suppress(DbcError):
            features_and_dataset(run, stage, run.require("clusters", stage), SILENT)
            return stage
    return None


def taken_unasked(run: RunDirectory, merged: Sequence[int]) -> tuple[int, str] | None:
    """The stage of the clusters made last, of those `merged`, if commands take them whatever stage is chosen, and why."""
    last = made_last(run, merged)
    stage, made_as = last.summary.stage, last.parameters
    if made_as.start == "reviewed":
        return stage, "whose clusters were corrected by answers"
    # not the number asked for: what is known may leave others
    return (
        (stage, f"which ends the run with {so_many(last.summary.n_clusters, 'cluster')}") if made_as.ends_run else None
    )


def stage_to_search(run: RunDirectory, reporter: Reporter) -> int:
    """As `stage_to_show` without a stage; of a run without clusters the newest with features."""
    return stage_to_show(run, None, reporter) if run.stages("clusters") else max(run.stages("features"), default=0)
