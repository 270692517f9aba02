"""Runs of an experiment whose figures are kept in a folder, so that the same call goes on where it stopped."""

from __future__ import annotations

import fcntl
import hashlib
import json
import shutil
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, replace
from multiprocessing import get_context
from pathlib import Path

from benchmarks.experiment_sets import DataSet
from stages.compare.cells import Cell, CellResult, run_cell
from stages.compare.sharing import common_start
from stages.loop.plan import Plan
from stages.runs.context import Context

MEMORY_LIMIT = 2**31
"""Bytes: what else the machine does at the time decides nothing then."""


def kept_results(data: DataSet, cells: Sequence[Cell], *, n_jobs: int) -> list[CellResult]:
    """The results of the cells, from the folder of results where they are there; equal plans are run once."""
    missing = {place_of(data, cell): cell for cell in cells if not place_of(data, cell).is_file()}
    with ProcessPoolExecutor(n_jobs, get_context("spawn"), one_thread) as pool:
        for told in pool.map(run_and_keep, [data] * len(missing), missing.values()):
            print(f"  {told}", flush=True)
    return [read_result(data, cell) for cell in cells]


def run_and_keep(data: DataSet, cell: Cell) -> str:
    """Run a cell, keep its figures, and remove its artifacts, which would fill the disk; the start stays.

    It says in a line what was run, and in how many seconds.
    """
    place = place_of(data, cell)
    place.parent.mkdir(parents=True, exist_ok=True)
    named = replace(cell, name=f"cells/{place.stem}")
    # what cells share is made once, by the first of them
    with (data.run.root / "start.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        common_start(data.run, named.plan, context=Context(memory_limit=MEMORY_LIMIT))
    result = run_cell(data.run, named, context=Context(memory_limit=MEMORY_LIMIT))
    partial = place.with_suffix(".partial")
    partial.write_text(json.dumps(asdict(result)))
    partial.replace(place)
    shutil.rmtree(data.run.root / named.name)
    return f"{data.name} {dict(cell.setting)}: {result.seconds:.0f} s"


def read_result(data: DataSet, cell: Cell) -> CellResult:
    """What `run_and_keep` kept of the cell."""
    found = json.loads(place_of(data, cell).read_text())
    return CellResult(**{**found, "stages": tuple(found["stages"]), "setting": cell.setting})


def place_of(data: DataSet, cell: Cell) -> Path:
    """The file of the cell's result, which its plan and data set decide."""
    return data.results / f"{_digest(cell.plan, data.run.require('dataset').manifest.id)}.json"


def one_thread() -> None:
    """Let this process compute with one thread: there are others beside it."""
    import torch

    torch.set_num_threads(1)


def _digest(plan: Plan, dataset: str) -> str:
    text = json.dumps(
        [
            dataset,
            plan.merge.request(),
            plan.evaluate.request(),
            plan.extract.request(),
            dict(plan.train),
            dict(plan.initial),
            plan.last_stage,
            plan.merge_only,
        ],
        sort_keys=True,
    )
    return hashlib.sha256(text.encode()).hexdigest()[:12]
