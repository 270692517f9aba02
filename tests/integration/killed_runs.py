"""Run the whole loop over and over, kill it at random moments, and print what it left; a script for one test.

Everything heavy is imported once; each attempt is a fork, so an attempt costs what its work costs.
"""

from __future__ import annotations

import json
import os
import random
import signal
import sys
import time
from pathlib import Path

import torch

from schemas.parameters import (
    EvaluateParameters,
    ExtractParameters,
    IngestParameters,
    MergeParameters,
    SyntheticParameters,
)
from stages.ingest.stage import ingest
from stages.loop.plan import Plan
from stages.loop.run_stages import run_stages
from stages.runs.context import Context
from stages.runs.listing import artifacts_of
from stages.runs.run_directory import RunDirectory

PEOPLE = SyntheticParameters(identities=8, cameras=2, images_per_camera=2)
PLAN = Plan(
    merge=MergeParameters(merge_percent=0.2),
    extract=ExtractParameters(),
    evaluate=EvaluateParameters(),
    train={"epochs": 1, "batch_size": 8, "seed": 0},
    initial={"backbone": "resnet10", "weights": "none", "embedding_dim": 8},
    stages=3,
    stage0_epochs=1,
)


def work(root: Path) -> None:
    run = RunDirectory(root)
    parameters = IngestParameters(format="synthetic", synthetic=PEOPLE, height=32, width=16)
    ingest(run, source=None, parameters=parameters, context=Context(workers=0))
    run_stages(run, PLAN, on_row=lambda row: None)


def start(root: Path) -> int:
    child = os.fork()
    if child == 0:
        torch.set_num_threads(1)
        try:
            work(root)
        except BaseException as error:  # the parent reads the status alone
            sys.stderr.write(f"{type(error).__name__}: {error}\n")
            os._exit(1)
        os._exit(0)
    return child


def finish(root: Path) -> None:
    _, status = os.waitpid(start(root), 0)
    if status != 0:
        raise SystemExit(f"an undisturbed call failed with status {status}")


def left(root: Path) -> dict[str, object]:
    run = RunDirectory(root)
    artifacts = artifacts_of(run)
    return {
        "ids": {artifact.path.relative_to(root).as_posix(): artifact.manifest.id for artifact in artifacts},
        "damaged": [str(artifact.path) for artifact in artifacts if artifact.damaged()],
        "leftovers": [str(path) for path in root.rglob(".writing-*")],
    }


def main() -> None:
    folder, n_kills, seed = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    generator = random.Random(seed)
    started = time.monotonic()
    finish(folder / "undisturbed")
    seconds = time.monotonic() - started
    n_killed = 0
    for _ in range(n_kills):
        child = start(folder / "killed")
        time.sleep(generator.uniform(0, 2.4 * seconds / n_kills))
        os.kill(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
        n_killed += os.WIFSIGNALED(status)
    finish(folder / "killed")
    report = {name: left(folder / name) for name in ("undisturbed", "killed")}
    sys.stdout.write(json.dumps(report | {"n_killed": n_killed}))


if __name__ == "__main__":
    main()
