"""`dbc assign`: which of the clusters there are a new picture belongs to, or none."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dbc_cli.command import Given, command, parse
from dbc_cli.commands.ingest import ON_BAD_IMAGE, ROOT, recognised
from dbc_cli.console import RichReporter, borderless_table, number_text, print_table, print_text
from dbc_cli.flags.flag import DECLARED, OUTPUT, Flag, positional, stage_flag
from dbc_cli.flags.tables import COMMON, DEVICE, MAKING, OVERWRITE
from dbc_cli.idle import tell_of_unused
from dbc_cli.outcome import outcome_fields, show_outcome
from dbc_cli.problems import in_flags
from stages.errors import UsageError
from stages.output_files import require_new
from stages.reporting import Reporter
from stages.wording import so_many

if TYPE_CHECKING:
    from schemas.parameters import IngestParameters
    from stages.assign.stage import Assignment
    from stages.runs.making import Made
    from stages.runs.run_directory import RunDirectory
    from stages.runs.store import Artifact

ASSIGN = (
    Flag("threshold", float, "Least probability of a known individual; below it a picture shows a new one.", "0.5"),
)
CSV = (Flag("csv", Path, "Save the whole list as CSV.", "no file", OUTPUT, "FILE"), *OVERWRITE)
SHOWN = 40
"""Rows of the table; the whole list goes to a file or JSON."""
FIELDS = ("path", "individual", "probability", "nearest", "similarity", "margin")

SOURCE = positional(Path, "SOURCE", "New pictures to add first, as dbc ingest SOURCE --add does.")


@command(
    "assign",
    stage_flag("1, 2, 3, …", "the one that dbc select chooses"),
    COMMON,
    MAKING,
    ROOT,
    CSV,
    order=114,
    configurable=(*ASSIGN, *ON_BAD_IMAGE, *DEVICE),
    tables=("assign",),
    source=SOURCE,
    works=True,
)
def assign(given: Given, source: Path | None) -> None:
    """Give pictures that were added after clustering the nearest cluster, or say that they show a new individual.

    The probability says how likely the individual is one of those there. It is learnt from the clusters: how similar their
    pictures are to the rest of their own, and to the others.
    """
    from stages.assign.stage import NothingNewError

    copies: list[Assignment] = []
    try:
        _assign(given, source, copies)
    except NothingNewError as nothing:
        # a script that looks for new pictures every night goes on
        _show_nothing(given, str(nothing), copies)


def _assign(given: Given, source: Path | None, copies: list[Assignment]) -> None:
    """`copies` gains the pictures of `source` that the clusters hold, which are listed also if nothing is new."""
    from schemas.parameters import AssignParameters
    from stages.assign.calibration import require_company
    from stages.assign.stage import assign as run_assign
    from stages.assign.stage import clustered, copies_of, grown_since, read_assignments
    from stages.export.which_stage import stage_to_show

    csv, run, reporter = given["csv"], given.run_directory, given.reporter
    if csv is not None and csv.suffix != ".csv":
        raise UsageError(f"--csv must end in .csv, got {str(csv)!r}")
    require_new([csv], argument="csv", overwrite=given.flag("overwrite"))
    parameters = parse(AssignParameters, given.fields_of(ASSIGN))
    tell_of_unused(given, dict.fromkeys(("on_bad_image", "root"), "a SOURCE") if source is None else {})
    before = clustered(run)
    if given.stage is not None:
        # before it is known whether there is anything to assign
        before.require("clusters", stage_to_show(before, given.stage, reporter))
    if source is None:
        before = grown_since(run)
    stage, adds = stage_to_show(before, given.stage, reporter), True
    if source is not None:
        # what is refused later must not have been added
        clusters = before.require("clusters", stage)
        require_company(clusters.read("labels"))
        there = run.require("dataset").manifest.id
        added = _add(given, source)
        if added.artifact is None:
            show_outcome(added, given)
            return
        adds = added.artifact.manifest.id != there
        # another process may add pictures meanwhile
        run = run.choose(added.artifact, 0)
        copies += copies_of(before, clusters, added.there)
        before = grown_since(run)
    extracted = _extracted(given, run, before, stage, reporter)
    if extracted.artifact is not None:
        chosen = run.choose(extracted.artifact, extracted.stage)
        made = run_assign(chosen, stage=stage, parameters=parameters, context=given.context(reporter))
    else:
        made = extracted
    found = [] if made.artifact is None or made.kind != "assignments" else read_assignments(run, made.artifact)
    if not adds and made.status == "up to date":
        # SOURCE was answered before; if that was cut off, it is answered now
        found = [replace(each, came_last=False) for each in found]
    found += copies
    listed = _listed(given, found)
    given.remember()
    if given.flag("json"):
        given.print_json({**outcome_fields(made), **_counts(found), "assignments": _rows(found)})
    else:
        _show(given, made, found, run, listed)


def _add(given: Given, source: Path) -> Made:
    """As `dbc ingest SOURCE --add`, with the layout that `source` has."""
    from schemas.parameters import IngestParameters
    from stages.ingest.formats.folder import DoubtfulFoldersError
    from stages.ingest.stage import ingest

    parameters = parse(IngestParameters, {"format": recognised(source), **given.fields_of(ON_BAD_IMAGE)})
    context, root = given.context(RichReporter()), given["root"]
    try:
        return ingest(given.run_directory, source=source, root=root, parameters=parameters, add=True, context=context)
    except DoubtfulFoldersError as error:
        raise UsageError(f"{error}; {_by_hand(given, source, parameters)}") from error


def _by_hand(given: Given, source: Path, parameters: IngestParameters) -> str:
    """The command that adds `source` without identities as the run's own pictures were read, and what it does not say."""
    from stages.ingest.as_before import read_before

    read_by, lacking = read_before(given.run_directory, parameters.format)
    # either says where identities are
    words = ["dbc", "ingest", str(source), "--add", *([] if "identity_pattern" in read_by else ["--no-identities"])]
    for name, value in {**given.fields_of(ON_BAD_IMAGE), **read_by}.items():
        words += [f"--{DECLARED[name].key}", str(value).removesuffix(".0") if isinstance(value, float) else str(value)]
    run = ["--run", str(given["run"])] if given["run"] is not None else []
    told = f"for instance: {shlex.join([*words, *run])} && {shlex.join(['dbc', 'assign', *run])}"
    if not lacking:
        return told
    flags = ", ".join(f"--{DECLARED[name].key}" for name in lacking.values())
    return (
        f"pictures of the run have {' and '.join(lacking)}, of which a plain folder says nothing: add {flags}, or list its "
        f"pictures in a table; {told}"
    )


def _extracted(given: Given, run: RunDirectory, before: RunDirectory, stage: int, reporter: Reporter) -> Made:
    """The features of the grown dataset under the model of those that the clusters of `stage` are looked at with."""
    from stages.extract.stage import extract
    from stages.runs.lineage import newest_features
    from stages.runs.run_directory import features_manifest

    manifest = features_manifest(newest_features(before, stage, reporter))
    return extract(
        run,
        stage=manifest.summary.stage,
        parameters=manifest.parameters,
        initial={},
        context=given.context(reporter).without_force(),
    )


def _listed(given: Given, found: Sequence[Assignment]) -> Path | None:
    """The file that lists `found`, for --csv; None if it was not asked for or not written."""
    from stages.export.tables import write_csv
    from stages.ingest.known_later import NEW

    file, rows = given["csv"], _rows(found)
    if file is None or given.flag("dry_run") or not given.writes(file, len(rows)):
        return None
    names = (rows or [dict.fromkeys((*FIELDS, "of_source"))])[0]
    columns = {name: [row[name] for row in rows] for name in names}
    columns["of_source"] = [str(is_own).lower() for is_own in columns["of_source"]]
    columns["individual"] = [NEW if individual is None else individual for individual in columns["individual"]]
    write_csv(columns, file, argument="csv", overwrite=given.flag("overwrite"))
    return Path(file)


def _show_nothing(given: Given, told: str, copies: Sequence[Assignment]) -> None:
    listed = _listed(given, copies)
    given.remember()
    if given.flag("json"):
        fields = {"status": "nothing new", **_counts(copies), "assignments": _rows(copies)}
        given.print_json({"run": given.run.as_posix(), **fields})
        return
    if copies:
        _show_table(copies)
    print_text(told)
    _tell_list(listed)


def _rows(found: Sequence[Assignment]) -> list[dict[str, Any]]:
    """The fields of each, all of them with the names that any has of its place."""
    names = dict.fromkeys(name for each in found for name in each.place)
    return [
        {**{name: getattr(each, name) for name in FIELDS}, "of_source": each.came_last, **names, **each.place}
        for each in found
    ]


def _counts(found: Sequence[Assignment]) -> dict[str, int]:
    """How many are of this SOURCE or, without one, of the last that was added, and of known and new individuals."""
    known = [each.individual is not None for each in found if each.came_last]
    return {"n_of_source": len(known), "n_known_of_source": sum(known), "n_new_of_source": len(known) - sum(known)}


def _show(given: Given, made: Made, found: Sequence[Assignment], run: RunDirectory, listed: Path | None) -> None:
    from stages.runs.lineage import dataset_of
    from stages.runs.run_directory import assignments_manifest
    from stages.runs.source_names import sample_is

    if made.artifact is None:
        show_outcome(made, given)
        return
    counts = _counts(found)
    _show_table(found)
    summary = assignments_manifest(made.artifact).summary
    sample = sample_is(dataset_of(run, made.artifact))
    print_text(
        f"Added since these clusters were made: {so_many(summary.n_samples, sample)}, {summary.n_known} of known individuals, "
        f"{summary.n_new} of new ones."
    )
    if counts["n_of_source"] < len(found):
        print_text(
            f"Of this SOURCE, or else the last one: {counts['n_of_source']}, {counts['n_known_of_source']} of known "
            f"individuals, {counts['n_new_of_source']} of new ones; the others came before."
        )
    print_text(_trust(summary.separation, _weak_trust(run, made.artifact)))
    _tell_list(listed)


def _tell_list(listed: Path | None) -> None:
    if listed is not None:
        print_text(f"list: {listed}")


def _show_table(found: Sequence[Assignment]) -> None:
    from stages.runs.source_names import titled

    is_mixed = 0 < _counts(found)["n_of_source"] < len(found)
    more = [name for name in ("tracklet", "copy_of") if any(name in each.place for each in found)]
    rows = [
        [
            each.name,
            "new" if each.individual is None else titled(each.individual, each.called),
            f"{each.probability:.2f}",
            titled(each.nearest, each.nearest_called),
            number_text(each.similarity),
            number_text(each.margin),
            *(str(each.place.get(name) or "–") for name in more),
            *(["yes" if each.came_last else "–"] if is_mixed else []),
        ]
        for each in sorted(found, key=lambda each: not each.came_last)[:SHOWN]
    ]
    table = borderless_table([*FIELDS, *more, *(["of_source"] if is_mixed else [])], rows, n_left=1)
    table.columns[0].overflow = "fold"
    print_table(table)
    if len(found) > SHOWN:
        print_text(f"and {len(found) - SHOWN} more; --csv FILE lists all")


def _weak_trust(run: RunDirectory, assignments: Artifact) -> str | None:
    """How far to trust the clusters that pictures were assigned to, if each of them has to be looked at; else None."""
    from stages.loop.choice.stage import weak_trust
    from stages.runs.lineage import made_from

    clusters = made_from(run, assignments, "clusters")
    return None if clusters is None else weak_trust(run, clusters)


def _trust(separation: float, weak: str | None) -> str:
    """What a `separation` of known from new means, in plain words; `weak` is how far to trust clusters, if hardly."""
    told = f"Among the clusters' own pictures, a known individual is more similar than a new one in {separation:.0%} of pairs"
    told += "" if separation >= 0.9 else " (50% is chance)"
    if weak is not None:
        return (
            f"{told}, but clusters may be wrong: look at every picture, whatever its probability. How far to trust the "
            f"clusters: {in_flags(weak)}."
        )
    if separation < 0.75:
        return f"{told}: this is a guess, look at every picture."
    if separation < 0.9:
        return f"{told}: look at those with a probability between 0.2 and 0.8."
    return f"{told}: look at those with a probability near 0.5. Clusters have errors of their own."
