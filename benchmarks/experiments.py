"""The experimental record: ablations, recipes, curves and stop rules on three data sets, as Markdown, JSON and pictures.

    python -m benchmarks.experiments --eth80 DATA/eth80-market --vehicles DATA/vehicles \
        --weights mobilenet_v2-imagenet.safetensors --out record

Everything lands in --out, nothing in the repository. What is done is kept: the same command goes on where it stopped.
Data sets whose flag is not given are left out; the drawn people are always there.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from benchmarks.experiment_cells import kept_results
from benchmarks.experiment_sets import (
    QUICK,
    DataSet,
    Size,
    drawn_people,
    eth80_market,
    vehicles,
    with_merge,
    with_recipe,
    with_training,
)
from schemas.recipes import VARIANTS
from stages.compare.ablation import ablation_cells, with_seed
from stages.compare.cells import Cell, CellResult
from stages.compare.outcomes import METRICS, by_value, chosen_by_label, lines, runs_by_label, stage_at
from stages.compare.plots.panels import save
from stages.compare.plots.sheets import comparison_sheet, value_sheet
from stages.compare.text import markdown, markdown_table
from stages.loop.choice.rules import rule_names
from stages.loop.plan import Plan

RECIPES = ("paper", "auto", "tuned")

QUEUE = 300
"""Embeddings in the queue of OIM: the published 5,000 would hold these small sets many times over."""

LAMBDAS = {"dbc": (0.0, 0.01, 0.05, 0.1, 0.2, 0.5), "buc": (0.0, 0.001, 0.005, 0.01, 0.05)}
TRAINED_LAMBDAS = {"dbc": (0.0, 0.01, 0.1, 0.5), "buc": (0.0, 0.001, 0.005, 0.05)}

NEIGHBOURS = {"eth80-market": 20, "vehicles": 6, "synthetic": 10}
"""k1 of the Jaccard distance: it must not be far above the images of an identity."""


@dataclass(frozen=True)
class Curve:
    """A swept parameter: its name, its values, whether runs are trained, and all else that is fixed."""

    parameter: str
    values: Sequence[Any]
    trained: bool
    note: str = ""
    criterion: str = "dbc"

    @property
    def title(self) -> str:
        """How the record heads it."""
        return (
            f"{self.parameter} ({self.criterion.upper()}, {'tuned, trained' if self.trained else 'auto, merging only'})"
        )


def main() -> None:
    arguments = _arguments()
    out: Path = arguments.out
    out.mkdir(parents=True, exist_ok=True)
    started = time.perf_counter()
    sections: list[str] = []
    record: dict[str, Any] = {}
    for data in _data_sets(arguments):
        print(f"{data.name}: {data.told}", flush=True)
        trained_curves = data.name in arguments.trained_curves.split(",")
        sections.append(f"## {data.name}\n\n{data.told}. Merges of {data.plan.merge.merge_percent:g} a stage.\n")
        text, results = _ablation(data, arguments)
        sections.append(text)
        found: dict[str, Any] = {"ablation": [asdict(result) for result in results]}
        sections.append(_stop_rules(results, "recipe auto"))
        text, compared = _recipes(data, arguments)
        sections.append(text)
        sections.append(_stop_rules([r for r in compared if r.setting["recipe"] == "tuned"], "recipe tuned"))
        found["recipes"] = [asdict(result) for result in compared]
        if data.name in arguments.levers.split(","):
            text, pulled = _levers(data, arguments)
            sections.append(text)
            found["levers"] = [asdict(result) for result in pulled]
        for curve in _curves(arguments, trained=trained_curves):
            text, swept = _curve(data, curve, arguments)
            sections.append(text)
            found[curve.title] = [asdict(result) for result in swept]
        record[data.name] = found
        _write(out, sections, record, arguments, seconds=time.perf_counter() - started)
    print(f"{out / 'record.md'}: {time.perf_counter() - started:.0f} s")


def _data_sets(arguments: argparse.Namespace) -> Iterator[DataSet]:
    size = QUICK if arguments.quick else Size(train_share=arguments.train_share)
    wanted = arguments.sets.split(",")
    if arguments.eth80 is not None and "eth80-market" in wanted:
        yield _prepared(eth80_market(arguments.eth80, arguments.weights, arguments.out, size), arguments)
    if arguments.vehicles is not None and "vehicles" in wanted:
        yield _prepared(vehicles(arguments.vehicles, arguments.weights, arguments.out, size), arguments)
    if "synthetic" in wanted:
        yield _prepared(drawn_people(arguments.out, size), arguments)


def _prepared(data: DataSet, arguments: argparse.Namespace) -> DataSet:
    plan = data.plan
    if arguments.quick:
        plan = with_training(with_merge(plan, merge_percent=0.2), epochs=1)
    return replace(data, untold=plan, plan=with_recipe(plan, "auto"))


def _ablation(data: DataSet, arguments: argparse.Namespace) -> tuple[str, list[CellResult]]:
    cells = ablation_cells(data.plan, variants=tuple(VARIANTS), seeds=arguments.seeds, lambda_=None, buc_lambda=None)
    results = kept_results(data, cells, n_jobs=arguments.jobs)
    figure = comparison_sheet(runs_by_label(results), title=f"{data.name}: ablation", chosen=chosen_by_label(results))
    save(figure, arguments.out / f"{data.name}-ablation")
    head = f"### Ablation, recipe auto, seeds {_told_list(arguments.seeds)}\n\n"
    return f"{head}{markdown(lines(results))}\n![ablation]({data.name}-ablation.png)\n", results


def _recipes(data: DataSet, arguments: argparse.Namespace) -> tuple[str, list[CellResult]]:
    """Both criteria by every recipe, by `tuned` without penalties too, and online instance matching by the published one.

    ResNets once more with a generalised mean. All on the same data and stages.
    """
    cells = []
    for seed in arguments.seeds:
        for recipe in RECIPES:
            for criterion in ("buc", "dbc"):
                plan = with_seed(with_recipe(data.untold, recipe, criterion=criterion), seed)
                cells.append(Cell("", plan, {"recipe": recipe, "method": criterion.upper(), "seed": seed}))
                if recipe == "tuned":
                    bare = {"recipe": recipe, "method": f"{criterion.upper()}⁻", "seed": seed}
                    cells.append(Cell("", with_merge(plan, lambda_=0.0), bare))
        if str(data.untold.initial["backbone"]).startswith("resnet"):
            plan = with_seed(with_recipe(data.untold, "tuned"), seed)
            pooled = replace(plan, initial={**plan.initial, "pooling": "gem"})
            cells.append(Cell("", pooled, {"recipe": "tuned, GeM", "method": "DBC", "seed": seed}))
        matching = with_training(with_recipe(data.untold, "paper"), loss="oim", queue_size=QUEUE)
        cells.append(
            Cell("", replace(with_seed(matching, seed), stages=0), {"recipe": "paper", "method": "OIM", "seed": seed})
        )
    results = kept_results(data, cells, n_jobs=arguments.jobs)
    figure = comparison_sheet(runs_by_label(results), title=f"{data.name}: recipes", chosen=chosen_by_label(results))
    save(figure, arguments.out / f"{data.name}-recipes")
    head = (
        f"### Recipes, trained, seeds {_told_list(arguments.seeds)}\n\nOIM with a queue of {QUEUE}, stage 0 alone.\n\n"
    )
    return f"{head}{markdown(lines(results))}\n![recipes]({data.name}-recipes.png)\n", results


def _levers(data: DataSet, arguments: argparse.Namespace) -> tuple[str, list[CellResult]]:
    """The recipe tuned with one thing changed at a time, DBC."""
    cells = []
    for seed in arguments.seeds:
        plan = with_seed(with_recipe(data.untold, "tuned"), seed)
        cells += [Cell("", other, {"changed": told, "seed": seed}) for told, other in _changes(data, plan).items()]
    results = kept_results(data, cells, n_jobs=arguments.jobs)
    head = f"### The recipe tuned, one thing changed at a time, seeds {_told_list(arguments.seeds)}\n\n"
    return f"{head}{markdown(lines(results))}\n", results


def _changes(data: DataSet, plan: Plan) -> dict[str, Plan]:
    """`plan` as it is, and with each change by what is said of it."""
    unwhitened = with_training(with_merge(plan, whiten=0.0), whiten=0.0)
    return {
        "nothing": plan,
        "--start previous": with_merge(plan, start="previous"),
        "--whiten 0": replace(unwhitened, evaluate=plan.evaluate.model_copy(update={"whiten": 0.0})),
        "--metric jaccard --lambda 0.01": with_merge(plan, metric="jaccard", k1=NEIGHBOURS[data.name], lambda_=0.01),
        "--memory-momentum 0.5": with_training(plan, memory_momentum=0.5),
        "--optimizer adam": with_training(plan, optimizer="adam"),
        "--color-jitter 0.2": with_training(plan, color_jitter=0.2),
    }


def _stop_rules(results: Sequence[CellResult], told: str) -> str:
    """How far the choice of each rule is from the best stage, over all runs given."""
    rows = []
    for rule in rule_names():
        lost: dict[str, list[float]] = {"mAP": [], "ari": []}
        for result in results:
            # the initial stage is a candidate, too
            stages = {figures["stage"]: figures for figures in result.stages}
            chosen = None if (stage := result.chosen_by[rule]) is None else stages.get(stage)
            for name, values in lost.items():
                known = [figures[name] for figures in stages.values() if figures[name] is not None]
                if chosen is not None and known:
                    values.append(max(known) - chosen[name])
        shown = [
            f"{statistics.fmean(values):.3f} | {max(values):.3f}" if values else "– | –" for values in lost.values()
        ]
        rows.append([rule, *" | ".join(shown).split(" | ")])
    head = ["rule", "mAP lost, mean", "largest", "ARI lost, mean", "largest"]
    return f"### Stages chosen without identities, {told}\n\n{markdown_table(head, rows)}"


def _curves(arguments: argparse.Namespace, *, trained: bool) -> list[Curve]:
    cut = slice(0, 6, 3) if arguments.quick else slice(None)
    found = [Curve("lambda", LAMBDAS[criterion][cut], trained=False, criterion=criterion) for criterion in LAMBDAS]
    if not arguments.quick:
        found.append(Curve("merge-percent", (0.05, 0.1, 0.2), trained=False))
    found.append(Curve("intra-normalizer", ("n", "n2"), trained=False))
    found.append(Curve("metric", ("sqeuclidean", "euclidean"), trained=False))
    found.append(Curve("camera", ("ignored", "centring", "penalty"), trained=False, note="by camera ids"))
    found.append(Curve("memory-init", ("centroids", "zeros"), trained=True, note="stage 0 begins with zeros"))
    if trained:
        found += [
            Curve("lambda", TRAINED_LAMBDAS[criterion][cut], trained=True, criterion=criterion)
            for criterion in TRAINED_LAMBDAS
        ]
        if not arguments.quick:
            found.append(Curve("merge-percent", (0.05, 0.1, 0.2), trained=True))
            found.append(Curve("intra-normalizer", ("n", "n2"), trained=True))
            found.append(Curve("metric", ("sqeuclidean", "euclidean"), trained=True))
    return found


def _curve(data: DataSet, curve: Curve, arguments: argparse.Namespace) -> tuple[str, list[CellResult]]:
    recipe = "tuned" if curve.trained else "auto"
    base = replace(with_recipe(data.untold, recipe, criterion=curve.criterion), merge_only=not curve.trained)
    # merging alone has no chance in it where the weights are given: one seed
    draws = curve.trained or data.plan.initial["weights"] == "none"
    seeds = arguments.seeds if draws else arguments.seeds[:1]
    cells = [
        Cell("", with_seed(_changed(base, curve.parameter, value), seed), {curve.parameter: value, "seed": seed})
        for value in curve.values
        for seed in seeds
    ]
    results = kept_results(data, cells, n_jobs=arguments.jobs)
    names = ("mAP", "ari") if curve.trained else ("ari",)
    outcomes = {name: by_value(results, curve.parameter, name) for name in names}
    stem = f"{data.name}-{curve.criterion}-{curve.parameter}-{'trained' if curve.trained else 'merging'}"
    save(value_sheet(curve.parameter, outcomes, title=f"{data.name}: {curve.title}"), arguments.out / stem)
    if curve.trained:
        stages = comparison_sheet(runs_by_label(results), title=f"{data.name}: {curve.title}")
        save(stages, arguments.out / f"{stem}-stages")
    note = f" {curve.note[:1].upper()}{curve.note[1:]}." if curve.note else ""
    head = f"### {curve.title}\n\nSeeds {_told_list(seeds)}.{note} Best: {_best(results, curve)}.\n\n"
    table = markdown(lines(results), metrics=METRICS if curve.trained else ("stage", "n_clusters", "ari"))
    return f"{head}{table}\n![{curve.parameter}]({stem}.png)\n", results


def _best(results: Sequence[CellResult], curve: Curve) -> str:
    """The value whose best stage is best, by mean mAP over seeds, or by ARI where nothing was trained."""
    name = "mAP" if curve.trained else "ari"
    means: dict[Any, list[float]] = {}
    for result in results:
        figures = stage_at(result, "best")
        if figures is not None and figures[name] is not None:
            means.setdefault(result.setting[curve.parameter], []).append(figures[name])
    if not means:
        return "unknown"
    value = max(means, key=lambda value: statistics.fmean(means[value]))
    return f"{curve.parameter} {value} with {'mAP' if curve.trained else 'ARI'} {statistics.fmean(means[value]):.3f}"


def _changed(plan: Plan, parameter: str, value: Any) -> Plan:
    if parameter == "memory-init":
        return with_training(plan, memory_init=value)
    field = {"lambda": "lambda_"}.get(parameter, parameter.replace("-", "_"))
    return with_merge(plan, **{field: value})


def _write(
    out: Path, sections: Sequence[str], record: dict[str, Any], arguments: argparse.Namespace, *, seconds: float
) -> None:
    size = (
        "A quick look, no evidence."
        if arguments.quick
        else f"Share of the train identities of real sets: {arguments.train_share:g}."
    )
    head = (
        "# Experiments\n\n"
        f"Seeds {_told_list(arguments.seeds)}, {arguments.jobs} processes, {seconds:.0f} s of "
        f"this call. {size} Mean ± standard deviation over seeds. `best` is the stage with the best mAP (with the best ARI "
        "where nothing was trained), `auto` the one chosen without identities.\n"
    )
    (out / "record.md").write_text("\n".join([head, *sections]))
    (out / "record.json").write_text(json.dumps(record, indent=1))


def _told_list(values: Sequence[Any]) -> str:
    return ", ".join(map(str, values))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, required=True, help="folder for the record, its pictures and its runs")
    parser.add_argument("--eth80", type=Path, help="folder of eth80-market, in Market-1501's layout")
    parser.add_argument("--vehicles", type=Path, help="folder with the vehicles' samples.csv")
    parser.add_argument("--weights", type=Path, help="ImageNet weights of MobileNetV2")
    parser.add_argument("--seeds", type=lambda text: [int(part) for part in text.split(",")], default=[0, 1, 2])
    parser.add_argument("--sets", default="eth80-market,vehicles,synthetic", help="which data sets")
    parser.add_argument(
        "--trained-curves",
        default="eth80-market",
        help="data sets whose curves are all trained",
    )
    parser.add_argument("--train-share", type=float, default=0.5, help="share of the train identities of real sets")
    parser.add_argument("--levers", default="eth80-market,vehicles", help="data sets whose recipe is taken apart")
    parser.add_argument("--jobs", type=int, default=2, help="runs at a time, each with one thread")
    parser.add_argument("--quick", action="store_true", help="a smoke test: tiny data, two values a curve")
    arguments = parser.parse_args()
    if (arguments.eth80 or arguments.vehicles) and not arguments.weights:
        parser.error("--eth80 and --vehicles need --weights")
    if arguments.quick:
        arguments.seeds = arguments.seeds[:2]
    return arguments


if __name__ == "__main__":
    main()
