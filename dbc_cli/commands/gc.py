"""`dbc gc`: versions that nothing refers to."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dbc_cli.at_work import alone_at_work, other_at_work
from dbc_cli.command import Given, command
from dbc_cli.console import borderless_table, print_table, print_text
from dbc_cli.flags.flag import Flag
from dbc_cli.flags.tables import COMMON
from stages.errors import DbcError
from stages.wording import so_many

_NEEDED = "what it works with may be among what goes"
DELETE = (Flag("delete", bool, "Remove them, for good."),)


@command("gc", DELETE, COMMON, order=134)
def gc(given: Given) -> None:
    """List the versions that nothing refers to, and what they take; with --delete, remove them.

    Kept are, for every dataset of the run, the newest version of each artifact, and all that these were made from. Whitenings
    kept beside features go, too: a command that needs one fits it again, in a second or two. So do calibrations of dbc assign,
    which learns one again in a minute or two. Beside a command at work on the run, --delete removes nothing.
    """
    if given.flag("delete"):
        with alone_at_work(given, needed=_NEEDED):
            _gc(given)
        return
    other = other_at_work(given.run)
    if other is not None:
        given.reporter.warn(
            f"another command is at work on {given.run}: {other}; {_NEEDED}, so --delete has to wait for it"
        )
    _gc(given)


def _gc(given: Given) -> None:
    from stages.runs.unreferenced import (
        bytes_in,
        bytes_of_earlier_datasets,
        freed_bytes,
        kept_calibrations,
        kept_whitenings,
        remove,
        remove_leftovers,
        unreferenced,
        written_now,
    )

    run, is_deleted = given.run_directory, given.flag("delete")
    written = written_now(run) if is_deleted else None
    if written is not None:
        raise DbcError(f"{written}: something is being written there; {_NEEDED}, so run this again when it is done")
    rows: list[dict[str, Any]] = []
    kept = {
        "whitenings": bytes_in(kept_whitenings(run.root)),
        "calibrations": bytes_in(kept_calibrations(run.root)),
    }
    if is_deleted:
        remove_leftovers(run)
    found = unreferenced(run)
    earlier = bytes_of_earlier_datasets(run, found)
    for artifact, freed in zip(found, freed_bytes(found), strict=True):
        place = artifact.path.relative_to(run.root).as_posix()
        rows.append({"artifact": place, "id": artifact.manifest.id, "bytes": freed})
        if is_deleted:
            remove(artifact)
    given.remember(only_read=True)
    n_bytes = sum(row["bytes"] for row in rows)
    if given.flag("json"):
        others = {"bytes_of_earlier_datasets": earlier, **{f"bytes_of_{name}": n for name, n in kept.items()}}
        given.print_json(
            {"run": given.run.as_posix(), "deleted": is_deleted, "bytes": n_bytes, "unreferenced": rows, **others}
        )
        return
    done = "removed" if is_deleted else "would be removed with --delete"
    for name, taken in kept.items():
        if taken:
            print_text(f"{name} kept to save time: {taken / 1e6:,.1f} MB, {done}")
    if not rows:
        print_text("every version is the newest of its kind, or another was made from it")
        _tell_of_earlier(earlier)
        return
    cells = [(row["artifact"], row["id"][:12], f"{row['bytes']:,}") for row in rows]
    print_table(borderless_table(("artifact", "id", "bytes"), cells, n_left=2))
    print_text(f"{so_many(len(rows), 'version')}, {n_bytes / 1e6:,.1f} MB, {done}")
    _tell_of_earlier(earlier)


def _tell_of_earlier(earlier: Mapping[str, int]) -> None:
    if earlier:
        told = ", ".join(f"{kind} {n_bytes / 1e6:,.1f} MB" for kind, n_bytes in earlier.items())
        print_text(
            f"kept of earlier datasets: {told}; numbers of individuals and dbc assign go by them. All that frees this is "
            "another run of all pictures, whose numbers begin anew"
        )
