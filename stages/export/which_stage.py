"""Which stage is exported if none is named."""

from __future__ import annotations

from stages.errors import DbcError, UsageError
from stages.loop.choice.choose import choose
from stages.loop.choice.stage import Compared, measure_stage, measured_stages
from stages.reporting import Reporter
from stages.runs.run_directory import RunDirectory


def stage_to_show(run: RunDirectory, stage: int | None, reporter: Reporter) -> int:
    """`stage`, or by default the stage with clusters that is chosen without identities, else the newest.

    DbcError if the run has no clusters, UsageError if `stage` comes before the first merge.
    """
    merged = run.stages("clusters")
    if not merged:
        raise DbcError(f"{run.root}: no clusters found; make them with: dbc run, or dbc merge")
    if stage is not None:
        if stage < 1:
            raise UsageError(f"`stage` must be at least 1, the first with clusters, got {max(stage, 0)}")
        return stage
    if len(merged) == 1:
        return merged[0]
    compared = Compared(reporter=reporter)
    measures = [measure_stage(run, each, compared=compared) for each in measured_stages(run)]
    chosen = choose(measures)
    if chosen is None or chosen < 1:
        chosen = choose([each for each in measures if each.stage > 0])
    reporter.note(
        f"stage {chosen} is taken, as dbc select chooses; another with `stage`"
        if chosen is not None
        else f"stage {merged[-1]} is taken, the newest, because none can be chosen; another with `stage`"
    )
    return merged[-1] if chosen is None else chosen
