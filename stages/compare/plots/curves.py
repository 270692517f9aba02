"""Curves of runs: quality against stages, clusters and swept values, with bands over seeds."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from typing import Any

from stages.compare.grid import setting_text
from stages.compare.plots.panels import Panel, Series

Stage = Mapping[str, Any]
"""The metrics of a stage by name; None if the data cannot give them."""

NAMES = {
    "rank1": "rank-1",
    "mAP": "mAP",
    "ari": "ARI",
    "loss": "loss",
    "n_clusters": "clusters",
    "nmi": "NMI",
    "cluster_silhouette": "cluster-silhouette",
}


def against_stage(
    name: str, runs: Mapping[str, Sequence[Sequence[Stage]]], *, chosen: Mapping[str, int] | None = None
) -> Panel:
    """A metric against the stage; `runs` holds, for each label, runs that differ in their seed. `chosen` stages get a ring."""
    lines = [line_of(label, "stage", name, members, (chosen or {}).get(label)) for label, members in runs.items()]
    return Panel(
        f"{NAMES[name]} by stage", "stage", NAMES[name], _drawn(lines), by_stage=True, counts=name == "n_clusters"
    )


def against_clusters(name: str, runs: Mapping[str, Sequence[Sequence[Stage]]]) -> Panel:
    """A metric against the number of clusters from stage 0 on, falling as stages go by, on a logarithmic axis."""
    merged = {label: [_from_zero(stages) for stages in members] for label, members in runs.items()}
    lines = [line_of(label, "n_clusters", name, members, None) for label, members in merged.items()]
    title = f"{NAMES[name]} by number of clusters"
    return Panel(title, "clusters", NAMES[name], _drawn(lines), is_log=True, is_falling=True)


def against_value(
    name: str, parameter: str, outcomes: Mapping[str, Sequence[tuple[Any, float | None, float | None]]]
) -> Panel:
    """A metric against the values of a swept parameter: for each label (value, mean, deviation).

    Values are equally spaced, numbers in ascending order, because lists such as 0, 0.01, 0.1 fit no scale; names have no
    order, so that points of them are not joined.
    """
    values = dict.fromkeys(value for points in outcomes.values() for value, _, _ in points)
    is_scale = all(isinstance(value, int | float) for value in values)
    ticks = [setting_text(value) for value in (sorted(values) if is_scale else values)]
    lines = []
    for label, points in outcomes.items():
        known = [(ticks.index(setting_text(x)), mean, spread or 0.0) for x, mean, spread in points if mean is not None]
        if known:
            x, y, deviation = zip(*sorted(known), strict=True)
            lines.append(Series(label, x, y, deviation))
    return Panel(f"{NAMES[name]} by {parameter}", parameter, NAMES[name], lines, ticks=ticks, joined=is_scale)


def line_of(
    label: str, x_name: str, y_name: str, members: Sequence[Sequence[Stage]], chosen: int | None
) -> Series | None:
    """Mean and deviation over `members` of a metric, at each stage that all of them have; None if there is no such stage."""
    by_stage: dict[int, list[Stage]] = {}
    for stages in members:
        for metrics in stages:
            if metrics.get(y_name) is not None:
                by_stage.setdefault(metrics["stage"], []).append(metrics)
    shared = [stage for stage in sorted(by_stage) if len(by_stage[stage]) == len(members)]
    if not shared:
        return None
    x = [statistics.fmean(metrics[x_name] for metrics in by_stage[stage]) for stage in shared]
    y = [statistics.fmean(metrics[y_name] for metrics in by_stage[stage]) for stage in shared]
    spread = [_deviation([metrics[y_name] for metrics in by_stage[stage]]) for stage in shared]
    return Series(label, x, y, spread, [shared.index(chosen)] if chosen in shared else [])


def _drawn(lines: Sequence[Series | None]) -> list[Series]:
    return [line for line in lines if line is not None]


def _from_zero(stages: Sequence[Stage]) -> list[Stage]:
    later = [metrics for metrics in stages if metrics["stage"] >= 0]
    return later if later and later[0]["stage"] == 0 else [*stages[:1], *later]


def _deviation(values: Sequence[float]) -> float:
    return statistics.stdev(values) if len(values) > 1 else 0.0
