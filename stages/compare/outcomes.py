"""What compared runs gave, at the best, the last and the chosen stage, with mean and standard deviation over seeds."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from schemas.stage_names import INIT_STAGE, stage_label, with_json_stages
from stages.compare.cells import CellResult, Metrics
from stages.compare.grid import setting_text
from stages.wording import so_many

LOPSIDED = 0.5
"""The share of the samples in one cluster from which on a table says so."""

COUNTS = ("stage", "n_clusters")
"""Those of `METRICS` that are whole numbers, of one seed."""

METRICS = ("stage", "n_clusters", "rank1", "rank5", "rank10", "mAP", "ari")
"""The columns of a table of outcomes, by name."""

UNLABELLED = ("stage", "n_clusters", "cluster_silhouette", "separation")
"""The same if no identities are known."""

ALL_METRICS = (*METRICS, *UNLABELLED[2:])
"""What a line holds, whatever its table shows."""

AT = ("best", "last", "auto")
"""The stages that lines of a table show: the one with the best mAP, the last one, and the one chosen without identities."""

MEANING = {
    "best": "best: the stage from 1 on with the best mAP, as known identities say",
    "last": "last: the last stage",
    "auto": "auto: the stage that dbc select chooses, without identities",
}
"""What each of `AT` is, for the foot of a table."""


_Key: TypeAlias = tuple[tuple[str, Any], ...]
"""A setting without its seed."""


@dataclass(frozen=True)
class Spread:
    """Mean and sample standard deviation over seeds; the latter is None for one seed, both if a metric is unknown."""

    mean: float | None
    deviation: float | None
    n: int


@dataclass(frozen=True)
class OutcomeLine:
    """A line of a table: a setting, which stage of it, and the spread of each of `ALL_METRICS`."""

    setting: Mapping[str, Any]
    at: str
    metrics: Mapping[str, Spread]


def meanings(lines: Sequence[OutcomeLine]) -> str:
    """What the stages that `lines` show are, and of how many seeds figures are, for the foot of a table.

    Nothing of the stages if each has its last one alone, nor of seeds if no figure is of several; "" if neither is told.
    """
    shown = {line.at for line in lines}
    told = [] if shown <= {"last"} else [meaning for at, meaning in MEANING.items() if at in shown]
    seeds = {spread.n for line in lines for spread in line.metrics.values() if spread.deviation is not None}
    if seeds:
        n_seeds = f"{min(seeds)} to {max(seeds)}" if len(seeds) > 1 else f"{max(seeds)}"
        told.append(f"mean ± standard deviation (n − 1) of {n_seeds} seeds")
    return "; ".join(told)


def lines(results: Sequence[CellResult]) -> list[OutcomeLine]:
    """The table of `results`: the initial stage and stage 0, then three lines a setting, seeds put together.

    None is of the best stage if no identities are known, which would say it.
    """
    groups = _by_setting(results)
    is_labelled = any(tells_identities(metrics) for result in results for metrics in result.stages)
    found = _start_lines(groups, METRICS if is_labelled else UNLABELLED)
    for key, members in groups.items():
        for at in AT if is_labelled else AT[1:]:
            rows = [metrics for result in members if (metrics := stage_at(result, at)) is not None]
            if rows:
                found.append(OutcomeLine(dict(key), at, _spreads(rows)))
    return found


def tells_identities(metrics: Mapping[str, Any]) -> bool:
    """Whether one of the figures that need identities is known."""
    return any(metrics[name] is not None for name in METRICS if name not in COUNTS)


def shown_metrics(lines: Sequence[OutcomeLine]) -> tuple[str, ...]:
    """The columns of a table of `lines`: `METRICS`, or `UNLABELLED` if none of its lines knows identities."""
    is_labelled = any(tells_identities({n: spread.mean for n, spread in line.metrics.items()}) for line in lines)
    return METRICS if is_labelled else UNLABELLED


def last_lines(results: Sequence[CellResult]) -> list[OutcomeLine]:
    """A line a setting, in the order of `results`: its last stage, whichever that is, seeds put together."""
    groups = _by_setting(results).items()
    return [
        OutcomeLine(dict(key), "last", _spreads([result.stages[-1] for result in members])) for key, members in groups
    ]


def _by_setting(results: Sequence[CellResult]) -> dict[_Key, list[CellResult]]:
    groups: dict[_Key, list[CellResult]] = {}
    for result in results:
        key = tuple((name, value) for name, value in result.setting.items() if name != "seed")
        groups.setdefault(key, []).append(result)
    return groups


def stage_at(result: CellResult, at: str) -> Metrics | None:
    """The metrics of the 'best' (by mAP, else by ARI; the earlier of two equal ones), 'last' or 'auto' stage.

    The first two from stage 1 on; 'auto' is the stage chosen without identity labels, which may be an earlier one. None if
    there is no such stage.
    """
    merged = [metrics for metrics in result.stages if metrics["stage"] > 0]
    if at == "auto":
        return next((metrics for metrics in result.stages if metrics["stage"] == result.chosen), None)
    if not merged:
        return None
    if at == "last":
        return merged[-1]
    # merging alone leaves mAP as it is; there the partition decides
    return max(merged, key=lambda metrics: (_known(metrics["mAP"]), _known(metrics["ari"]), -metrics["stage"]))


def _known(value: float | None) -> float:
    return -math.inf if value is None else value


def line_fields(line: OutcomeLine) -> dict[str, Any]:
    """A line as flat fields: its setting, `at`, and each metric with its standard deviation beside it; 'init' as stage."""
    fields: dict[str, Any] = {**line.setting, "at": line.at, "seeds": line.metrics["stage"].n}
    for name, spread in line.metrics.items():
        is_count = name in COUNTS and spread.mean is not None and spread.mean.is_integer()
        fields[name] = int(spread.mean) if is_count and spread.mean is not None else spread.mean
        fields[f"{name}_std"] = spread.deviation
    return with_json_stages(fields)


def lopsided(results: Sequence[CellResult]) -> list[str]:
    """A line about each setting of which the table shows a stage where one cluster holds a share of `LOPSIDED` or more."""
    told: dict[str, str] = {}
    for result in results:
        label, shown = label_of(result.setting), [stage_at(result, at) for at in AT]
        found = next((each for each in shown if each is not None and each["largest_share"] >= LOPSIDED), None)
        if found is None:
            continue
        advice = (
            "; a smaller `eps` joins less" if "dbscan" in result.setting.values() or "eps" in result.setting else ""
        )
        told[label] = (
            f"{label}: the largest of {so_many(found['n_clusters'], 'cluster')} holds {found['largest_share']:.0%} "
            f"of the samples at stage {found['stage']}, so look at them before you compare figures{advice}"
        )
    return [*told.values()]


def before_and_after_merges(results: Sequence[CellResult]) -> list[str]:
    """A line about each setting whose seeds chose stages before the first merge and after it: one mean is of both."""
    told = []
    for key, members in _by_setting(results).items():
        stages = sorted({result.chosen for result in members if result.chosen is not None})
        if len(stages) > 1 and stages[0] < 1:
            names = ", ".join(stage_label(stage) for stage in stages)
            told.append(
                f"{label_of(dict(key))}: dbc select chose stages {names}, by seed, so means at auto are over single samples "
                "and clusters; --json has each seed"
            )
    return told


def _start_lines(groups: Mapping[_Key, Sequence[CellResult]], shown: Sequence[str]) -> list[OutcomeLine]:
    """The stages before the first merge, seeds together: one line if `shown` is the same in all, else one for each.

    What else differs is left out of a line for all: separation is measured by λ, which other figures there do not depend on.
    """
    found = []
    for stage in (INIT_STAGE, 0):
        by_setting = {key: _by_seed(members, stage) for key, members in groups.items()}
        there = {key: rows for key, rows in by_setting.items() if rows}
        every = {seed: row for rows in there.values() for seed, row in rows.items()}
        if all(
            row.get(n) == every[seed].get(n) for rows in there.values() for seed, row in rows.items() for n in shown
        ):
            every = {seed: {n: _common(n, seed, there.values()) for n in row} for seed, row in every.items()}
            there = {(): every} if every else {}
        at = f"stage {stage_label(stage)}"
        found += [OutcomeLine(dict(key), at, _spreads(_once(list(rows.values())))) for key, rows in there.items()]
    return found


def _common(name: str, seed: int, members: Iterable[Mapping[int, Metrics]]) -> Any:
    """The figure that all settings in `members` have of a `seed`, None if they differ."""
    found = [rows[seed].get(name) for rows in members if seed in rows]
    return found[0] if all(each == found[0] for each in found) else None


def _once(rows: list[Metrics]) -> list[Metrics]:
    """The first of `rows` if all say the same in every digit: what pretrained weights give has no spread over seeds."""
    return rows[:1] if all(row == rows[0] for row in rows) else rows


def _by_seed(members: Sequence[CellResult], stage: int) -> dict[int, Metrics]:
    return {
        result.setting.get("seed", 0): metrics
        for result in members
        for metrics in result.stages
        if metrics["stage"] == stage
    }


def _spreads(rows: Sequence[Metrics]) -> dict[str, Spread]:
    found = {name: spread_of([row.get(name) for row in rows]) for name in ALL_METRICS}
    stages = {row["stage"] for row in rows}
    if INIT_STAGE in stages and len(stages) > 1:
        # it is a name, not a number to take a mean of
        found["stage"] = Spread(None, None, len(rows))
    return found


def spread_of(values: Sequence[float | None]) -> Spread:
    """Over those of `values` that are known."""
    known = [value for value in values if value is not None]
    if not known:
        return Spread(None, None, len(values))
    return Spread(statistics.fmean(known), statistics.stdev(known) if len(known) > 1 else None, len(values))


def runs_by_label(results: Sequence[CellResult]) -> dict[str, list[tuple[Metrics, ...]]]:
    """The stages of all results by the label of their setting; those that differ only in their seed are together."""
    found: dict[str, list[tuple[Metrics, ...]]] = {}
    for result in results:
        found.setdefault(label_of(result.setting), []).append(result.stages)
    return found


def chosen_by_label(results: Sequence[CellResult]) -> dict[str, int]:
    """The stage that was chosen, for each label whose seeds all chose the same."""
    found: dict[str, set[int | None]] = {}
    for result in results:
        found.setdefault(label_of(result.setting), set()).add(result.chosen)
    alike = {label: next(iter(stages)) for label, stages in found.items() if len(stages) == 1}
    return {label: stage for label, stage in alike.items() if stage is not None}


def by_value(results: Sequence[CellResult], parameter: str, metric: str) -> dict[str, list[tuple[Any, Any, Any]]]:
    """A metric by the value of `parameter` at each of `AT`: (value, mean, deviation over seeds).

    Other swept parameters give lines of their own, each at the stage chosen without identities alone, or the last if none is.
    """
    drawn = [line for line in lines(results) if line.at in AT and parameter in line.setting]
    several = any(len(line.setting) > 1 for line in drawn)
    one = next((at for at in ("auto", "last") if any(line.at == at for line in drawn)), "")
    found: dict[str, list[tuple[Any, Any, Any]]] = {}
    for line in drawn:
        if not several or line.at == one:
            others = label_of({name: value for name, value in line.setting.items() if name != parameter})
            spread = line.metrics[metric]
            label = f"{others}, {line.at}" if several else line.at
            found.setdefault(label, []).append((line.setting[parameter], spread.mean, spread.deviation))
    return found


def label_of(setting: Mapping[str, Any]) -> str:
    """A setting as a legend names it, without its seed."""
    parts = [value for name, value in setting.items() if name == "variant"]
    parts += [f"{name} {setting_text(value)}" for name, value in setting.items() if name not in ("variant", "seed")]
    return ", ".join(parts) or "all"
