"""`dbc count`: how many individuals there are."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from dbc_cli.command import Given, command
from dbc_cli.console import print_text
from dbc_cli.flags.flag import Flag, pins, stage_flag
from dbc_cli.flags.tables import COMMON, OVERWRITE, SEED
from stages.output_files import require_new, write_text
from stages.wording import so_many

if TYPE_CHECKING:
    from stages.review.count_stage import Counting

COUNT = (
    Flag("answers", Path, "File of answers.", "RUN/constraints.csv", metavar="FILE"),
    Flag("n_answers", int, "Pairs to draw.", "100", metavar="N", least=1, most=1_000_000),
    Flag("out", Path, "Table for the pairs that are still to be answered, unsure for a start.", "", metavar="FILE"),
)


@command(
    "count",
    stage_flag("1, 2, 3, …", "the one that dbc select chooses"),
    COMMON,
    COUNT,
    OVERWRITE,
    SEED,
    pins("dataset", "clusters"),
    order=112,
)
def count(given: Given) -> None:
    """Estimate the number of individuals, with a 95 % interval, from clusters and answers about drawn pairs.

    Pairs are drawn by nested importance sampling: dbc review --for-count shows them, or --out lists them. Without answers
    only the number of clusters is known, which is no estimate.
    """
    from stages.export.which_stage import stage_to_show
    from stages.review.count_stage import counting

    out = given["out"]
    require_new([out], overwrite=given.flag("overwrite"))
    reporter = given.reporter
    run = given.clustered_run
    stage = stage_to_show(run, given.stage, reporter)
    n_answers, seed = given.get("n_answers", 100), given.get("seed", 0)
    found = counting(run, stage, file=given["answers"], n_answers=n_answers, seed=seed, reporter=reporter)
    given.remember(only_read=True)
    out = out if out is not None and given.writes(out, len(found.to_ask)) else None
    if out is not None:
        _write(found, out, overwrite=given.flag("overwrite"))
    if found.n_unsure:
        reporter.warn(
            f"drawn pairs that are unsure, and count as different: {found.n_unsure}; only the interval reaches down to "
            "their being the same. If they show two sides of an animal, name these at ingest (a column view, or "
            "--view-pattern) and give --view apart to dbc run: nobody is asked about them"
        )
    if found.n_blind:
        reporter.warn(f"drawn pairs without a view in common, which count as different: {found.n_blind}")
    if given.flag("json"):
        given.print_json({"run": given.run.as_posix(), **_fields(found)})
    else:
        _show(found, out)


def _write(found: Counting, out: Path, *, overwrite: bool) -> None:
    from stages.review.answer_book import csv_of

    rows = [(found.names[a], found.names[b], "unsure") for a, b in found.to_ask.tolist()]
    write_text(csv_of(rows), out, overwrite=overwrite)


def _fields(found: Counting) -> dict[str, Any]:
    count = found.found
    return {
        "stage": found.stage,
        "n_clusters": found.n_clusters,
        "n_named": found.n_named,
        "answered": found.n_answers,
        "to_answer": len(found.to_ask),
        "estimate": None if count is None else count.estimate,
        "low": None if count is None else count.low,
        "high": None if count is None else count.high,
        "expected_width": {str(n): round(width, 1) for n, width in found.widths.items()},
    }


def _show(found: Counting, out: Path | None) -> None:
    asked = f"{len(found.to_ask)} of the drawn pairs are to be answered: {out or 'dbc review --for-count'}"
    if len(found.to_ask) and found.n_given > found.n_answers:
        print_text(
            f"answers in the file: {found.n_given}, to pairs that are drawn: {found.n_answers}; which pairs are "
            "drawn follows from the clusters, so after other merges or new pictures they are others; answers stay and count"
        )
    if found.n_named is not None:
        print_text(
            f"individuals: {found.n_named}, as labels name every sample of these clusters; nothing is left to estimate"
        )
        return
    if found.found is None:
        print_text(
            f"stage {found.stage} has {so_many(found.n_clusters, 'cluster')}, which is no estimate of the individuals"
        )
        print_text(asked)
        return
    low, high = int(found.found.low), int(found.found.high)
    n_more = found.n_answers - found.n_told
    follow = f", from which {n_more} more of the drawn pairs follow" if n_more else ""
    print_text(f"individuals: between {low} and {high} (95 %), by {so_many(found.n_told, 'answer')}{follow}")
    estimate = f"the estimate is {found.found.estimate:.0f}"
    if found.found.is_vague:
        estimate += ", which means little: pictures that are hard to compare raise it, wrong answers lower it"
    print_text(estimate)
    print_text(f"stage {found.stage} has {so_many(found.n_clusters, 'cluster')}")
    if not low <= found.n_clusters <= high and found.found.is_vague:
        print_text(f"no number to merge by yet: more answers, or dbc merge --n-clusters between {low} and {high}")
    elif not low <= found.n_clusters <= high:
        print_text(f"for about as many clusters as individuals: dbc merge --n-clusters {round(found.found.estimate)}")
    widths = ", ".join(f"{so_many(n, 'answer')} {width:.0f}" for n, width in found.widths.items())
    so = ", those that follow counted" if n_more else ""
    print_text(f"the interval is {high - low} wide; at best after {widths}{so}")
    if len(found.to_ask):
        print_text(asked)
