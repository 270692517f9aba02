"""The report on a stage's clusters, and its picture; it writes no artifact."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image

from schemas.stage_names import stage_label
from stages.constraints.stage import labels_of, names_of_individuals
from stages.errors import DbcError
from stages.evaluate.clusters.agreement import told_of_labelled, without_labels
from stages.evaluate.clusters.cameras import same_camera_chance, same_camera_merges
from stages.evaluate.clusters.cluster_report import ClusterReport, ClusterRow, report_clusters
from stages.evaluate.clusters.contact_sheet import SheetRow, contact_sheet
from stages.features.prepared import compared_features
from stages.reporting import Reporter
from stages.runs.lasting import lasting_numbers
from stages.runs.lineage import features_and_dataset
from stages.runs.run_directory import RunDirectory, clusters_manifest, features_manifest
from stages.runs.source_names import titled
from stages.runs.store import Artifact
from stages.samples import TRAIN
from stages.typing import Float32Array, Int32Array, Int64Array
from stages.wording import so_many


@dataclass(frozen=True)
class Reported:
    """A stage's clusters with the report on them; arrays (n_train) are aligned with the train samples.

    `same_camera_merges` and `same_camera_chance` are None if no cameras are known. `pid` lacks identities that labels told the
    merge; `measured` is a line about whom purity is of, "" if of all. `called` is what a person calls individuals, by label.
    """

    stage: int
    features_stage: int
    report: ClusterReport
    dataset: Artifact
    train: Int64Array
    features: Float32Array
    labels: Int64Array
    pid: Int32Array
    same_camera_merges: float | None
    same_camera_chance: float | None
    measured: str
    called: dict[int, str]


def report(run: RunDirectory, *, stage: int | None, reporter: Reporter) -> Reported:
    """The report on the clusters of `stage` (default: the newest), with its features or the newest before.

    Features are centred by camera and whitened as for its merge. DbcError if artifacts are missing or do not belong
    together.
    """
    stage = max(run.stages("clusters"), default=0) if stage is None else stage
    if stage < 1:
        raise DbcError(
            f"{run.root}: no clusters at stage {stage_label(stage)}, only single samples; make some with: dbc merge"
        )
    clusters = run.require("clusters", stage)
    features, dataset = features_and_dataset(run, stage, clusters, reporter)
    train = np.flatnonzero(dataset.read("split") == TRAIN)
    rows = compared_features(features, dataset, clusters_manifest(clusters).parameters)
    labels, linkage = clusters.read("labels"), clusters.read("linkage")
    pid, camid = (dataset.read(name)[train] for name in ("pid", "camid"))
    pid, n_told = without_labels(pid, labels_of(run, clusters))
    return Reported(
        stage=clusters_manifest(clusters).summary.stage,
        features_stage=features_manifest(features).summary.stage,
        report=report_clusters(rows, labels, linkage, pid, lasting_numbers(run, clusters).number),
        dataset=dataset,
        train=train,
        features=rows,
        labels=labels,
        pid=pid,
        same_camera_merges=_known(same_camera_merges(linkage, camid)),
        same_camera_chance=_known(same_camera_chance(camid)),
        measured=told_of_labelled(int((pid > 0).sum()), len(pid), n_told),
        called=names_of_individuals(run, clusters),
    )


def _known(value: float) -> float | None:
    return None if math.isnan(value) else value


def draw_clusters(reported: Reported, rows: Sequence[ClusterRow], *, columns: int) -> Image.Image:
    """A contact sheet of the clusters `rows`, at least one, up to `columns` members each."""
    frames = "red: another identity than most" if reported.report.has_identities else "no identities: no red frames"
    caption = f"stage {reported.stage}, nearest to the middle of its cluster first; {frames}"
    return contact_sheet([_sheet_row(reported, row, columns) for row in rows], caption=caption)


def _sheet_row(reported: Reported, row: ClusterRow, columns: int) -> SheetRow:
    members = _by_distance(reported, np.flatnonzero(reported.labels == row.cluster))
    wrong = (reported.pid[members] > 0) & (reported.pid[members] != (-1 if row.identity is None else row.identity))
    strangers = members[wrong][: max(columns // 2, columns - int((~wrong).sum()))]
    shown = np.concatenate([members[~wrong][: columns - len(strangers)], strangers])
    is_wrong = np.isin(shown, strangers)
    image = reported.dataset.read("frame_start")[reported.train[shown]]
    title = _title(row, reported.called.get(row.cluster), n_left_out=row.size - len(shown))
    return SheetRow(title, reported.dataset.rows("images")[image], is_wrong)


def _by_distance(reported: Reported, members: Int64Array) -> Int64Array:
    """Members of a cluster, the one nearest to its mean first."""
    rows = reported.features[members].astype(np.float64)
    return members[np.argsort(np.square(rows - rows.mean(axis=0)).sum(axis=1), kind="stable")]


def _title(row: ClusterRow, called: str | None, *, n_left_out: int) -> list[str]:
    lines = [
        f"individual {titled(row.individual, called)}: {so_many(row.size, 'sample')}",
        f"spread {row.spread:.3f}" + ("" if row.depth is None else f", depth {row.depth}"),
    ]
    if row.purity is not None and row.n_identities is not None:
        lines.append(f"purity {row.purity:.2f}, {so_many(row.n_identities, 'identity')}")
    if row.last_joins:
        lines.append("joined two identities last")
    return [*lines, *([f"{n_left_out} more not shown"] if n_left_out else [])]
