"""`dbc demo`: drawn people, a small network and a few stages, to see the whole loop in minutes."""

from __future__ import annotations

from pathlib import Path

from dbc_cli.command import Given, command, parse
from dbc_cli.flags.tables import COMMON, DEVICE, MAKING, SEED

DEMO_RUN = Path("runs/demo")


@command("demo", COMMON, MAKING, order=140, configurable=(*SEED, *DEVICE), run=DEMO_RUN, makes_run=True)
def demo(given: Given) -> None:
    """Draw people seen by four cameras, learn to recognise them without labels, and print a table of the stages."""
    from dbc_cli.commands.run import run_plan, show_rows
    from dbc_cli.console import RichReporter
    from schemas.parameters import (
        EvaluateParameters,
        ExtractParameters,
        IngestParameters,
        MergeParameters,
        SyntheticParameters,
    )
    from stages.ingest.stage import ingest
    from stages.loop.run_stages import Plan
    from stages.runs.run_directory import dataset_manifest

    seed = given.get("seed", 0)
    people = SyntheticParameters(identities=60, cameras=4, images_per_camera=3)
    parameters = parse(
        IngestParameters, {"format": "synthetic", "synthetic": people, "height": 64, "width": 32, "seed": seed}
    )
    reporter = RichReporter()
    drawn = ingest(given.run_directory, source=None, parameters=parameters, context=given.context(reporter))
    if drawn.artifact is None:
        show_rows(given, [], would_create=drawn.kind)
        return
    figures = dataset_manifest(drawn.artifact).summary
    place = drawn.artifact.path.as_posix()
    reporter.note(f"{figures.n_images} images of {figures.n_identities} drawn people, {drawn.status}: {place}")
    plan = Plan(
        merge=MergeParameters(merge_percent=0.1),
        extract=ExtractParameters(),
        evaluate=EvaluateParameters(),
        train={"seed": seed},
        initial={"backbone": "resnet10", "weights": "none", "pooling": "gem", "seed": seed},
        stages=6,
    )
    run_plan(given, plan)
