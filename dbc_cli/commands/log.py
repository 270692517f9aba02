"""`dbc log`: what an artifact was made from, step by step."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from dbc_cli.command import Given, command
from dbc_cli.console import borderless_table, print_json, print_table, print_text
from dbc_cli.flags.flag import positional
from dbc_cli.flags.tables import COMMON
from schemas.choices import ArtifactKind
from stages.errors import DbcError
from stages.escapes import visible_line

if TYPE_CHECKING:
    from stages.runs.listing import Listed
    from stages.runs.run_directory import RunDirectory
    from stages.runs.store import Artifact

BESIDE_NAMES = 53
"""Columns that hold all but the names of artifacts, and the first ten letters of commands."""
WIDE = 110
"""Columns from which on commands are broken and not cut; `--json` has all of them."""
ARTIFACT = positional(str, "ARTIFACT", "As in dbc show; by default the newest of the last stage.")


@command("log", COMMON, order=132, source=ARTIFACT)
def log(given: Given, name: str | None) -> None:
    """Show the lineage of an artifact: itself and all that it was made from, the latest first."""
    from stages.runs.naming import lineage_of, named_artifact

    run = given.run_directory
    artifact = _last(run) if name is None else named_artifact(run, name)
    rows = [_fields(run, listed) for listed in lineage_of(run, artifact)]
    given.remember(only_read=True)
    if given.flag("json"):
        print_json({"run": given.run.as_posix(), "lineage": rows})
        return
    read = [row for row in rows if row["problem"] is None]
    is_narrow = sys.stdout.isatty() and Console().width < WIDE
    longest = max((len(row["artifact"]) for row in read), default=0)
    print_table(lineage_table(read, one_line=is_narrow), narrowest=longest + BESIDE_NAMES)
    for row in rows:
        if row["problem"] is not None:
            print_text(row["problem"])


def lineage_table(rows: Sequence[Mapping[str, Any]], *, one_line: bool) -> Table:
    """Artifacts as a table; if it is too narrow, commands are cut to `one_line` or broken, and nothing else is."""
    headings = ("artifact", "id", "created (UTC)", "seconds", "command")
    table = borderless_table(headings, [], n_left=5)
    for column in table.columns[:4]:
        column.no_wrap = True
    for row in rows:
        created, seconds = row["created"][:16].replace("T", " "), f"{row['seconds']:.1f}"
        command = Text(
            visible_line(" ".join(row["command"])), no_wrap=one_line, overflow="ellipsis" if one_line else "fold"
        )
        table.add_row(row["artifact"], row["id"][:12], created, seconds, command)
    return table


def _last(run: RunDirectory) -> Artifact:
    """The artifact that was made last in a full stage, of the newest stage that has any."""
    order: tuple[ArtifactKind, ...] = ("metrics", "features", "model", "clusters")
    found = [(run.stages(kind)[-1], -place, kind) for place, kind in enumerate(order) if run.stages(kind)]
    if not found:
        dataset = run.find("dataset")
        if dataset is None:
            raise DbcError(f"{run.root}: no artifacts found; make some with: dbc ingest SOURCE")
        return dataset
    stage, _, kind = max(found)
    return run.require(kind, stage)


def _fields(run: RunDirectory, listed: Listed) -> dict[str, Any]:
    place = listed.path.relative_to(run.root).as_posix() if listed.path.is_relative_to(run.root) else str(listed.path)
    if listed.artifact is None:
        return {"artifact": place, "problem": listed.problem}
    manifest = listed.artifact.manifest
    return {
        "artifact": place,
        "id": manifest.id,
        "created": manifest.created,
        "seconds": manifest.wall_seconds,
        "command": list(manifest.command),
        "made_from": [parent.location for parent in manifest.parents],
        "problem": None,
    }
