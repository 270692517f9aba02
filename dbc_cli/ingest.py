"""`dbc ingest`: images into the dataset artifact."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Optional

import typer

from dbc_cli.command import Given, parse, remember, with_flags
from dbc_cli.flags import COMMON, INGEST, MAKING, SEED, SYNTHETIC, WORKERS

SOURCE = Annotated[
    Optional[Path],  # noqa: UP045 — the type is a value here
    typer.Argument(help="The folder or table of images; nothing, or the word synthetic, for drawn people."),
]


@with_flags("ingest", INGEST, SEED, SYNTHETIC, WORKERS, COMMON, MAKING, source=SOURCE)
def ingest(given: Given, source: Path | None) -> None:
    """Decode every image once into the dataset artifact, in an order shuffled by the seed.

    Identities are optional: data without them is clustered and trained like any other.
    """
    from dbc_cli.console import RichReporter
    from dbc_cli.outcome import show_outcome
    from schemas.parameters import IngestParameters, SyntheticParameters
    from stages.errors import UsageError
    from stages.ingest.stage import ingest as run_ingest

    drawn = source is None or (str(source) == "synthetic" and not source.exists())
    fields = given.only((*INGEST, *SEED))
    fields.setdefault("format", "synthetic" if drawn else None)
    if fields["format"] is None:
        raise UsageError(f"--format: none found for {source}, wanted market1501, folder or csv")
    if fields["format"] == "synthetic":
        fields["synthetic"] = parse(SyntheticParameters, given.only(SYNTHETIC))
    outcome = run_ingest(
        given.run_directory,
        source=None if drawn else source,
        parameters=parse(IngestParameters, fields),
        workers=given["workers"],
        how=given.how,
        reporter=RichReporter(),
    )
    remember(given.run)
    show_outcome(outcome, as_json=given.flag("json"))
