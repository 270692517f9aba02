"""The report on a stage as one HTML page: curves, a map, clusters, ranked lists and merges, with pictures."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from schemas.choices import ArtifactKind, PageMap
from schemas.stage_names import stage_label
from stages.compare.history import evaluated_otherwise, shown_of_several
from stages.errors import DbcError
from stages.evaluate.report import Reported
from stages.evaluate.stage import measured_features
from stages.loop.choice.stage import judge
from stages.output_files import write_text
from stages.pages.facts import curves, metrics_by_stage, stage_facts, warnings_of, what_was_run
from stages.pages.markup import json_in_html, page
from stages.pages.merge_sides import merges_of
from stages.pages.pictures import thumbnails
from stages.pages.ranked import RankedList, ranked_lists
from stages.pages.report_body import report_body
from stages.pages.report_data import report_data
from stages.reporting import Reporter
from stages.runs.descent import older_chain
from stages.runs.lineage import dataset_of, made_from, metrics_of, told_unclustered
from stages.runs.naming import lineage_of
from stages.runs.run_directory import (
    RunDirectory,
    clusters_manifest,
    compared_cameras,
    constraints_manifest,
    metrics_manifest,
)
from stages.runs.store import Artifact
from stages.typing import Float64Array

MOST_MERGES = 300
"""Merges on a page."""
LISTS = 12
"""Ranked lists of each group."""
ROOM = 200_000
"""Bytes of a page for everything that is not counted before its pictures are chosen."""


def write_report(
    run: RunDirectory,
    reported: Reported,
    path: Path,
    *,
    method: PageMap = "tsne",
    most_bytes: int = 20_000_000,
    overwrite: bool = False,
    worded: Callable[[str], str] = str,
    reporter: Reporter,
) -> int:
    """Write what was `reported` of a stage to `path`, whole or not at all, with pictures until it has about `most_bytes`.

    The number of samples with a picture on it. `worded` says how lines that name arguments stand there.

    Raises UsageError if UMAP is wanted and not installed, or `path` is there and must not be replaced, and DbcError if it
    cannot be written, or the stage's metrics or features cannot be read.
    """
    stage = reported.stage
    clusters = run.require("clusters", stage)
    metrics = metrics_of(run, clusters, stage)
    if metrics is None:
        reporter.note(
            f"the page has no figures and ranked lists of these clusters; measure them with: dbc eval --stage {stage}"
        )
    lists = [] if metrics is None else _lists(run, metrics, reporter)
    merges = merges_of(run, clusters, most=MOST_MERGES)
    with reporter.task("page", total=3, unit="parts") as advance:
        first = [worded(line) for line in (*_by_answers(run, clusters), *_trust(run, stage))]
        data, wanted = report_data(reported, clusters, merges, lists, method)
        advance(1, "map")
        room = most_bytes - ROOM - len(json_in_html(data))
        first_image = dict(zip(wanted, reported.dataset.read("frame_start")[wanted].tolist(), strict=True))
        pictures = thumbnails(reported.dataset, [*first_image.values()], most_bytes=max(0, room))
        data["pictures"] = {
            str(sample): pictures.of[image] for sample, image in first_image.items() if image in pictures.of
        }
        advance(1, "pictures")
        lineage = lineage_of(run, clusters if metrics is None else metrics)
        n_pictures = len(pictures.of)
        if pictures.n_left_out:
            reporter.note(
                f"{n_pictures} of {n_pictures + pictures.n_left_out} samples have a picture on the page: more would not fit"
            )
        title = f"{run.root.resolve().name}, stage {stage_label(stage)}"
        # of other stages the newest count, whatever version of this one was asked for
        pinned: dict[ArtifactKind, int] = {kind: version for kind, version in run.pinned.items() if kind == "dataset"}
        now = replace(run, pinned=pinned)
        own, measured = now.choose(clusters, stage), metrics_by_stage(now, {stage: metrics})
        stages = [stage_facts(own, each, found) for each, found in measured.items()]
        shown = [metrics_manifest(each) for each in measured.values() if each]
        mixed = evaluated_otherwise(shown)
        several = mixed or shown_of_several(own, shown)
        if several:
            (reporter.warn if mixed else reporter.note)(several)
        figures = next((each for each in stages if each["stage"] == stage), {})
        drawn, ran = curves(stages, stage), what_was_run(lineage, run.root)
        left_out = told_unclustered(RunDirectory(run.root), reported.dataset)
        told = [*filter(None, (left_out, several, older_chain(now, clusters))), *warnings_of(lineage)]
        lines = list(map(worded, told))
        body = report_body(title, reported, figures=figures, drawn=drawn, first=first, told=lines, run=ran)
        text = page(body, title=f"dbc report: {title}", scripts=("common.js", "map.js", "report.js"), data=data)
        write_text(text, path, argument="html", overwrite=overwrite)
        advance(1, "written")
    return n_pictures


def _by_answers(run: RunDirectory, clusters: Artifact) -> list[str]:
    """Whether a person's answers had a part in `clusters`, and how many there are of each kind."""
    with suppress(DbcError):
        known = made_from(run, clusters, "constraints")
        if known is not None and constraints_manifest(known).parameters.answers_digest:
            said = constraints_manifest(known).summary
            how = "corrected" if clusters_manifest(clusters).parameters.start == "reviewed" else "made"
            counts = f"{said.n_same} that two are the same, {said.n_different - said.n_derived} that they differ"
            return [f"These clusters were {how} by a person's answers: {counts}."]
    return []


def _trust(run: RunDirectory, stage: int) -> list[str]:
    """How far to trust the clusters of `stage`, as a run says at its end; nothing if that is about another stage."""
    # a page can be made where something that this needs is gone
    with suppress(DbcError):
        told = judge(run)
        if told is not None and told.shown == stage:
            return [f"How far to trust these clusters: {told.trust}."]
    return []


def _lists(run: RunDirectory, metrics: Artifact, reporter: Reporter) -> list[RankedList]:
    """Ranked lists by the features that `metrics` were measured on; none without queries."""
    precision: Float64Array = metrics.read("average_precision")
    features = made_from(run, metrics, "features") if len(precision) else None
    if features is None:
        return []
    dataset = dataset_of(run, metrics)
    split, pid, camid = (dataset.read(name) for name in ("split", "pid", "camid"))
    parameters = metrics_manifest(metrics).parameters
    if parameters.rerank:
        reporter.note("ranked lists are by the features' distance, not re-ranked")
    if parameters.ids_digest:
        lists = "go by the identities of the data set" if (pid > 0).any() else "show no identities"
        reporter.note(f"ranked lists {lists}, and figures go by those that `ids` gave")
    rows = measured_features(features, compared_cameras(dataset), split, parameters).in_order(split)
    encounter = dataset.read("encounter") if "encounter" in dataset.names() else None
    return ranked_lists(
        rows, split=split, pid=pid, camid=camid, encounter=encounter, average_precision=precision, each=LISTS
    )
