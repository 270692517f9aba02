"""`dbc review`: pairs of pictures to answer, and the answers of two people in one file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from dbc_cli.command import Given, command
from dbc_cli.commands.report import PAGES, named_as_written
from dbc_cli.console import RichReporter, print_text
from dbc_cli.flags.flag import Flag, pins, stage_flag
from dbc_cli.flags.tables import COMMON, OVERWRITE, SEED
from dbc_cli.idle import tell_of_unused
from stages.errors import UsageError
from stages.output_files import require_new, require_writable, write_text
from stages.wording import so_many

if TYPE_CHECKING:
    from stages.pages.review import Review

MOST_PAIRS = 100_000
"""Pairs on a page, at most."""
REVIEW = (
    Flag("answers", Path, "File of answers that this adds to.", "RUN/constraints.csv", metavar="FILE"),
    Flag("static", Path, "Save a page that gives answers as a download, for another machine.", "", metavar="FILE"),
    Flag("pairs", int, "Pairs on the page of --static.", "100", metavar="N", least=1, most=MOST_PAIRS),
    Flag(
        "port", int, "Port of this machine to serve the page on.", "any that is free", metavar="N", least=0, most=65_535
    ),
    Flag("for_count", bool, "Show the pairs that dbc count draws.", ""),
    Flag("n_answers", int, "Pairs that dbc count draws.", "100", metavar="N", least=1, most=1_000_000),
    Flag("join", tuple[Path, Path], "Put two people's files of answers into --out.", "", metavar="A B"),
    Flag("out", Path, "File for the joined answers.", "", metavar="FILE"),
)
MOST_CONFLICTS = 20
"""Conflicts that the terminal shows."""


@command(
    "review",
    stage_flag("1, 2, 3, …", "the one that dbc select chooses"),
    COMMON,
    REVIEW,
    OVERWRITE,
    SEED,
    pins("dataset", "features", "clusters"),
    order=111,
    makes_run=True,
)
def review(given: Given) -> None:
    """Show pairs of pictures side by side, and save your answers: same individual, different, or unsure.

    The page is served to this machine alone; its address is printed. Keys: s same, d different, u unsure, b back. Every
    answer is saved at once, and later merges take them. The pairs whose answers are worth most come first. Identities
    are not shown.

    With --for-count the pairs are those that dbc count draws.

    --static saves the page as a file instead. --join puts two files of answers into one, and shows what contradicts.
    """
    from stages.constraints.stage import FILE_NAME
    from stages.export.which_stage import stage_to_show
    from stages.pages.review import open_review
    from stages.review.count_stage import draws_of

    if given["join"] is not None:
        _join(given)
        return
    if given["out"] is not None:
        raise UsageError(f"`out` is for `join`, got {given['out']} alone; `answers` names the file of answers")
    given.require_run()
    tell_of_unused(given, {"pairs": "`static`"} if given["static"] is None else {"port": "no `static`"})
    tell_of_unused(given, {} if given.flag("for_count") else {"n_answers": "`for_count`"})
    named_as_written(given["static"], argument="static", overwrite=given.flag("overwrite"), endings=PAGES)
    n_pairs = int(given.get("pairs", 100))
    reporter = given.reporter
    run = given.clustered_run
    file = given.get("answers", given.run / FILE_NAME)
    stage = stage_to_show(run, given.stage, reporter)
    draws = None
    if given.flag("for_count"):
        n_answers, seed = given.get("n_answers", 100), given.get("seed", 0)
        draws = draws_of(run, stage, n_answers=n_answers, seed=seed, reporter=reporter)
    opened = open_review(run, stage=stage, file=file, reporter=reporter, draws=draws)
    given.remember(only_read=True)
    if given["static"] is not None:
        _save_page(given, opened, n_pairs, reporter)
    else:
        _serve(given, opened, file, reporter)


def _save_page(given: Given, opened: Review, n_pairs: int, reporter: RichReporter) -> None:
    from stages.pages.review import static_page

    page = given["static"]
    n_open = 0 if opened.draws is None else len(opened.next_pairs(MOST_PAIRS))
    if n_open > n_pairs:
        reporter.note(
            f"{n_pairs} of {n_open} drawn pairs without an answer are on the page; --pairs {n_open} takes all"
        )
    text = static_page(opened, n_pairs=n_pairs, reporter=reporter)
    write_text(text, page, argument="static", overwrite=given.flag("overwrite"))
    given.show({"run": given.run.as_posix(), "page": page.as_posix()}, title="review")


def _serve(given: Given, opened: Review, file: Path, reporter: RichReporter) -> None:
    from stages.pages.review_server import serving

    require_writable(file)
    with serving(opened, port=given.get("port", 0)) as address:
        reporter.note(f"open in a browser of this machine: {address}")
        reporter.note(f"every answer is saved in {file}; end with Ctrl-C")
        _wait_for_the_end()
    opened.book.refresh()
    if opened.book.n_given and opened.draws is None:
        reporter.note(
            "correct the clusters by these answers: dbc merge --start reviewed; then dbc review has more pairs"
        )
    fields = {"run": given.run.as_posix(), "answers": file.as_posix(), "given": opened.book.n_given}
    given.show({**fields, "in_file": len(opened.book.rows())}, title="review")


def _wait_for_the_end() -> None:
    import time

    try:
        # a wait without end may sleep on if another thread takes the signal
        while True:
            time.sleep(0.2)
    except KeyboardInterrupt:
        return


def _join(given: Given) -> None:
    from stages.review.answer_book import csv_of, read_rows
    from stages.review.joined_answers import join_answers

    if given["out"] is None:
        raise UsageError("`join` needs a file for the result; name it with `out`")
    require_new([given["out"]], overwrite=given.flag("overwrite"))
    joined = join_answers(*(read_rows(file) for file in given["join"]))
    is_written = given.writes(given["out"], len(joined.rows))
    if is_written:
        write_text(csv_of(joined.rows), given["out"], overwrite=given.flag("overwrite"))
    fields: dict[str, Any] = {
        "out": given["out"].as_posix() if is_written else None,
        "answers": len(joined.rows),
        "agreed": joined.n_agreed,
        "settled": joined.n_settled,
        "conflicts": [list(conflict) for conflict in joined.conflicts],
    }
    if given.flag("json"):
        given.print_json(fields)
        return
    n_conflicts = len(joined.conflicts)
    place = f"{fields['out']}: " if is_written else ""
    print_text(f"{place}{so_many(fields['answers'], 'answer')}, {fields['agreed']} of them given by both")
    if n_conflicts:
        print_text(f"{so_many(n_conflicts, 'conflict')}, left out so that they are asked again:")
    for names in joined.conflicts[:MOST_CONFLICTS]:
        print_text(f"  {' = '.join(names)}, but {names[0]} ≠ {names[-1]}")
    if n_conflicts > MOST_CONFLICTS:
        print_text(f"  and {n_conflicts - MOST_CONFLICTS} more; --json lists all")
