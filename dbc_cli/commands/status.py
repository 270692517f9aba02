"""`dbc status`: what a run holds, and what comes next."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from dbc_cli.command import Given, command
from dbc_cli.console import print_json, print_table, print_text
from dbc_cli.flags.flag import Flag
from dbc_cli.flags.tables import COMMON
from stages.errors import DbcError
from stages.wording import so_many

if TYPE_CHECKING:
    from rich.table import Table

    from stages.runs.listing import Checked, Listed
    from stages.runs.run_directory import RunDirectory

T = TypeVar("T")

VERIFY = (Flag("verify", bool, "Read every array and check its digest."),)


@command("status", VERIFY, COMMON, order=130)
def status(given: Given) -> None:
    """Show the artifacts of a run, their versions and parents, and the next command."""
    from stages.runs.listing import check, list_run

    run = given.run_directory
    verify, checks, rows = given.flag("verify"), [], []
    unread: list[str] = []
    for listed in list_run(run):
        checked = check(run, listed.artifact) if verify and listed.artifact is not None else None
        checks += [checked] if checked is not None else []
        rows.append(_fields(listed, checked))
    content = {
        "run": given.run.as_posix(),
        "artifacts": rows,
        "verified": _verified(checks, rows) if verify else None,
        "individuals": _readable(_individuals, run, unread),
        "next": _readable(_next, run, unread),
    }
    if given.flag("json"):
        print_json(content)
    else:
        _show(content)
    problems = [problem for row in rows for problem in row["problems"]]
    damaged = [row["artifact"] for row in rows if row["damaged"]]
    if damaged:
        found = f"{so_many(len(damaged), 'damaged artifact')} found: {', '.join(damaged)}"
        problems.insert(0, f"{found}; delete and make again what is damaged")
    # what is told of an artifact counts, not what follows from it
    problems = problems or unread[:1]
    if problems:
        more = f" (and {len(problems) - 1} more above)" if len(problems) > 1 else ""
        raise DbcError(f"{problems[0]}{more}")


def _readable(told: Callable[[RunDirectory], T], run: RunDirectory, unread: list[str]) -> T | None:
    """What `told` says of `run`; None where an artifact that it reads is damaged or missing, which `unread` then says."""
    try:
        return told(run)
    except DbcError as error:
        unread.append(str(error))
        return None


def _next(run: RunDirectory) -> str:
    """The command that comes next; after the last stage of the schedule, or what ends a run, it looks at what was found."""
    from stages.runs.ending import ending_stage
    from stages.runs.lineage import are_assigned, with_clusters
    from stages.runs.next_stage import newest_trained, next_command
    from stages.runs.run_directory import clusters_manifest

    if with_clusters(run) is not run:
        return "dbc export clusters" if are_assigned(run) else "dbc assign"
    told, stage = next_command(run), newest_trained(run)
    if told.startswith(("dbc merge", "dbc train")) and ending_stage(run) is not None:
        return "dbc export clusters"
    clusters = run.find("clusters", stage) if told == "dbc merge" and stage > 0 else None
    if clusters is None:
        return told
    # its package loads all that merges
    from stages.merge.schedule import last_stage

    if stage < last_stage(clusters_manifest(clusters).parameters.merge_percent):
        return told
    return "dbc export clusters" if run.versions("metrics", stage) else "dbc eval"


def _individuals(run: RunDirectory) -> dict[str, int] | None:
    """How many clusters the newest stage has, and the largest number that one was ever called by; None if there are none."""
    from stages.runs.descent import clusters_now
    from stages.runs.lasting import lasting_numbers
    from stages.runs.lineage import with_clusters

    run = with_clusters(run)
    stage = max(clusters_now(run), default=0)
    numbers = lasting_numbers(run, run.require("clusters", stage)) if stage else None
    return None if numbers is None else {"stage": stage, "n": len(numbers.number), "largest_number": numbers.given}


def _verified(checks: Sequence[Checked], rows: Sequence[Mapping[str, Any]]) -> dict[str, int]:
    return {
        "artifacts": len(rows),
        "arrays": sum(checked.n_arrays for checked in checks),
        "bytes": sum(checked.n_bytes for checked in checks),
        "damaged": sum(bool(row["damaged"] or row["problems"]) for row in rows),
    }


def _fields(listed: Listed, checked: Checked | None) -> dict[str, Any]:
    from stages.runs.run_directory import WITHOUT_STAGE

    parts = listed.path.parts
    place = "/".join(parts[-2:] if parts[-2] in WITHOUT_STAGE else parts[-3:])
    if listed.artifact is None:
        unread = dict.fromkeys(("id", "created", "seconds", "device"))
        return {
            "artifact": place,
            **unread,
            "made_from": [],
            "command": [],
            "damaged": [],
            "problems": [listed.problem],
        }
    manifest = listed.artifact.manifest
    return {
        "artifact": place,
        "id": manifest.id,
        "created": manifest.created,
        "seconds": manifest.wall_seconds,
        "made_from": [parent.location for parent in manifest.parents],
        "device": manifest.execution.device,
        "command": list(manifest.command),
        "damaged": [] if checked is None else list(checked.damaged),
        "problems": [] if checked is None else list(checked.problems),
    }


def _show(content: dict[str, Any]) -> None:
    print_table(status_table(content["run"], content["artifacts"]))
    for row in content["artifacts"]:
        for problem in row["problems"]:
            print_text(problem)
    verified = content["verified"]
    if verified is not None:
        found = f"{verified['damaged']} damaged or not readable" if verified["damaged"] else "all are what was written"
        size = f"{verified['bytes'] / 1e6:,.1f} MB"
        print_text(
            f"verified: {so_many(verified['artifacts'], 'artifact')}, {so_many(verified['arrays'], 'array')}, {size}: {found}"
        )
    individuals = content["individuals"]
    if individuals is not None:
        given = individuals["largest_number"]
        print_text(
            f"stage {individuals['stage']}: {so_many(individuals['n'], 'individual')}; numbers up to {given} have been given"
        )
    print_text(f"next: {content['next'] or 'mend what is damaged or missing, then ask again'}")


def status_table(title: str, rows: Sequence[Mapping[str, Any]]) -> Table:
    """The artifacts as a table, whose names stay whole however narrow it is."""
    from rich.table import Table

    table = Table(title=title, title_justify="left", box=None, pad_edge=False, header_style="bold")
    table.add_column("artifact", no_wrap=True)
    table.add_column("id", no_wrap=True)
    table.add_column("seconds", justify="right", overflow="fold")
    table.add_column("made from", overflow="fold")
    if any(row["damaged"] for row in rows):
        table.add_column("DAMAGED", overflow="fold")
    for row in rows:
        seconds = "–" if row["seconds"] is None else f"{row['seconds']:.1f}"
        cells = (row["artifact"], (row["id"] or "unreadable")[:12], seconds, ", ".join(row["made_from"]))
        table.add_row(*cells, *([", ".join(row["damaged"])] if row["damaged"] else []))
    return table
