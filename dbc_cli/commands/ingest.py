"""`dbc ingest`: images into the dataset artifact."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Optional

import typer

from dbc_cli.command import Given, parse, with_flags
from dbc_cli.flags.flag import Flag
from dbc_cli.flags.tables import COMMON, INGEST, MAKING, SEED, SYNTHETIC, TRACKLETS

FRAMES_PER_TRACKLET = 8
"""Frames of a drawn tracklet where `--tracklets` alone is given."""

SOURCE = Annotated[
    Optional[Path],  # noqa: UP045 — the type is a value here
    typer.Argument(
        metavar="SOURCE", help="The folder or table of images; nothing, or the word synthetic, for drawn people."
    ),
]


@with_flags("ingest", COMMON, MAKING, source=SOURCE)
def ingest(given: Given, source: Path | None) -> None:
    """Decode every image once into the dataset artifact, in an order shuffled by the seed.

    Identities are optional: data without them is clustered and trained like any other.
    """
    from dbc_cli.outcome import show_outcome
    from schemas.parameters import IngestParameters, SyntheticParameters
    from stages.ingest.stage import ingest as run_ingest

    drawn = source is None or (str(source) == "synthetic" and not source.exists())
    fields = given.only((*INGEST, *SEED))
    fields.setdefault("format", "synthetic" if drawn else None)
    _check(given, source=None if drawn else source, layout=fields["format"])
    if fields["format"] == "synthetic":
        fields["synthetic"] = parse(SyntheticParameters, _drawn(given))
    outcome = run_ingest(
        given.run_directory,
        source=None if drawn else source,
        parameters=parse(IngestParameters, fields),
        context=given.context(),
    )
    given.remember()
    show_outcome(outcome, as_json=given.flag("json"))


def _drawn(given: Given) -> dict[str, Any]:
    """What is given about drawn people, as fields of `SyntheticParameters`."""
    from stages.errors import UsageError

    fields = given.only(SYNTHETIC)
    if given.flag("tracklets") and fields.setdefault("frames_per_tracklet", FRAMES_PER_TRACKLET) == 0:
        raise UsageError("--tracklets: found --frames-per-tracklet 0 beside it, wanted at least 1; leave one out")
    return fields


def _flagged(flag: Flag, value: Any) -> str:
    return f"--{flag.key}" if flag.kind is bool else f"--{flag.key} {value}"


def _check(given: Given, *, source: Path | None, layout: str | None) -> None:
    """Raise UsageError where source, format and flags do not go together."""
    from stages.errors import UsageError

    if layout is None:
        raise UsageError(
            f"--format: none found for {source}, wanted folder, csv, market1501 or another published layout; "
            "see: dbc ingest --help"
        )
    if source is None and layout != "synthetic":
        raise UsageError(f"--format {layout}: no SOURCE found, wanted the images; see: dbc ingest --help")
    if source is not None and layout == "synthetic":
        raise UsageError(
            f"--format synthetic: SOURCE {source} found, wanted none, since people are drawn; leave it out"
        )
    idle = [_flagged(flag, given[flag.name]) for flag in (*SYNTHETIC, *TRACKLETS) if flag.name in given.values]
    if idle and layout != "synthetic":
        raise UsageError(f"{idle[0]} has no use with --format {layout}, which draws nobody; leave it out")
