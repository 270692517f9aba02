"""`dbc export`: clusters, features and the network in files that other programs read."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from dbc_cli.command import Given, command
from dbc_cli.console import print_text
from dbc_cli.flags.flag import OUTPUT, WHERE, Flag, pins, positional, stage_flag
from dbc_cli.flags.tables import COMMON, OVERWRITE
from schemas.choices import ClusterFormat, ExportKind, MapMethod
from schemas.stage_names import json_stage
from stages.errors import UsageError
from stages.output_files import all_or_nothing, require_new

if TYPE_CHECKING:
    from stages.runs.run_directory import RunDirectory

EXPORT = (
    Flag(
        "out",
        Path,
        "File to write: .csv, .parquet or as --format (clusters), .npz, .parquet (features), .safetensors, .onnx (model).",
        "clusters: CSV on stdout",
        OUTPUT,
        "FILE",
    ),
    Flag(
        "format",
        ClusterFormat,
        "Write clusters to --out for another program: a folder (camtrap-dp, mot, yolo) or a file.",
        "by the ending of --out",
        OUTPUT,
    ),
    Flag("map", MapMethod, "Add to the table x and y of each picture on a map of the samples.", "", OUTPUT),
    Flag("folders", Path, "Make a folder for each cluster, with links to its pictures.", "", OUTPUT, "DIR"),
    Flag("copy", bool, "Copy pictures into --folders instead of linking them.", "", OUTPUT),
    Flag(
        "distances",
        Path,
        "Write 1 - cosine of queries to gallery, or of all samples, with their names: .npz (features).",
        "",
        OUTPUT,
        "FILE",
    ),
    Flag("projector", Path, "Write features for TensorBoard's projector into it.", "", OUTPUT, "DIR"),
    Flag("root", Path, "The folder that was ingested.", "as dbc ingest was given it", WHERE, "DIR"),
    Flag(
        "deployments",
        Path,
        "Table of deploymentID, latitude, longitude and others for --format camtrap-dp.",
        "",
        WHERE,
        "FILE",
    ),
)
USED_BY = {
    "clusters": ("out", "format", "map", "folders", "copy", "root", "deployments"),
    "features": ("out", "distances", "projector"),
    "model": ("out",),
}
"""The flags above that each kind of export reads."""

WHAT = positional(ExportKind, "WHAT", "clusters, features or model.")


@command(
    "export",
    stage_flag("1, 2, 3, …", "the one that dbc select chooses; model: the newest"),
    COMMON,
    EXPORT,
    OVERWRITE,
    pins("dataset", "features", "clusters"),
    order=115,
    source=WHAT,
)
def export(given: Given, what: str | None) -> None:
    """Write clusters, features or the network for other programs.

    `clusters` lists every picture with its cluster, nearest to the cluster's centre first. `features` gives the features of
    every sample. `model` gives the trained backbone, with a card that says what it was made from.
    """
    if what is None:
        raise UsageError(
            "WHAT is missing: give clusters, features or model, as in: dbc export clusters --out clusters.csv"
        )
    idle = [flag.option for flag in EXPORT if flag.name in given.values and flag.name not in USED_BY[what]]
    if idle:
        raise UsageError(f"{idle[0]} has no use with dbc export {what}; leave it out")
    with all_or_nothing():
        fields = {"clusters": _clusters, "features": _features, "model": _model}[what](given)
    given.remember(only_read=True)
    if fields is not None:
        _show(given, what, fields)


def _show(given: Given, what: str, fields: dict[str, Any]) -> None:
    shown = {name: value for name, value in fields.items() if given.flag("json") or value is not None}
    given.show({"run": given.run.as_posix(), **shown}, title=what)


def _weak(run: RunDirectory, stage: int) -> list[str]:
    """A line about clusters each of which has to be looked at."""
    from stages.loop.choice.stage import weak_trust

    weak = weak_trust(run, run.require("clusters", stage))
    return [] if weak is None else [f"how far to trust these clusters: {weak}"]


def _clusters(given: Given) -> dict[str, Any] | None:
    from functools import partial

    from stages.assign.stage import assigned_stage
    from stages.export.folders import write_folders
    from stages.export.formats import write_layout
    from stages.export.members import n_samples, read_members
    from stages.export.pictures import warn_of_changed, with_own_times, with_seconds
    from stages.export.tables import csv_text, write_csv, write_parquet
    from stages.export.which_stage import stage_to_show
    from stages.ingest.whereabouts import find_pictures
    from stages.pages import scatter
    from stages.runs.lineage import with_clusters

    out, folders, overwrite, as_format = given["out"], given["folders"], given.flag("overwrite"), given["format"]
    _check_clusters(given)
    reporter = given.reporter
    positions = None if given["map"] is None else partial(scatter.positions, method=given["map"])
    # those that were added are listed, too
    run = with_clusters(given.run_directory)
    stage = stage_to_show(run, assigned_stage(given.run_directory) if given.stage is None else given.stage, reporter)
    members = read_members(run, stage, reporter, positions=positions, newest=given.run_directory)
    for note in (*members.notes, *_weak(run, members.stage)):
        reporter.note(note)
    if as_format is None:
        members = with_seconds(with_own_times(members, reporter), reporter)
    columns = members.columns
    if folders is not None:
        paths = [row.path for row in members.rows if row.cluster is not None or row.is_new]
        pictures = find_pictures(members.dataset, paths, given["root"], reporter=reporter)
        if given.flag("copy"):
            warn_of_changed(members.dataset, pictures, paths, reporter)
        if pictures.lost:
            reporter.note(f"pictures that are not there are left out of the folders: {len(pictures.lost)}")
        write_folders(members.rows, folders, pictures=pictures, copy=given.flag("copy"))
    if as_format is not None:
        places = {"root": given["root"], "deployments": given["deployments"]}
        write_layout(members, as_format, out, **places, overwrite=overwrite, reporter=reporter)
    elif out is not None and out.suffix == ".parquet":
        write_parquet(columns, out, overwrite=overwrite)
    elif out is not None:
        write_csv(members.written_columns, out, overwrite=overwrite)
    if out is None and folders is None and not given.flag("json"):
        print_text(csv_text(members.written_columns))
        return None
    rows = zip(*columns.values(), strict=True)
    return {
        "stage": members.stage,
        "n_samples": n_samples(members.clustered),
        "n_images": len(members.clustered),
        "n_rows": len(members.rows),
        "n_clusters": members.n_clusters,
        "out": out,
        "folders": folders,
        **({"clusters": [dict(zip(columns, row, strict=True)) for row in rows]} if given.flag("json") else {}),
    }


def _check_clusters(given: Given) -> None:
    """Raise UsageError if what is given about clusters does not go together, or a file is there."""
    out, folders, as_format = given["out"], given["folders"], given["format"]
    if as_format is not None and out is None:
        raise UsageError(f"--format {as_format} needs --out: give a new folder or file")
    if out is not None and as_format is None and out.suffix not in (".csv", ".parquet"):
        raise UsageError(f"--out must end in .csv or .parquet, got {str(out)!r}")
    if as_format is not None and given["map"] is not None:
        raise UsageError(f"--map has no use with --format {as_format}; leave it out")
    if as_format != "camtrap-dp" and given["deployments"] is not None:
        raise UsageError("--deployments needs --format camtrap-dp; leave it out")
    if folders is None and given.flag("copy"):
        raise UsageError("--copy needs --folders DIR; leave it out")
    if folders is None and as_format is None and given["root"] is not None:
        raise UsageError("--root needs --folders DIR or --format; leave it out")
    if as_format is None:
        require_new([out], overwrite=given.flag("overwrite"))


def _features(given: Given) -> dict[str, Any]:
    from stages.assign.stage import assigned_stage
    from stages.export.features import embedded, projector_files, write_distances, write_features, write_projector
    from stages.export.members import labels_now
    from stages.export.which_stage import stage_to_search, stage_to_show
    from stages.runs.lineage import dataset_of, newest_features, tell_of_chain, with_clusters

    out, distances, projector = given["out"], given["distances"], given["projector"]
    if out is None and distances is None and projector is None:
        raise UsageError(
            "nothing to write: give --out FILE.npz, --out FILE.parquet, --distances FILE.npz or --projector DIR"
        )
    overwrite = given.flag("overwrite")
    require_new([out], overwrite=overwrite)
    require_new([distances], argument="distances", overwrite=overwrite)
    require_new([] if projector is None else projector_files(projector), argument="projector", overwrite=overwrite)
    reporter, stage, run = given.reporter, given.stage, given.run_directory
    clustered = with_clusters(run)
    if not run.stages("features"):
        # pictures were added, of which there are none yet
        run = given.clustered_run
    merged = clustered.stages("clusters")
    if stage is None and merged:
        stage = stage_to_show(clustered, assigned_stage(run), reporter)
    elif stage is None:
        stage = stage_to_search(run, reporter)
    elif stage > (last := max([0, *run.stages("features"), *merged])):
        raise UsageError(f"{run.root}: no stage {stage} found, the last is {last}; name another --stage")
    # of pictures that were added there may be only those of a later stage
    later = [] if given.stage is not None or run.newest_up_to("features", stage) else run.stages("features")
    if later:
        given.note(
            f"the pictures that were added have features of stage {later[-1]} and of none before: these are taken"
        )
    features = newest_features(run, later[-1] if later else stage, reporter)
    tell_of_chain(run, features, None, reporter)
    now = dataset_of(run, features)
    found = embedded(run, features, labels_now(clustered, stage, now, newest=run) if stage in merged else None)
    if out is not None:
        write_features(found, out, overwrite=overwrite)
    shape = None if distances is None else write_distances(found, distances, overwrite=overwrite)
    if projector is not None:
        write_projector(found, projector, overwrite=overwrite)
    return {
        "stage": json_stage(found.stage),
        "clusters_stage": stage if stage in merged else None,
        "n_samples": len(found.path),
        "dim": int(found.features.shape[1]),
        "out": out,
        "distances": distances,
        **({} if shape is None else {"n_rows": shape[0], "n_columns": shape[1]}),
        "projector": projector,
    }


def _model(given: Given) -> dict[str, Any]:
    from stages.export.model import export_model
    from stages.runs.next_stage import newest_trained

    out, run = given["out"], given.run_directory
    if out is None:
        raise UsageError("--out is missing: give a name that ends in .safetensors or .onnx")
    stage = newest_trained(run) if given.stage is None else given.stage
    exported = export_model(run, stage, out, overwrite=given.flag("overwrite"))
    if exported.differences:
        given.reporter.note(
            f"features of dbc extract {exported.differences}; the file has the network alone, so it gives others"
        )
    return {
        "stage": json_stage(exported.stage),
        "out": exported.file,
        "card": exported.card,
        "compared_with_onnxruntime": exported.is_checked,
    }
