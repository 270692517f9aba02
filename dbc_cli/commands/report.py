"""`dbc report`: the clusters of a stage for people, in tables, as a picture and as a page."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dbc_cli.command import Given, command
from dbc_cli.console import borderless_table, print_table, print_text, text_of
from dbc_cli.flags.flag import Flag, pins, stage_flag
from dbc_cli.flags.tables import COMMON, OVERWRITE
from dbc_cli.idle import tell_of_unused
from dbc_cli.problems import in_flags
from schemas.choices import Drawn, PageMap
from schemas.stage_names import with_json_stages
from stages.errors import DbcError, UsageError
from stages.output_files import require_new, write_whole
from stages.reporting import Reporter
from stages.wording import so_many

if TYPE_CHECKING:
    from stages.evaluate.clusters.cluster_report import ClusterRow
    from stages.evaluate.report import Reported

REPORT = (
    Flag("top", int, "Rows of each list, and clusters in the picture.", "10", metavar="N", least=1, most=100_000),
    Flag(
        "out",
        Path,
        "Save a picture of the clusters (.png, .jpg or .webp), or a page (.html).",
        "no picture",
        metavar="FILE",
    ),
    Flag("html", Path, "Save everything as one page, with pictures and a map.", "no page", metavar="FILE"),
    Flag("map", PageMap, "Method of the page's map of samples.", "tsne"),
    Flag(
        "page_mb",
        int,
        "Megabytes that the page may have; more are more pictures.",
        "20",
        metavar="N",
        least=1,
        most=10_000,
    ),
    Flag("draw", Drawn, "Clusters that the picture shows.", "worst; loosest without identities"),
    Flag("columns", int, "Images of each cluster in the picture.", "12", metavar="N", least=1, most=1000),
)
FORMATS = {".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG", ".webp": "WEBP"}
"""The pictures that are written, by the end of their name."""
PAGES = (".html", ".htm")
LONGEST = {"JPEG": 65500, "WEBP": 16383}
"""The most pixels that a side of such a picture may have; PNG has room for more than there can be."""

TITLES = {
    "worst": "clusters with other identities in them",
    "joined": "clusters whose last merge joined two identities",
    "split": "identities in several clusters",
    "largest": "largest clusters",
    "loosest": "loosest clusters",
    "tightest": "tightest clusters",
    "chained": "chains: clusters that grew a little at a time",
}


@command(
    "report",
    stage_flag("1, 2, 3, …", "the one that dbc select chooses"),
    COMMON,
    REPORT,
    OVERWRITE,
    pins("dataset", "features", "clusters"),
    order=110,
)
def report(given: Given) -> None:
    """Show the clusters of a stage: purity by size, the worst clusters, split identities, chained merges, and a picture.

    Identities are used if they are known; the picture frames images of another identity than the most in red. Without them,
    the report shows sizes and the tightest and loosest clusters. It also compares how many merged pairs are of one camera with
    what chance would give.

    --html saves one page that opens without a network: curves over stages, a map of the samples, all clusters, ranked
    lists, merges, warnings, and what was run.
    """
    from stages.evaluate.report import draw_clusters
    from stages.evaluate.report import report as make_report
    from stages.export.which_stage import stage_to_show
    from stages.runs.source_names import source_names

    overwrite = given.flag("overwrite")
    picture, page = _files(given, overwrite=overwrite)
    tell_of_unused(given, dict.fromkeys(("draw", "columns"), "`out`") if picture is None else {})
    tell_of_unused(given, dict.fromkeys(("map", "page_mb"), "`html`") if page is None else {})
    top = given.get("top", 10)
    reporter = given.reporter
    run = given.clustered_run
    stage = stage_to_show(run, None, reporter) if given.stage is None and run.stages("clusters") else given.stage
    reported = make_report(run, stage=stage, reporter=reporter)
    if picture is not None:
        rows = _drawn(given, reported, reporter)[:top]
        sheet = draw_clusters(reported, rows, columns=given.get("columns", 12))
        save_picture(sheet, picture, overwrite=overwrite)
    if page is not None:
        from stages.pages.report import write_report

        method, most_bytes = given.get("map", "tsne"), given.get("page_mb", 20) * 1_000_000
        write_report(
            run,
            reported,
            page,
            method=method,
            most_bytes=most_bytes,
            overwrite=overwrite,
            worded=in_flags,
            reporter=reporter,
        )
    given.remember(only_read=True)
    fields = {
        "run": given.run.as_posix(),
        "stage": reported.stage,
        "features_stage": reported.features_stage,
        "same_camera_merges": reported.same_camera_merges,
        "same_camera_chance": reported.same_camera_chance,
        "has_identities": reported.report.has_identities,
        "measured": reported.measured or None,
        "picture": picture,
        "page": page,
        **reported.report.summary(most=top, identities=source_names(reported.dataset, "identity")),
    }
    if given.flag("json"):
        given.print_json(with_json_stages(fields))
        return
    _show(fields)


def _drawn(given: Given, reported: Reported, reporter: Reporter) -> list[ClusterRow]:
    """The clusters that --draw names, else the worst or loosest or, with a note, the largest if there are none of these.

    DbcError if there are none of those that --draw names.
    """
    report = reported.report
    chosen = given.get("draw", "worst" if report.has_identities else "loosest")
    rows: list[ClusterRow] = getattr(report, chosen)()
    if rows:
        return rows
    lacks = f"there are no {TITLES[chosen]} at stage {reported.stage}"
    if given["draw"] is None:
        reporter.note(f"{lacks}, so the largest are drawn")
        return report.largest()
    if chosen in ("joined", "chained") and not report.has_merges:
        reason = ", whose clusters were not made by merges"
    else:
        reason = "" if report.has_identities else ", whose samples have no identities"
    again = f"dbc report --stage {reported.stage} --out {given['out']} --draw largest"
    raise DbcError(f"{lacks}{reason}; draw others with: {again}")


def _files(given: Given, *, overwrite: bool) -> tuple[Path | None, Path | None]:
    """The picture and the page to write, None for none; UsageError if one of them must not be written.

    `--out` names either, by its ending.
    """
    out, page = given["out"], given["html"]
    if out is None or out.suffix.lower() not in PAGES:
        picture = named_as_written(out, argument="out", overwrite=overwrite, endings=(*FORMATS, *PAGES))
        return picture, named_as_written(page, argument="html", overwrite=overwrite, endings=PAGES)
    if page is not None:
        raise UsageError(f"`out` must be a picture if `html` is given, got {out}; leave one of them out")
    return None, named_as_written(out, argument="out", overwrite=overwrite, endings=PAGES)


def named_as_written(
    path: Path | None, *, argument: str, overwrite: bool, endings: Collection[str] = tuple(FORMATS)
) -> Path | None:
    """`path`, which `argument` gave; UsageError if its ending is not in `endings`, or it is there and must not be replaced."""
    if path is not None and (path.suffix.lower() not in endings or path.is_dir()):
        raise UsageError(f"`{argument}` must end in {', '.join(endings)}, got {path}")
    require_new([path], argument=argument, overwrite=overwrite)
    return path


def save_picture(picture: Any, path: Path, *, overwrite: bool, argument: str = "out") -> None:
    """Write `picture` (a PIL image) in the format of `path`, which `argument` gave.

    UsageError if it is too large for that format or `path` is there, DbcError if it cannot be written.
    """
    written = FORMATS[path.suffix.lower()]
    longest = LONGEST.get(written)
    if longest is not None and max(picture.size) > longest:
        wide, high = picture.size
        raise UsageError(
            f"`{argument}` {path} may have at most {longest} pixels a side in {written}, got {wide} × {high}; "
            "give a smaller --top or --columns, or a name that ends in .png"
        )
    write_whole(
        path, lambda part: picture.save(part, format=written, quality=92), argument=argument, overwrite=overwrite
    )


def _show(fields: Mapping[str, Any]) -> None:
    joins = "" if fields["n_joining_merges"] is None else f", {fields['n_joining_merges']} of them of two identities"
    merges = "" if fields["n_merges"] is None else f" from {so_many(fields['n_merges'], 'merge')}{joins}"
    print_text(f"stage {fields['stage']}: {so_many(fields['n_clusters'], 'cluster')}{merges}")
    if fields["same_camera_merges"] is not None:
        share, chance = (f"{fields[name]:.3f}" for name in ("same_camera_merges", "same_camera_chance"))
        print_text(f"pairs that merges join and one camera took: {share}; chance would give {chance}")
    if fields["measured"] is not None:
        print_text(fields["measured"])
    print_text("")
    sizes = [{"size": _span(row), **row} for row in fields["by_size"]]
    _table("clusters by size", sizes, ("size", "n_clusters", "n_samples", "purity", "n_mixed", "spread"))
    n_several = sum(row["n_clusters"] for row in fields["by_size"] if row["smallest"] > 1)
    totals = {"largest": fields["n_clusters"], "loosest": n_several, "tightest": n_several}
    for name, title in TITLES.items():
        rows = fields.get(name) or []
        # a short list of all clusters need not come three times
        if rows and not (name in ("loosest", "tightest") and len(fields["largest"]) == fields["n_clusters"]):
            columns = [column for column in rows[0] if column != "cluster"]
            _table(f"{title} ({len(rows)} of {totals.get(name) or fields[f'n_{name}']})", rows, columns)
    if fields["picture"] is not None:
        framed = "red: another identity than most" if fields["has_identities"] else "no identities, no red frames"
        print_text(f"picture: {text_of(fields['picture'])} ({framed})")
    if fields["page"] is not None:
        print_text(f"page: {text_of(fields['page'])}")


def _span(row: Mapping[str, Any]) -> str:
    return str(row["largest"]) if row["smallest"] == row["largest"] else f"{row['smallest']}–{row['largest']}"


def _table(title: str, rows: Sequence[Mapping[str, Any]], names: Sequence[str]) -> None:
    """Print a table of the columns `names`, without those that are empty."""
    names = [name for name in names if any(row[name] is not None for row in rows)]
    # rich would break a title at the width of its table
    print_text(title)
    headings = [name.removeprefix("n_").replace("_", " ") for name in names]
    print_table(borderless_table(headings, [[text_of(row[name]) for name in names] for row in rows]))
    print_text("")
