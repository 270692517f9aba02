"""Whole sheets of curves: of one run, of runs beside each other, and of a swept parameter."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from stages.compare.plots.curves import NAMES, Stage, against_clusters, against_stage, against_value
from stages.compare.plots.panels import Panel, draw_panels

if TYPE_CHECKING:
    from matplotlib.figure import Figure

CHOSEN = "the stage that dbc select chooses"
WITHOUT = "no identities: no retrieval figures, no ARI"


def run_sheet(stages: Sequence[Stage], *, title: str, chosen: int | None = None) -> Figure:
    """One run: retrieval and ARI by stage, clusters by stage, ARI by clusters, and loss by trained stage.

    Without identities the cluster-silhouette is drawn in place of retrieval and ARI, and the title says so.
    """
    ringed = {} if chosen is None else dict.fromkeys(("rank-1", "mAP", "ARI"), chosen)
    quality = [
        against_stage(name, {label: [stages]}, chosen=ringed)
        for name, label in (("rank1", "rank-1"), ("mAP", "mAP"), ("ari", "ARI"))
    ]
    together = Panel(
        "quality by stage",
        quality[0].x_label,
        "fraction; ARI",
        [series for panel in quality for series in panel.series],
        by_stage=True,
    )
    ringed = {} if chosen is None else {NAMES["cluster_silhouette"]: chosen}
    silhouette = against_stage("cluster_silhouette", {NAMES["cluster_silhouette"]: [stages]}, chosen=ringed)
    panels = [
        together if together.series else silhouette,
        against_stage("n_clusters", {"clusters": [stages]}),
        against_clusters("ari", {"ARI": [stages]}),
        against_stage("loss", {"loss": [stages]}),
    ]
    title = title if together.series else f"{title} ({WITHOUT})"
    return draw_panels([panel for panel in panels if panel.series], title=title, ring=CHOSEN)


def comparison_sheet(
    runs: Mapping[str, Sequence[Sequence[Stage]]], *, title: str, chosen: Mapping[str, int] | None = None
) -> Figure:
    """Runs beside each other: rank-1, mAP and ARI by stage, and ARI by number of clusters; bands are over seeds."""
    panels = [against_stage(name, runs, chosen=chosen) for name in ("rank1", "mAP", "ari")]
    panels.append(against_clusters("ari", runs))
    if not any(panel.series for panel in panels):
        # without identities
        panels = [against_stage(name, runs, chosen=chosen) for name in ("cluster_silhouette", "n_clusters")]
        title = f"{title} ({WITHOUT})"
    return draw_panels(_varied(panels), title=title, ring=CHOSEN if chosen else "")


def value_sheet(
    parameter: str,
    outcomes: Mapping[str, Mapping[str, Sequence[tuple[Any, float | None, float | None]]]],
    *,
    title: str,
) -> Figure:
    """Figures by the values of a parameter; `outcomes` holds for each figure's name its lines by label."""
    panels = [against_value(name, parameter, lines) for name, lines in outcomes.items()]
    return draw_panels(_varied(panels), title=title)


def _varied(panels: Sequence[Panel]) -> list[Panel]:
    """The panels whose values differ (merging alone leaves retrieval the same), else all panels with lines."""
    drawn = [panel for panel in panels if panel.series]
    varied = [panel for panel in drawn if len({y for series in panel.series for y in series.y}) > 1]
    return varied or drawn
