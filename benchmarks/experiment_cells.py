"""Runs of an experiment whose figures are kept in a folder, so that the same call goes on where it stopped."""

from __future__ import annotations

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
from stages.loop.run_stages import Plan
from stages.runs.context import Context
from stages.runs.run_directory import RunDirectory


def kept_results(data: DataSet, cells: Sequence[Cell], *, out: Path, n_jobs: int) -> list[CellResult]:
    """The results of the cells, from the folder of results where they are there; equal plans are run once."""
    dataset = data.run.require("dataset").manifest.id
    named = [replace(cell, name=f"cells/{_digest(cell.plan, dataset)}") for cell in cells]
    kept: Path = out / "results" / data.name
    kept.mkdir(parents=True, exist_ok=True)
    missing = {cell.name: cell for cell in named if not _place(kept, cell).is_file()}
    starts = {
        json.dumps([dict(plan.train), dict(plan.initial)]): plan for plan in (cell.plan for cell in missing.values())
    }
    jobs = [(data.run.root, cell, _place(kept, cell)) for cell in missing.values()]
    with ProcessPoolExecutor(n_jobs, get_context("spawn"), _one_thread) as pool:
        # what cells share is made first, once
        list(pool.map(_start_one, [data.run.root] * len(starts), starts.values()))
        list(pool.map(_run_one, *zip(*jobs, strict=True)))
    return [replace(_read(_place(kept, cell)), setting=cell.setting) for cell in named]


def _start_one(root: Path, plan: Plan) -> None:
    common_start(RunDirectory(root), plan, context=Context())


def _run_one(root: Path, cell: Cell, place: Path) -> None:
    """Run a cell, keep its figures, and remove its artifacts, which would fill the disk; the start stays."""
    result = run_cell(RunDirectory(root), cell, context=Context())
    print(f"  {root.name} {dict(cell.setting)}: {result.seconds:.0f} s", flush=True)
    partial = place.with_suffix(".partial")
    partial.write_text(json.dumps(asdict(result)))
    partial.replace(place)
    shutil.rmtree(root / cell.name)


def _one_thread() -> None:
    import torch

    torch.set_num_threads(1)


def _read(place: Path) -> CellResult:
    found = json.loads(place.read_text())
    return CellResult(**{**found, "stages": tuple(found["stages"])})


def _place(kept: Path, cell: Cell) -> Path:
    return kept / f"{Path(cell.name).name}.json"


def _digest(plan: Plan, dataset: str) -> str:
    text = json.dumps(
        [
            dataset,
            plan.merge.request(),
            plan.evaluate.request(),
            dict(plan.train),
            dict(plan.initial),
            plan.last_stage,
            plan.merge_only,
        ],
        sort_keys=True,
    )
    return hashlib.sha256(text.encode()).hexdigest()[:12]
