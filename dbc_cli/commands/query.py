"""`dbc query`: the samples of a run that are most similar to a picture from anywhere."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from dbc_cli.command import Given, command
from dbc_cli.commands.report import named_as_written, save_picture
from dbc_cli.console import borderless_table, print_table, print_text, text_of
from dbc_cli.flags.flag import OUTPUT, Flag, pins, positional, stage_flag
from dbc_cli.flags.tables import COMMON, DEVICE, OVERWRITE
from schemas.stage_names import json_stage, stage_label
from stages.errors import UsageError

if TYPE_CHECKING:
    from stages.search.query import Found, Match

QUERY = (
    Flag("top", int, "Samples to list for each picture.", "10", metavar="N", least=1, most=100_000),
    Flag("taken_by", str, "Camera that took the pictures, as the run calls it.", "unknown", metavar="CAMERA"),
    Flag("sheet", Path, "Save a contact sheet: .png, .jpg or .webp.", "no sheet", OUTPUT, "FILE"),
    *OVERWRITE,
)
PICTURES = positional(list[Path], "PICTURE…", "Picture files, of this run or not.")


@command(
    "query",
    stage_flag("init, 0, 1, 2, …", "the one that dbc select chooses"),
    COMMON,
    QUERY,
    pins("dataset", "features", "clusters"),
    order=113,
    configurable=DEVICE,
    source=PICTURES,
)
def query(given: Given, pictures: list[Path] | None) -> None:
    """Show which samples of a run are most similar to a picture, and their clusters.

    Any picture will do: it is resized as those of the run and goes through the network of the stage. Similarity is the cosine
    of the features as merges compare them, 1 at most.
    """
    from stages.export.which_stage import stage_to_search
    from stages.search.query import draw_matches
    from stages.search.query import query as run_query

    if not pictures:
        raise UsageError("PICTURE is missing: give one or more files, as in: dbc query photo.jpg")
    overwrite = given.flag("overwrite")
    sheet = named_as_written(given["sheet"], argument="sheet", overwrite=overwrite)
    reporter, stage = given.reporter, given.stage
    run = given.clustered_run
    if stage is None:
        stage = stage_to_search(run, reporter)
    found = run_query(
        run,
        pictures,
        stage=stage,
        top=given.get("top", 10),
        taken_by=given["taken_by"],
        context=given.context(reporter),
    )
    for file, own in zip(found.files, found.itself, strict=True):
        if own is not None:
            reporter.note(f"{file} is {own.name} of the run itself, {_whose(own)}; it is left out of what is like it")
    if sheet is not None:
        save_picture(draw_matches(found), sheet, argument="sheet", overwrite=overwrite)
    given.remember(only_read=True)
    if given.flag("json"):
        stages = {"stage": json_stage(found.stage), "features_stage": json_stage(found.features_stage)}
        more = {"sheet": sheet, "pictures": _fields(found)}
        given.print_json({"run": given.run.as_posix(), **stages, **more})
    else:
        _show(found, sheet)


def _fields(found: Found) -> list[dict[str, Any]]:
    from dataclasses import asdict

    return [
        {
            "picture": file,
            "itself": None if own is None else asdict(own),
            "matches": [asdict(match) for match in matches],
        }
        for file, own, matches in zip(found.files, found.itself, found.matches, strict=True)
    ]


def _individual(match: Match) -> str:
    from stages.runs.source_names import titled

    return text_of(None) if match.individual is None else titled(match.individual, match.called)


def _whose(match: Match) -> str:
    return "in no cluster" if match.individual is None else f"individual {_individual(match)}"


def _show(found: Found, sheet: Path | None) -> None:
    for file, matches in zip(found.files, found.matches, strict=True):
        print_text(f"{file}: most similar at stage {stage_label(found.stage)}")
        rows = [
            [f"{match.similarity:.3f}", _individual(match), text_of(match.cluster_size), match.name]
            for match in matches
        ]
        table = borderless_table(["similarity", "individual", "of size", "path"], rows)
        table.columns[-1].justify = "left"
        table.columns[-1].overflow = "fold"
        print_table(table)
    if found.stage > 0 and all(match.individual is None for matches in found.matches for match in matches):
        print_text(
            "none of these is in a cluster, as query and gallery samples are not: dbc assign gives PICTURE an individual"
        )
    if sheet is not None:
        print_text(f"sheet: {sheet}")
