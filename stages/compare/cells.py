"""One compared run: a plan, run in a separate directory from a shared start, and its metrics."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass, field, replace
from multiprocessing import active_children, get_context, parent_process
from pathlib import Path
from threading import Thread
from typing import Any

from schemas.choices import OF_DISPERSIONS
from schemas.summaries import MetricsSummary
from stages.arrays.backend import n_cores
from stages.compare.sharing import common_start, share_start
from stages.loop.choice.choose import choose
from stages.loop.choice.rule import all_rules
from stages.loop.plan import Plan, check_plan
from stages.loop.run_stages import StageRow, run_stages
from stages.loop.watching import Watch
from stages.reporting import Silent
from stages.runs.context import Context
from stages.runs.run_directory import RunDirectory
from stages.runs.unreferenced import remove_whitenings

Metrics = dict[str, Any]
"""The metrics of a stage by name, as JSON holds them."""

RETRIEVAL_METRICS = ("rank1", "rank5", "rank10", "mAP")


@dataclass(frozen=True)
class Cell:
    """A run to compare: its directory under the given run, its plan, and what tells it from the others, by name.

    One that `begins_on_source` has to be given the network trained on another set.
    """

    name: str
    plan: Plan
    setting: Mapping[str, Any] = field(default_factory=dict)
    begins_on_source: bool = False


@dataclass(frozen=True)
class CellResult:
    """What a compared run gave: the metrics of its stages in order, and the stages chosen without identity labels.

    `chosen` is the choice of the default rule, `chosen_by` that of each rule by name; None if there is none.
    """

    name: str
    setting: Mapping[str, Any]
    stages: tuple[Metrics, ...]
    chosen: int | None
    chosen_by: Mapping[str, int | None]
    seconds: float


def unlike(cells: Sequence[Cell], *, n_cameras: int) -> list[str]:
    """Lines about what `cells` merge by that differs beside what their settings name, of a data set with `n_cameras`.

    A recipe decides on all of it, so of cells that name one there is no line.
    """
    named = {name for cell in cells for name in cell.setting}
    if "recipe" in named:
        return []
    merges = [dict(cell.plan.merge) for cell in cells if cell.plan.merge.clusterer == "dbc"]
    told = []
    for name in ("start", "update"):
        values = [*dict.fromkeys(merge[name] for merge in merges)]
        if len(values) > 1 and not named & {name, "variant", "method"}:
            told.append(f"`{name}` ({', '.join(values)})")
    lines = []
    if told:
        lines.append(
            f"these runs differ in {' and '.join(told)}, too: by recipe the criterion buc, and merges that are ranked once, "
            "go as published; give these flags, and all runs have them alike"
        )
    penalised = {merge["criterion"] in OF_DISPERSIONS for merge in merges if merge["camera"] == "auto"}
    if len(penalised) > 1 and n_cameras > 1:
        lines.append(
            "if features follow cameras, `camera='auto'` adds to D of pairs of one camera for the criterion dbc alone; "
            "`camera='ignored'` compares criteria without"
        )
    return lines


def run_cell(parent: RunDirectory, cell: Cell, *, context: Context) -> CellResult:
    """The metrics of `cell`, run in the directory `parent.root / cell.name`; artifacts that are up to date are kept."""
    started = time.perf_counter()
    start, plan = common_start(parent, cell.plan, context=context)
    run = share_start(start, RunDirectory(parent.root / cell.name), plan)
    stages: list[Metrics] = []
    watch = Watch(context)

    def on_row(row: StageRow) -> None:
        watch(row)
        stages.append(curve_point(row))

    run_stages(run, plan, context=context, on_row=on_row, ending=watch.last_merge)
    # stages before the first merge are measured with it
    measured = {measures.stage: measures for measures in watch.measures}
    for metrics in stages:
        stage = metrics["stage"]
        names = () if stage not in measured else ("cluster_silhouette", "separation") if stage > 0 else ("separation",)
        metrics |= {name: measured[stage].known(name) for name in names}
    chosen_by = {rule: choose(watch.measures, rule=rule) for rule in all_rules()}
    remove_whitenings(run.root)
    seconds = round(time.perf_counter() - started, 2)
    return CellResult(cell.name, cell.setting, tuple(stages), choose(watch.measures), chosen_by, seconds)


def run_cells(
    parent: RunDirectory,
    cells: Sequence[Cell],
    *,
    context: Context,
    n_jobs: int = 1,
    on_done: Callable[[CellResult], None],
) -> list[CellResult]:
    """The results of `cells` in their order, `n_jobs` at a time; `on_done` is called with each as it ends.

    Starts that cells share are made first, one after the other. More than one process share the cores.
    """
    for cell in cells:
        check_plan(parent, cell.plan)
    for cell in cells:
        common_start(parent, cell.plan, context=context)
    results: dict[str, CellResult] = {}
    if n_jobs <= 1:
        for cell in cells:
            results[cell.name] = run_cell(parent, cell, context=context)
            on_done(results[cell.name])
        return [results[cell.name] for cell in cells]
    alone = replace(context, reporter=Silent())
    n_threads = max(1, n_cores() // n_jobs)
    with ProcessPoolExecutor(n_jobs, get_context("spawn"), _share_cores, (n_threads,)) as executor:
        waiting = [executor.submit(_run_alone, parent.root, dict(parent.pinned), cell, alone) for cell in cells]
        try:
            for future in as_completed(waiting):
                result = future.result()
                results[result.name] = result
                on_done(result)
        except BaseException as error:
            if not isinstance(error, Exception):
                # interrupted: else all cells would still be run, and waited for
                executor.shutdown(wait=False, cancel_futures=True)
                for worker in active_children():
                    worker.terminate()
            raise
    return [results[cell.name] for cell in cells]


def curve_point(row: StageRow) -> Metrics:
    """The metrics of a stage that tables and curves show; None if the data cannot give them."""
    model = row.model.summary
    own_model = model.stage == row.stage
    return as_metrics(row.metrics.summary, stage=row.stage, loss=model.loss_last if own_model else None)


def as_metrics(metrics: MetricsSummary, *, stage: int, loss: float | None = None) -> Metrics:
    """Figures of one evaluation, with the `loss` of training if it is known."""
    return {
        "stage": stage,
        "n_clusters": metrics.n_clusters,
        "largest_share": _largest_share({int(size): count for size, count in metrics.cluster_sizes.items()}),
        "n_identities": metrics.n_identities,
        **{name: getattr(metrics, name) for name in RETRIEVAL_METRICS},
        "ari": metrics.ari,
        "nmi": metrics.nmi,
        "same_camera_merges": metrics.same_camera_merges,
        "loss": loss,
        "silhouette": metrics.silhouette,
    }


def _largest_share(n_of_size: Mapping[int, int]) -> float:
    """The share of the samples that the largest cluster holds, of clusters by their size; 0 without any."""
    n_samples = sum(size * n for size, n in n_of_size.items())
    return max(n_of_size, default=0) / max(n_samples, 1)


def _run_alone(root: Path, pinned: dict[Any, int], cell: Cell, context: Context) -> CellResult:
    return run_cell(RunDirectory(root, pinned), cell, context=context)


def _share_cores(n_threads: int) -> None:
    Thread(target=_end_with_parent, daemon=True).start()
    import torch

    torch.set_num_threads(n_threads)


def _end_with_parent() -> None:
    """End this process if its parent is killed: it would wait for work from its siblings, which hold the queue open, too."""
    started_by = parent_process()
    if started_by is not None:
        started_by.join()
        os._exit(1)
