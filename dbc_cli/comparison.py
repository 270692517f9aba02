"""Shared parts of `dbc ablate` and `dbc sweep`: lists on the command line, and runs that are compared and shown."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dbc_cli.by_recipe import try_initial
from dbc_cli.command import Given, initial_fields
from dbc_cli.console import QuietReporter, RichReporter, borderless_table, print_table, print_text
from dbc_cli.flags.flag import OUTPUT, WHERE, Flag
from dbc_cli.flags.tables import OVERWRITE, SEED
from dbc_cli.flags.training import AMP, TRAIN
from dbc_cli.idle import settings_of, tell_of_idle, tell_of_unused
from schemas.stage_names import json_stage, with_json_stages
from stages.errors import UsageError
from stages.escapes import visible_line
from stages.output_files import all_or_nothing, require_new, write_text
from stages.wording import so_many

if TYPE_CHECKING:
    from stages.compare.baselines.another_set import Options, OtherSet
    from stages.compare.cells import Cell, CellResult
    from stages.compare.outcomes import OutcomeLine

COMPARISON = (
    Flag("merge_only", bool, "Do not train: merge the initial features in every stage.", ""),
    Flag("jobs", int, "Number of runs at the same time, each in its own process.", "1", WHERE, "N", least=1, most=1000),
    Flag("dry_run", bool, "Say which runs would be made, and make nothing.", "", WHERE),
    Flag("csv", Path, "Write the table as CSV.", "", OUTPUT, "FILE"),
    Flag("markdown", Path, "Write the table as Markdown.", "", OUTPUT, "FILE"),
    Flag("latex", Path, "Write the table as LaTeX.", "", OUTPUT, "FILE"),
    Flag("out", Path, "Folder for the pictures.", "RUN/plots", OUTPUT, "DIR"),
    *OVERWRITE,
)


STYLE = (
    Flag("steps", int, "Steps in which spgan learns to restyle.", "10000", metavar="N", least=1, most=10_000_000),
    Flag(
        "channels",
        int,
        "Channels of spgan's networks at full size of the picture; fewer for a CPU.",
        "64",
        metavar="N",
        least=1,
        most=1024,
    ),
)

ANOTHER_SET = (
    Flag(
        "source_run",
        Path,
        "Run of another set, whose identities umdl, spgan and tj-aidl read; pul and dbc-source begin on it.",
        "",
        metavar="RUN",
        spelled="--source",
    ),
    Flag(
        "attributes",
        Path,
        "Table of attributes of the source, for tj-aidl: path, and a column of 0 and 1 for each.",
        "",
        metavar="FILE",
    ),
)
ANOTHER_SET_METHODS = ("umdl", "spgan", "tj-aidl")


SEEDS = (
    Flag(
        "seeds",
        str,
        "Seeds, separated by commas; the table shows mean ± standard deviation (n − 1).",
        "--seed",
        metavar="LIST",
    ),
)


def seeds_of(given: Given) -> list[int]:
    """The seeds of --seeds, or the one of --seed; UsageError for one out of bounds."""
    return values_of(replace(SEED[0], name="seeds"), given.get("seeds", given.get("seed", 0)))


def values_of(flag: Flag, given: Any) -> list[Any]:
    """The values of a comma-separated list, each once, in the flag's type; anything but text is one value."""
    if not isinstance(given, str):
        return [given]
    values = [_value(flag, text.strip(), given) for text in given.split(",")]
    once = list(dict.fromkeys(values))
    if len(once) < len(values):
        RichReporter().note(
            f"{flag.option} names {len(values)} values, {len(once)} of them different; each counts once"
        )
    return once


def pictures_may_be_replaced(given: Given) -> bool:
    """Whether existing pictures may be overwritten: always in the run's own folder, elsewhere with --overwrite."""
    return given["out"] is None or given.flag("overwrite")


def require_pictures(given: Given, names: Sequence[str]) -> Path:
    """The folder for pictures; UsageError if `--out` names a file, or holds pictures `names` that must stay."""
    from stages.compare.plots.panels import picture_files

    folder = Path(given.get("out", given.run / "plots"))
    if folder.is_file() or folder.suffix in (".png", ".svg"):
        raise UsageError(f"--out must be a folder, for PNG and SVG, got the file {folder}; give another")
    files = [file for name in names for file in picture_files(folder / name)]
    require_new(files, overwrite=pictures_may_be_replaced(given))
    return folder


def _require_outputs(given: Given, pictures: Sequence[str]) -> None:
    """Raise UsageError if the pictures or tables cannot be written afterwards."""
    require_pictures(given, pictures)
    for name in ("csv", "markdown", "latex"):
        path = given[name]
        if path is not None and (path.is_dir() or not path.parent.is_dir()):
            raise UsageError(f"--{name} must be a file in a folder that exists, got {path}; give another")
        require_new([path], argument=name, overwrite=given.flag("overwrite"))


def carry_out(given: Given, cells: Sequence[Cell], *, pictures: Sequence[str]) -> list[CellResult]:
    """Run the cells and print a line as each ends; artifacts that are up to date are kept.

    UsageError, before hours of work, if a table or one of the `pictures` is there and must stay.
    """
    from stages.compare.cells import run_cells

    _require_outputs(given, pictures)
    reporter = QuietReporter()
    given.remember()

    def show_end(result: CellResult) -> None:
        reporter.say(
            f"{result.name}: {so_many(len(result.stages), 'stage')}, {result.seconds:.1f} s beside the start they share"
        )

    return run_cells(
        given.run_directory, cells, context=given.context(reporter), n_jobs=given.get("jobs", 1), on_done=show_end
    )


def compare_and_show(
    given: Given, cells: Sequence[Cell], *, name: str, others: Sequence[str] = (), methods: bool = False
) -> None:
    """Run the cells, and the methods `others` that learn from another set; draw curves as `name`, and print the table.

    The table has a line for each of the `methods`, its last stage, or lines for several stages of each setting. A dry run only
    shows the plan.
    """
    if not others:
        tell_of_idle(given, *(settings_of(cell.plan) for cell in cells))
    if given.flag("dry_run"):
        show_plan(given, cells, pictures=[name])
        return
    beginners = [cell.setting["method"] for cell in cells if cell.begins_on_source]
    source = _source(given, [*others, *beginners]) if others or beginners else None
    needed = {"source_run": "a method that learns from another set"} if source is None else {}
    needed |= {} if "tj-aidl" in others else {"attributes": "the method tj-aidl"}
    tell_of_unused(
        given, needed | ({} if "spgan" in others else dict.fromkeys(("steps", "channels"), "the method spgan"))
    )
    if source is not None and beginners:
        _require_outputs(given, [name])
        cells = _begun_on(given, cells, source)
    results = carry_out(given, cells, pictures=[name])
    if source is not None:
        results += _from_another_set(given, others, source)
    from stages.compare.outcomes import chosen_by_label, runs_by_label
    from stages.compare.plots.panels import save
    from stages.compare.plots.sheets import comparison_sheet

    figure = comparison_sheet(runs_by_label(results), title=name, chosen=chosen_by_label(results))
    folder = require_pictures(given, [name])
    pictures = save(figure, folder / name, overwrite=pictures_may_be_replaced(given))
    show_comparison(given, results, pictures, methods=methods)


def _source(given: Given, others: Sequence[str]) -> OtherSet:
    """The other set of --source; UsageError if it is missing."""
    from stages.compare.baselines.another_set import OtherSet
    from stages.compare.other_sets import require_another_set
    from stages.runs.run_directory import RunDirectory

    if given["source_run"] is None:
        raise UsageError(f"--source is missing: {others[0]} needs a run of another set, with identities")
    if not given["source_run"].is_dir():
        raise UsageError(f"--source must be a run, got {given['source_run']}, which is no folder; name another")
    if "tj-aidl" in others and given["attributes"] is None:
        raise UsageError("--attributes is missing: give a table with path and a column of 0 and 1 for each attribute")
    require_another_set(given.run_directory, RunDirectory(given["source_run"]), given.reporter)
    return OtherSet(RunDirectory(given["source_run"]), given["attributes"])


def _options(given: Given, seed: int) -> Options:
    """What methods with another set are asked for; these train by their own losses, on all samples.

    They pool as the run does and, as published, the last layer if it has no model yet.
    """
    from stages.compare.baselines.another_set import Options

    names = {"steps": "steps", "epochs": "epochs", "channels": "width"}
    numbers = {field: given[name] for name, field in names.items() if given[name] is not None}
    train = {**given.fields_of((*TRAIN, *AMP)), "seed": seed}
    return Options(seed=seed, train=train, initial={**initial_fields(given, SEED), "seed": seed}, **numbers)


def _begun_on(given: Given, cells: Sequence[Cell], source: OtherSet) -> list[Cell]:
    from stages.compare.baselines.another_set import agreeing
    from stages.compare.other_sets import begun_on

    run, context = given.run_directory, given.context(QuietReporter())
    options = [agreeing(run, source, _options(given, cell.setting["seed"])) for cell in cells]
    return [begun_on(source, cell, asked, context=context) for cell, asked in zip(cells, options, strict=True)]


def _from_another_set(given: Given, others: Sequence[str], source: OtherSet) -> list[CellResult]:
    from stages.compare.other_sets import compared

    run, context = given.run_directory, given.context(QuietReporter())
    found: list[CellResult] = []
    for name in others:
        for seed in seeds_of(given):
            found += compared(run, name, source, _options(given, seed), context=context)
    return found


def n_cameras(given: Given) -> int:
    """How many cameras the data set has, 0 if none are known."""
    from stages.runs.run_directory import dataset_manifest

    dataset = given.run_directory.find("dataset")
    return 0 if dataset is None else dataset_manifest(dataset).summary.n_cameras


def tell_of_unlike(given: Given, cells: Sequence[Cell]) -> None:
    """A note, which JSON has too, on what differs between `cells` beside what tables call them."""
    from stages.compare.cells import unlike

    for told in unlike(cells, n_cameras=n_cameras(given)):
        given.note(told)


def show_plan(given: Given, cells: Sequence[Cell], *, pictures: Sequence[str]) -> None:
    """Print the runs that would be made; the errors of `try_initial`, and those of `carry_out` before it works."""
    from stages.loop.plan import check_plan

    _require_outputs(given, pictures)
    for cell in cells:
        check_plan(given.run_directory, cell.plan)
    try_initial(given, *(cell.plan for cell in cells))
    places = [(given.run / cell.name).as_posix() for cell in cells]
    if given.flag("json"):
        given.print_json({"run": given.run.as_posix(), "would_run": places})
        return
    print_text("\n".join(f"a real run would bring up to date: {visible_line(place)}" for place in places))


def show_comparison(
    given: Given, results: Sequence[CellResult], pictures: Sequence[Path], *, methods: bool = False
) -> None:
    """Print the table of the results, and write it as CSV, Markdown and LaTeX if these flags are given."""
    from stages.compare.outcomes import before_and_after_merges, last_lines, line_fields, lines, lopsided
    from stages.compare.text import comma_separated, latex, markdown

    for told in (*lopsided(results), *([] if methods else before_and_after_merges(results))):
        given.reporter.warn(told)
    found = (last_lines if methods else lines)(results)
    with all_or_nothing():
        for name, text in (("csv", comma_separated), ("markdown", markdown), ("latex", latex)):
            if given[name] is not None:
                write_text(text(found), given[name], argument=name, overwrite=given.flag("overwrite"))
    if given.flag("json"):
        runs = [
            {
                "run": (given.run / result.name).as_posix(),
                "setting": dict(result.setting),
                "chosen": json_stage(result.chosen),
                "stages": [with_json_stages(metrics) for metrics in result.stages],
            }
            for result in results
        ]
        given.print_json(
            {
                "run": given.run.as_posix(),
                "lines": [line_fields(line) for line in found],
                "runs": runs,
                "pictures": [path.as_posix() for path in pictures],
            }
        )
        return
    _show_table(found)
    for path in pictures:
        print_text(path.as_posix())


def _show_table(found: Sequence[OutcomeLine]) -> None:
    from stages.compare.outcomes import UNLABELLED, meanings, shown_metrics
    from stages.compare.text import table_cells

    head, rows = table_cells(found)
    print_table(borderless_table(head, rows, n_left=head.index("at") + 1))
    if told := meanings(found):
        print_text(told)
    if found and shown_metrics(found) == UNLABELLED:
        print_text("no identities are known, so silhouettes stand for rank-1, mAP and ARI, and no stage is called best")


def _value(flag: Flag, text: str, whole: str) -> Any:
    if flag.choices:
        if text in flag.choices:
            return text
        expected = f"some of {', '.join(flag.choices)}"
    elif flag.kind in (int, float):
        try:
            value = flag.kind(text)
            flag.require_bounds(value)
            return value
        except ValueError:
            expected = "whole numbers" if flag.kind is int else "numbers"
    elif text:
        return text
    else:
        expected = "values"
    raise UsageError(f"{flag.option} must be {expected}, separated by commas, got {text!r} in {whole!r}")
