"""Methods that learn from another set, as runs to compare with others."""

from __future__ import annotations

import time
from pathlib import Path

from schemas.stage_names import INIT_STAGE
from stages.compare.baselines.another_set import INITIAL, METHODS, Measured, Options, Source
from stages.compare.cells import CellResult, figures_of
from stages.runs.context import Context
from stages.runs.run_directory import RunDirectory


def compared(run: RunDirectory, name: str, source: Source, options: Options, *, context: Context) -> list[CellResult]:
    """What the method `name` gives, as a run to compare: the figures of stage init, if it has them, and as stage 0 its own."""
    started = time.perf_counter()
    knows = "a labelled other set and its attributes" if name == "tj-aidl" else "a labelled other set"
    by_run: dict[Path, list[Measured]] = {}
    for each in METHODS[name](run, source, options, context=context):
        by_run.setdefault(each.run.root, []).append(each)
    seconds = round(time.perf_counter() - started, 2)
    return [
        CellResult(
            root.relative_to(run.root).as_posix(),
            {"method": found[-1].features, "knows": knows, "seed": options.seed},
            tuple(figures_of(each.figures, stage=INIT_STAGE if each.features == INITIAL else 0) for each in found),
            chosen=None,
            chosen_by={},
            seconds=seconds,
        )
        for root, found in by_run.items()
    ]
