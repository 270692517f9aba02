"""What a page says of a run in words and tables: its stages as curves, its warnings, and what was run."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from schemas.manifest import AnyManifest, DatasetManifest
from schemas.stage_names import INIT_STAGE
from stages.compare.history import loss_of
from stages.compare.plots.curves import line_of
from stages.compare.plots.panels import Panel
from stages.errors import DbcError
from stages.pages.charts import chart
from stages.pages.markup import Markup, element, joined, table
from stages.runs.descent import stages_now
from stages.runs.listing import Listed
from stages.runs.run_directory import RunDirectory, clusters_manifest, metrics_manifest, model_manifest
from stages.runs.store import Artifact

PANELS: tuple[tuple[str, str, Mapping[str, str]], ...] = (
    ("Retrieval and agreement", "fraction; ARI", {"rank1": "rank-1", "mAP": "mAP", "ari": "ARI", "nmi": "NMI"}),
    ("Clusters", "clusters", {"n_clusters": "clusters"}),
    ("Without identities", "fraction", {"silhouette": "silhouette", "singleton_share": "share of singletons"}),
    ("Cameras", "share", {"same_camera_merges": "same-camera merges", "same_camera_chance": "by chance"}),
    ("Training loss", "loss", {"loss": "loss"}),
)
"""The curves by stage: title, unit, and the figures by name with their labels."""
LEAST_POINTS = 2
"""Stages that a curve needs."""


def metrics_by_stage(run: RunDirectory, measured: Mapping[int, Artifact | None]) -> dict[int, Artifact | None]:
    """The metrics of every stage of `run` that has clusters, a trained model or metrics: `measured`, else the newest.

    What does not follow from what the run has now is left out, as `stages_now` tells.
    """
    found = stages_now(run, "metrics")
    stages = sorted({*stages_now(run, "clusters"), *stages_now(run, "model"), *found, *measured})
    newest = {stage: run.find("metrics", stage) for stage in found}
    return {stage: measured.get(stage, newest.get(stage)) for stage in stages}


def stage_facts(run: RunDirectory, stage: int, metrics: Artifact | None) -> dict[str, Any]:
    """The figures of `stage` in its `metrics`, and its clusters and loss; a figure that is not known is None."""
    clusters, model = run.find("clusters", stage), run.find("model", stage)
    figures: dict[str, Any] = {} if metrics is None else metrics_manifest(metrics).summary.model_dump()
    if clusters is not None:
        summary = clusters_manifest(clusters).summary
        figures.setdefault("n_clusters", summary.n_clusters)
        figures.setdefault("singleton_share", summary.n_singletons / summary.n_clusters)
    loss = None if model is None or stage == INIT_STAGE else model_manifest(model).summary.loss_last
    if metrics is not None:
        # the newest model may not be the one whose features were measured, which may be gone
        with suppress(DbcError):
            loss = loss_of(run, metrics_manifest(metrics))
    return {**figures, "stage": stage, "loss": loss}


def curves(stages: Sequence[Mapping[str, Any]], chosen: int) -> Markup:
    """The curves of figures by stage; the stage that the page is about is ringed. Empty if there are too few stages."""
    drawn = []
    for title, unit, names in PANELS:
        known = [line_of(label, "stage", name, [stages], chosen) for name, label in names.items()]
        lines = [line for line in known if line is not None and len(line.x) >= LEAST_POINTS]
        if lines:
            panel = Panel(title, "stage", unit, lines, by_stage=True, counts=title == "Clusters")
            drawn.append(chart(panel))
    return joined(*drawn)


def warnings_of(lineage: Sequence[Listed]) -> list[str]:
    """What the artifacts of a `lineage` had to say, what their dataset lacks, and parents that are gone; each once."""
    told: dict[str, None] = {}
    for listed in lineage:
        if listed.artifact is None:
            told[str(listed.problem)] = None
            continue
        manifest = listed.artifact.manifest
        told |= dict.fromkeys(manifest.notes)
        if isinstance(manifest, DatasetManifest):
            told |= dict.fromkeys(_of_dataset(manifest))
    return list(told)


def _of_dataset(manifest: DatasetManifest) -> list[str]:
    summary = manifest.summary
    lines = [f"samples without {column}: {count}" for column, count in summary.missing.items() if count]
    lines += [
        f"files with the ending {suffix} that were left out: {count}" for suffix, count in summary.left_out.items()
    ]
    lines += [
        f"train and test share {kind.replace('_', ' ')}: {count}" for kind, count in summary.leaks.items() if count
    ]
    return [*lines, *(f"{image.path} was left out: {image.reason}" for image in summary.skipped)]


def what_was_run(lineage: Sequence[Listed], root: Path) -> Markup:
    """The artifacts of a `lineage` in the run at `root` as a table, then each with its command, parameters and libraries."""
    found = [listed.artifact for listed in lineage if listed.artifact is not None]
    names = [artifact.path.relative_to(root).as_posix() for artifact in found]
    rows = [
        (
            name,
            each.manifest.id[:12],
            each.manifest.created,
            f"{each.manifest.wall_seconds:.1f}",
            _device(each.manifest),
        )
        for name, each in zip(names, found, strict=True)
    ]
    details = [_details(name, artifact.manifest) for name, artifact in zip(names, found, strict=True)]
    return joined(table(("artifact", "id", "created", "seconds", "ran on"), rows), *details)


def _device(manifest: AnyManifest) -> str:
    return f"{manifest.execution.device}, {manifest.execution.backend}, {manifest.execution.precision}"


def _details(name: str, manifest: AnyManifest) -> Markup:
    parts: dict[str, Mapping[str, Any]] = {
        "parameters": manifest.parameters.model_dump(mode="json", by_alias=True),
        "figures": manifest.summary.model_dump(mode="json"),
        "seeds": manifest.seeds,
        "versions": manifest.versions,
    }
    command = element("p", element("code", " ".join(manifest.command) or "no command recorded"))
    made_from = ", ".join(f"{parent.location} ({parent.id[:12]})" for parent in manifest.parents)
    lists = [joined(element("h4", title), _list(values)) for title, values in parts.items() if values]
    origin = element("p", f"Made from {made_from}.") if made_from else Markup()
    return element("details", element("summary", name), command, origin, *lists)


def _list(values: Mapping[str, Any]) -> Markup:
    """Values by name; those that are None or empty are left out."""
    pairs = [(name, value) for name, value in values.items() if value not in (None, {}, [], ())]
    cells = [joined(element("dt", name), element("dd", _shown(value))) for name, value in pairs]
    return element("dl", *cells)


def _shown(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
