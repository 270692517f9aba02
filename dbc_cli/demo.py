"""`dbc demo`: drawn people, a small network and a few stages, to see the whole loop in minutes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from dbc_cli.command import Given, remember, with_flags
from dbc_cli.flags import COMMON, DEVICE, SEED

DEMO_RUN = Path("runs/demo")


@with_flags("demo", SEED, DEVICE, COMMON)
def demo(given: Given) -> None:
    """Draw people seen by four cameras, learn to recognise them without labels, and print a table of the stages."""
    from dbc_cli.console import RichReporter
    from dbc_cli.run import run_plan
    from schemas.parameters import (
        EvaluateParameters,
        ExtractParameters,
        IngestParameters,
        MergeParameters,
        SyntheticParameters,
    )
    from stages.ingest.stage import ingest
    from stages.pipeline import Plan

    seed = given.get("seed", 0)
    given = replace(given, run=given.run if "run" in given.values else DEMO_RUN)
    people = SyntheticParameters(identities=60, cameras=4, images_per_camera=3)
    parameters = IngestParameters(format="synthetic", synthetic=people, height=64, width=32, seed=seed)
    ingest(
        given.run_directory, source=None, parameters=parameters, workers=None, how=given.how, reporter=RichReporter()
    )
    remember(given.run)
    plan = Plan(
        merge=MergeParameters(merge_percent=0.1),
        extract=ExtractParameters(),
        evaluate=EvaluateParameters(),
        train={"seed": seed},
        initial={"backbone": "resnet18", "weights": "none", "seed": seed},
        stages=6,
        device=given.get("device", "auto"),
    )
    run_plan(given, plan)
