"""`dbc plot`: the curves of a run."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from dbc_cli.command import Given, command
from dbc_cli.comparison import pictures_may_be_replaced, require_pictures
from dbc_cli.flags.flag import OUTPUT, Flag, pins
from dbc_cli.flags.tables import COMMON, OVERWRITE
from dbc_cli.problems import in_flags
from schemas.stage_names import json_stage
from stages.errors import DbcError

if TYPE_CHECKING:
    from stages.loop.choice.measures import StageMeasures

OUT = (Flag("out", Path, "Folder for the pictures.", "RUN/plots", OUTPUT, "DIR"),)


@command("plot", COMMON, OUT, OVERWRITE, pins("dataset"), order=100)
def plot(given: Given) -> None:
    """Draw the curves of a run as PNG and SVG: retrieval, ARI, clusters and loss by stage, and ARI by number of clusters.

    A ring marks the stage that dbc select chooses. Pictures in RUN/plots are drawn again; others need --overwrite.
    """
    from stages.compare.history import (
        evaluated_otherwise,
        evaluations,
        history,
        not_measured,
        of_other_clusters,
        shown_of_several,
    )
    from stages.compare.plots.panels import save
    from stages.compare.plots.sheets import run_sheet
    from stages.loop.choice.choose import choose
    from stages.loop.choice.stage import Compared, measured

    folder = require_pictures(given, ["run"])
    reporter = given.reporter
    run = given.clustered_run
    measures: list[StageMeasures] = []
    try:
        measures = measured(run, Compared(reporter=reporter))
    except DbcError as error:
        # figures are there all the same
        reporter.warn(f"no stage is chosen, because not all can be measured: {error}")
    chosen, merged = choose(measures) if measures else None, [stage for stage in measures if stage.stage > 0]
    silhouettes = {stage.stage: stage.known("cluster_silhouette") for stage in merged}
    stages = [{**figures, "cluster_silhouette": silhouettes.get(figures["stage"])} for figures in history(run)]
    shown, title = evaluations(run, reporter), run.root.name
    if warning := evaluated_otherwise(shown):
        reporter.warn(warning)
        title += f"\n{in_flags(warning).partition(';')[0]}"
    elif note := shown_of_several(run, shown):
        reporter.note(note)
    if note := not_measured(run, shown):
        given.note(note)
    for told in of_other_clusters(run, shown):
        reporter.warn(told)
        title += f"\n{told}"
    sheet = run_sheet(stages, title=title, chosen=chosen)
    written = save(sheet, folder / "run", overwrite=pictures_may_be_replaced(given))
    given.remember(only_read=True)
    fields = {
        "run": run.root.as_posix(),
        "stages": len(stages),
        "last_stage": json_stage(stages[-1]["stage"]),
        "chosen": json_stage(chosen),
        "pictures": [path.as_posix() for path in written],
    }
    given.show(fields, title="pictures")
