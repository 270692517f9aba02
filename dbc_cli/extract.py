"""`dbc extract`: features of every sample."""

from __future__ import annotations

from dbc_cli.command import Given, parse, remember, with_flags
from dbc_cli.flags import AMP, COMMON, DEVICE, EXTRACT, INITIAL, MAKING, SEED, STAGE, pins


@with_flags("extract", STAGE, EXTRACT, INITIAL, SEED, AMP, DEVICE, COMMON, MAKING, pins("dataset", "model"))
def extract(given: Given) -> None:
    """Extract the features of every sample under the newest model.

    Before any training that is the initial model (stage init). Pooled backbone features serve merging and retrieval, the
    head's embeddings the look-up table.
    """
    from dbc_cli.console import RichReporter
    from dbc_cli.outcome import show_outcome
    from schemas.parameters import ExtractParameters
    from stages.extract.stage import extract as run_extract

    outcome = run_extract(
        given.run_directory,
        stage=given.stage,
        parameters=parse(ExtractParameters, given.only((*EXTRACT, *AMP))),
        initial=given.only((*INITIAL, *SEED)),
        device=given.get("device", "auto"),
        how=given.how,
        reporter=RichReporter(),
    )
    remember(given.run)
    show_outcome(outcome, as_json=given.flag("json"))
