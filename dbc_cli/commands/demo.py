"""`dbc demo`: drawn people, a small network and a few stages, to see the whole loop in minutes."""

from __future__ import annotations

from pathlib import Path

from dbc_cli.command import Given, command, parse
from dbc_cli.commands.run import run_plan, show_rows
from dbc_cli.console import RichReporter, print_text
from dbc_cli.flags.tables import COMMON, DEVICE, MAKING, SEED
from dbc_cli.problems import in_flags
from stages.wording import so_many

DEMO_RUN = Path("runs/demo")
PAGE = "report.html"
"""The page that the demo ends with, in its run."""


@command("demo", COMMON, MAKING, order=140, configurable=(*SEED, *DEVICE), run=DEMO_RUN, makes_run=True)
def demo(given: Given) -> None:
    """Draw people seen by four cameras, learn to recognise them without labels, print a table of the stages, save a page."""
    from schemas.parameters import (
        EvaluateParameters,
        ExtractParameters,
        IngestParameters,
        MergeParameters,
        SyntheticParameters,
    )
    from stages.ingest.stage import ingest
    from stages.loop.plan import AS_FEATURES_ASK, Plan
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
    reporter.note(
        f"{so_many(figures.n_images, 'image')} of {figures.n_identities} drawn people, {drawn.status}: {place}"
    )
    plan = Plan(
        merge=MergeParameters(),
        extract=ExtractParameters(),
        evaluate=EvaluateParameters(),
        train={"seed": seed},
        initial={"backbone": "resnet10", "weights": "none", "pooling": "gem", "seed": seed},
        stages=6,
        n_clusters=AS_FEATURES_ASK,
    )
    run_plan(given, plan)
    _write_page(given, reporter)


def _write_page(given: Given, reporter: RichReporter) -> None:
    """Write the report on the last stage into the run, and say where it is."""
    from stages.evaluate.report import report as make_report
    from stages.pages.report import write_report

    run = given.run_directory
    if given.flag("dry_run") or not run.stages("clusters"):
        return
    reported = make_report(run, stage=run.stages("clusters")[-1], reporter=reporter)
    page = given.run / PAGE
    write_report(run, reported, page, overwrite=True, worded=in_flags, reporter=reporter)
    told = f"page to open in a browser: {page.as_posix()}"
    if given.flag("json"):
        reporter.note(told)
    else:
        print_text(told)
