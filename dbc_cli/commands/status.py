"""`dbc status`: what a run holds, and what comes next."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from dbc_cli.command import Given, command
from dbc_cli.flags.flag import Flag
from dbc_cli.flags.tables import COMMON

if TYPE_CHECKING:
    from rich.table import Table

    from stages.runs.listing import Checked
    from stages.runs.store import Artifact

VERIFY = (Flag("verify", bool, "--verify", "Read every array and check its digest."),)


@command("status", VERIFY, COMMON, order=130)
def status(given: Given) -> None:
    """Show the artifacts of a run, their versions and parents, and the next command."""
    from dbc_cli.console import print_json
    from stages.errors import DbcError
    from stages.runs.listing import artifacts_of, check
    from stages.runs.next_stage import next_command

    if not given.run.is_dir():
        raise DbcError(f"no run found at {given.run}; make one with: dbc ingest SOURCE --run {given.run}")
    run = given.run_directory
    artifacts = artifacts_of(run)
    checks = [check(artifact) for artifact in artifacts] if given.flag("verify") else []
    rows = [_fields(artifact, checks[place].damaged if checks else ()) for place, artifact in enumerate(artifacts)]
    content = {
        "run": given.run.as_posix(),
        "artifacts": rows,
        "verified": _verified(checks) if given.flag("verify") else None,
        "next": next_command(run),
    }
    if given.flag("json"):
        print_json(content)
    else:
        _show(content)
    damaged = [row["artifact"] for row in rows if row["damaged"]]
    if damaged:
        found = f"{len(damaged)} damaged artifact{'s' * (len(damaged) > 1)} found: {', '.join(damaged)}"
        raise DbcError(f"{found}; delete and make again what is damaged")


def _verified(checks: Sequence[Checked]) -> dict[str, int]:
    return {
        "artifacts": len(checks),
        "arrays": sum(checked.n_arrays for checked in checks),
        "bytes": sum(checked.n_bytes for checked in checks),
        "damaged": sum(bool(checked.damaged) for checked in checks),
    }


def _fields(artifact: Artifact, damaged: Sequence[str]) -> dict[str, Any]:
    manifest = artifact.manifest
    return {
        "artifact": "/".join(artifact.path.parts[-3:] if manifest.kind != "dataset" else artifact.path.parts[-2:]),
        "id": manifest.id,
        "created": manifest.created,
        "seconds": manifest.wall_seconds,
        "made_from": [parent.location for parent in manifest.parents],
        "device": manifest.execution.device,
        "command": list(manifest.command),
        "damaged": list(damaged),
    }


def _show(content: dict[str, Any]) -> None:
    from dbc_cli.console import print_table, print_text

    print_table(status_table(content["run"], content["artifacts"]))
    verified = content["verified"]
    if verified is not None:
        found = f"{verified['damaged']} damaged" if verified["damaged"] else "all are what was written"
        size = f"{verified['bytes'] / 1e6:,.1f} MB"
        print_text(f"verified: {verified['artifacts']} artifacts, {verified['arrays']} arrays, {size}: {found}")
    print_text(f"next: {content['next']}")


def status_table(title: str, rows: Sequence[Mapping[str, Any]]) -> Table:
    """The artifacts as a table, whose names stay whole however narrow it is."""
    from rich.table import Table

    table = Table(title=title, title_justify="left", box=None, pad_edge=False, header_style="bold")
    table.add_column("artifact", no_wrap=True)
    table.add_column("id", overflow="fold")
    table.add_column("seconds", justify="right", overflow="fold")
    table.add_column("made from", overflow="fold")
    if any(row["damaged"] for row in rows):
        table.add_column("DAMAGED", overflow="fold")
    for row in rows:
        cells = (row["artifact"], row["id"][:12], f"{row['seconds']:.1f}", ", ".join(row["made_from"]))
        table.add_row(*cells, *([", ".join(row["damaged"])] if row["damaged"] else []))
    return table
