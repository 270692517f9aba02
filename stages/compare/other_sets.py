"""Methods that learn from another set, as runs to compare with others."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

from schemas.recipes import ANOTHER_SET
from schemas.stage_names import INIT_STAGE
from stages.compare.baselines.another_set import INITIAL, METHODS, Measured, Options, OtherSet, start_from, trained_on
from stages.compare.cells import Cell, CellResult, as_metrics
from stages.errors import UsageError
from stages.reporting import Reporter
from stages.runs.context import Context
from stages.runs.kept_source import digest_of_file, read_source
from stages.runs.run_directory import RunDirectory


def begun_on(source: OtherSet, cell: Cell, options: Options, *, context: Context) -> Cell:
    """`cell`; if it begins on `source`, from the network trained there on its identities, with the seed of `options`."""
    if not cell.begins_on_source:
        return cell
    begun = start_from(trained_on(source, options, context=context))
    return replace(cell, plan=replace(cell.plan, initial={**cell.plan.initial, **begun}))


def require_another_set(run: RunDirectory, source: RunDirectory, reporter: Reporter) -> None:
    """Raise UsageError if `source` has the data set of `run`, whose identities nothing may learn; warn of shared pictures."""
    found = [each.find("dataset") for each in (run, source)]
    datasets = [dataset for dataset in found if dataset is not None]
    if len({dataset.manifest.id for dataset in datasets}) < len(datasets):
        raise UsageError(
            f"`source_run` must be a run of another set, got {source.root}, which has the pictures of {run.root}; name another"
        )
    kept = [read_source(dataset) for dataset in datasets]
    files = [{digest_of_file(digest) for digest in each.digests} - {""} for each in kept if each is not None]
    if len(files) == 2 and files[0] & files[1]:
        reporter.warn(
            f"pictures of `source_run={source.root.as_posix()!r}` that are in this run, too, so that identities of its own "
            f"pictures are learnt: {len(files[0] & files[1])}"
        )


def told_of(name: str) -> str:
    """What the method `name` is told beside pictures, as tables say it."""
    return f"{ANOTHER_SET} and its attributes" if name == "tj-aidl" else ANOTHER_SET


def compared(run: RunDirectory, name: str, source: OtherSet, options: Options, *, context: Context) -> list[CellResult]:
    """What the method `name` gives, as a run to compare: the figures of stage init, if it has them, and as stage 0 its own."""
    started = time.perf_counter()
    by_run: dict[Path, list[Measured]] = {}
    for each in METHODS[name](run, source, options, context=context):
        by_run.setdefault(each.run.root, []).append(each)
    seconds = round(time.perf_counter() - started, 2)
    return [
        CellResult(
            root.relative_to(run.root).as_posix(),
            {"method": found[-1].features, "knows": told_of(name), "seed": options.seed},
            tuple(as_metrics(each.figures, stage=INIT_STAGE if each.features == INITIAL else 0) for each in found),
            chosen=None,
            chosen_by={},
            seconds=seconds,
        )
        for root, found in by_run.items()
    ]
