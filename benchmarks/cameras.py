"""What cameras do to a run, and what `--camera auto` makes of it, on data sets with and without looks of cameras.

    python -m benchmarks.cameras --weights mobilenet_v2-imagenet.safetensors --out record \\
        --people 78 --test-people 60 --people-height 80 --spare \\
        --market eth80=DATA/eth80-market:48x48:0.175:0.5 --market eth80-looks-1=CAST:48x48:0.175:0.5 \\
        --market two-cameras-1=TWO:48x48:1:0.5 \\
        --table vehicles=DATA/vehicles:48x48:0.28:0.7 --table nyala=NYALA:48x72:0.2:0.5

CAST is a copy of a data set in Market-1501's layout in which each camera has a look of its own; TWO holds of it, for each
folder and object, the first eight pictures by cameras 1 and 3. After a set's folder come the size of its images and the shares
of its train and test identities; with --spare, a table's train identities that are not trained on are test ones, too, so that
more queries are counted. Two cameras of drawn people, easy and hard, are always there. Everything lands in --out, nothing in
the repository; the table is written anew after each run, of what is there, and the same command goes on where it
stopped. Seeds are those of training; the initial network is the same.

Each way is a run of the recipe tuned, but `paper`, in nine stages that each merge 10 %; tuned trains in the last four.
Clusterers find the number of clusters themselves: they make and train two stages, by half as many epochs. Figures are those of
the last stage, mean and standard deviation over seeds, beside the features before any training, whitened as `--camera
ignored` does, and beside the same network trained as long on the true identities. `init`, `chosen` and `best` are the mAP
of the initial stage, of the stage chosen without identities and of the best one; `least gain` is the smallest of chosen −
init over seeds.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict, replace
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from benchmarks.experiment_cells import one_thread, place_of, read_result, run_and_keep
from benchmarks.experiment_sets import (
    QUICK,
    DataSet,
    Size,
    eth80_market,
    two_cameras,
    vehicles,
    with_merge,
    with_recipe,
)
from benchmarks.known_identities import trained_on_identities
from schemas.stage_names import INIT_STAGE
from stages.compare.cells import Cell, CellResult
from stages.compare.text import markdown_table
from stages.loop.plan import Plan

SHOWN = ("rank1", "mAP", "ari", "same_camera_merges", "n_clusters")
HEAD = ("set", "way", "seeds", *SHOWN, "identities", "init", "chosen", "best", "least gain")
CEILING = "trained on true identities"
CLUSTERED_STAGES = 2
"""Of a clusterer that finds their number itself."""


def main() -> None:
    """Run all ways on all sets, seed after seed, and write the table of what is there."""
    arguments = _arguments()
    arguments.out.mkdir(parents=True, exist_ok=True)
    started = time.perf_counter()
    data_sets = _data_sets(arguments)
    for data in data_sets:
        print(f"{data.name}: {data.told}", flush=True)
    with ProcessPoolExecutor(arguments.jobs, get_context("spawn"), one_thread) as pool:
        waiting = [pool.submit(*job) for job in _missing(data_sets, arguments)]
        for future in as_completed(waiting):
            print(f"  {future.result()}, {time.perf_counter() - started:.0f} s since the start", flush=True)
            _write_table(data_sets, arguments)
    _write_table(data_sets, arguments)


def _missing(data_sets: Sequence[DataSet], arguments: argparse.Namespace) -> list[tuple[Callable[..., str], Any, Any]]:
    """What is to be computed: a function and its arguments each; the seeds one after the other."""
    jobs: list[tuple[Callable[..., str], Any, Any]] = []
    for seed in arguments.seeds:
        for data in data_sets:
            cells = _cells(data, arguments.ways or list(_ways(data.plan)), seed)
            jobs += [(run_and_keep, data, cell) for cell in cells if not place_of(data, cell).is_file()]
            if CEILING in (arguments.ways or [CEILING]) and not _ceiling_place(data, seed).is_file():
                jobs.append((_keep_ceiling, data, seed))
    return jobs


def _cells(data: DataSet, ways: Sequence[str], seed: int) -> list[Cell]:
    plans = _ways(data.plan)
    return [
        Cell("", replace(plans[way], train={**plans[way].train, "seed": seed}), {"way": way, "seed": seed})
        for way in ways
        if way != CEILING
    ]


def _ceiling_place(data: DataSet, seed: int) -> Path:
    return data.results / f"ceiling-{seed}.json"


def _keep_ceiling(data: DataSet, seed: int) -> str:
    started = time.perf_counter()
    place = _ceiling_place(data, seed)
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text(json.dumps(trained_on_identities(data, seed=seed)))
    return f"{data.name} {CEILING}, seed {seed}: {time.perf_counter() - started:.0f} s"


def _ways(plan: Plan) -> dict[str, Plan]:
    tuned = with_recipe(plan, "tuned")
    unnormed = tuned.extract.model_copy(update={"camera_norm": "off"})
    alike = replace(tuned, extract=unnormed, evaluate=tuned.evaluate.model_copy(update={"camera": "ignored"}))
    return {
        "--camera auto": tuned,
        "--camera ignored": with_merge(alike, camera="ignored"),
        "--camera-norm off --no-flip": replace(tuned, extract=plan.extract),
        **{f"--clusterer {name}": _clustered(tuned, name) for name in ("dbscan", "finch", "hdbscan")},
        "--camera penalty --camera-weight 0.5": with_merge(alike, camera="penalty", camera_weight=0.5),
        "--camera centring": with_merge(alike, camera="centring"),
        "--recipe paper": with_recipe(plan, "paper"),
    }


def _clustered(tuned: Plan, clusterer: str) -> Plan:
    """Stages of another clusterer, all trained: tuned waits for merges to make clusters of some size, which it need not."""
    epochs = {**tuned.train, "epochs": 2}
    merged = with_merge(tuned, clusterer=clusterer, merge_percent=0.45)
    return replace(merged, stages=CLUSTERED_STAGES, train=epochs, stage0_epochs=0)


def _write_table(data_sets: Sequence[DataSet], arguments: argparse.Namespace) -> None:
    rows: list[list[str]] = []
    record: dict[str, Any] = {}
    for data in data_sets:
        by_way = {way: _kept(data, way, arguments.seeds) for way in _ways(data.plan)}
        by_way = {way: results for way, results in by_way.items() if results}
        places = [_ceiling_place(data, seed) for seed in arguments.seeds]
        ceiling = [json.loads(place.read_text()) for place in places if place.is_file()]
        blind = by_way.get("--camera ignored", [])
        if blind:
            first = next(metrics for metrics in blind[0].stages if metrics["stage"] == INIT_STAGE)
            rows.append([data.name, "before training", "", *_figures([first])])
        rows += [_row(data.name, way, results) for way, results in by_way.items()]
        if ceiling:
            rows.append([data.name, CEILING, str(len(ceiling)), *_figures(ceiling)])
        record[data.name] = {
            "told": data.told,
            "results": [asdict(result) for results in by_way.values() for result in results],
            "ceiling": ceiling,
        }
    width = max(map(len, rows), default=0)
    full = [[*row, *[""] * (width - len(row))] for row in rows]
    (arguments.out / "cameras.md").write_text(markdown_table(HEAD, full))
    (arguments.out / "cameras.json").write_text(json.dumps(record, indent=1))


def _kept(data: DataSet, way: str, seeds: Sequence[int]) -> list[CellResult]:
    cells = [cell for seed in seeds for cell in _cells(data, [way], seed)]
    return [read_result(data, cell) for cell in cells if place_of(data, cell).is_file()]


def _row(name: str, way: str, results: Sequence[CellResult]) -> list[str]:
    last = [result.stages[-1] for result in results]
    init, chosen, best = zip(*(_three(result) for result in results), strict=True)
    gains = [after - before for before, after in zip(init, chosen, strict=True)]
    of_choice = [_spread(init), _spread(chosen), _spread(best), f"{min(gains):+.3f}"]
    return [name, way, str(len(results)), *_figures(last), str(last[0]["n_identities"]), *of_choice]


def _three(result: CellResult) -> tuple[float, float, float]:
    """mAP at the initial, the chosen and the best stage; if none was chosen, that of the last stands for it."""
    found = {metrics["stage"]: float(metrics["mAP"]) for metrics in result.stages}
    chosen = result.stages[-1]["stage"] if result.chosen is None else result.chosen
    return found[INIT_STAGE], found[chosen], max(found.values())


def _figures(stages: Sequence[Mapping[str, Any]]) -> list[str]:
    return [
        _spread([metrics.get(name) for metrics in stages], digits=0 if name == "n_clusters" else 3) for name in SHOWN
    ]


def _spread(values: Sequence[float | None], *, digits: int = 3) -> str:
    known = [value for value in values if value is not None]
    if not known:
        return "–"
    mean, deviation = statistics.mean(known), statistics.stdev(known) if len(known) > 1 else 0.0
    return f"{mean:.{digits}f}" + (f" ± {deviation:.{digits}f}" if round(deviation, digits) else "")


def _data_sets(arguments: argparse.Namespace) -> list[DataSet]:
    return [
        *(_photographs(given, eth80_market, arguments) for given in arguments.market),
        *(_photographs(given, vehicles, arguments) for given in arguments.table),
        *(_people(name, difficulty, arguments) for name, difficulty in (("people-easy", 0.5), ("people-hard", 1.0))),
    ]


def _photographs(given: str, made: Callable[..., DataSet], arguments: argparse.Namespace) -> DataSet:
    """The data set of NAME=FOLDER[:HEIGHTxWIDTH[:TRAIN:TEST]]."""
    name, place = given.split("=")
    folder, shape, *shares = [*place.split(":"), "64x64"][: max(2, place.count(":") + 1)]
    height, width = map(int, shape.split("x"))
    size = QUICK if arguments.quick else Size(*(map(float, shares or ("0.5", "0.5"))), height=height)
    size = replace(size, spare=made is vehicles and arguments.spare)
    return made(Path(folder), arguments.weights, arguments.out, size, name=name, width=size.height * width // height)


def _people(name: str, difficulty: float, arguments: argparse.Namespace) -> DataSet:
    size = (
        QUICK
        if arguments.quick
        else Size(people=arguments.people, test_people=arguments.test_people, height=arguments.people_height)
    )
    return two_cameras(name, arguments.weights, arguments.out, replace(size, difficulty=difficulty))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    told = "=FOLDER[:HEIGHTxWIDTH[:TRAIN:TEST]]"
    parser.add_argument("--weights", type=Path, required=True, help="ImageNet weights of MobileNetV2")
    parser.add_argument("--market", action="append", default=[], help=f"NAME{told} in Market-1501's layout; repeat")
    parser.add_argument("--table", action="append", default=[], help=f"NAME{told} with samples.csv; repeat")
    parser.add_argument("--people", type=int, default=60, help="how many people are drawn")
    parser.add_argument("--test-people", type=int, help="how many of them are searched; two fifths by default")
    parser.add_argument(
        "--spare", action="store_true", help="of a table, train identities that are not trained on are searched too"
    )
    parser.add_argument("--people-height", type=int, default=128, help="of their images, twice as high as wide")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seeds", type=lambda text: tuple(map(int, text.split(","))), default=(0, 1, 2))
    parser.add_argument(
        "--ways", action="append", default=[], help="of the table, as it names them; all by default; repeat"
    )
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument(
        "--quick", action="store_true", help="tiny sets: shows that everything runs, not what is better"
    )
    return parser.parse_args()


if __name__ == "__main__":
    main()
