"""What cameras do to a run, and what `--camera auto` makes of it, on data sets with and without looks of cameras.

    python -m benchmarks.cameras --weights mobilenet_v2-imagenet.safetensors --market eth80=DATA/eth80-market \
        --market looks=CAST --table vehicles=DATA/vehicles --table nyala=NYALA:64x96 --out record --jobs 2

CAST is a copy of a data set in Market-1501's layout in which each camera has a look of its own. Everything lands in --out,
nothing in the repository, and the same command goes on where it stopped. Two cameras of drawn people, easy and hard, are
always there. Each way is a run of the recipe tuned, but `paper`; figures are those of the last stage, mean and standard
deviation over seeds, beside the features before any training, whitened as `--camera ignored` does, and beside the same
network trained as long on the true identities.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from benchmarks.experiment_cells import kept_results
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
from stages.compare.ablation import with_seed
from stages.compare.cells import Cell, CellResult, Figures
from stages.compare.text import markdown_table
from stages.loop.run_stages import Plan

SHOWN = ("rank1", "mAP", "ari", "same_camera_merges")


def main() -> None:
    """Run all ways on all sets and write the table."""
    arguments = _arguments()
    arguments.out.mkdir(parents=True, exist_ok=True)
    started = time.perf_counter()
    rows: list[list[str]] = []
    record: dict[str, Any] = {}
    for data in _data_sets(arguments):
        print(f"{data.name}: {data.told}", flush=True)
        cells = [
            Cell("", with_seed(plan, seed), {"way": way, "seed": seed})
            for way, plan in _ways(data.plan).items()
            for seed in arguments.seeds
        ]
        results = kept_results(data, cells, out=arguments.out, n_jobs=arguments.jobs)
        ceiling = [trained_on_identities(data, seed=seed) for seed in arguments.seeds]
        rows += [*_rows(data, results), [data.name, "trained on true identities", *_cells(ceiling)]]
        record[data.name] = {"told": data.told, "results": [asdict(result) for result in results], "ceiling": ceiling}
        head = ("set", "way", *SHOWN)
        (arguments.out / "cameras.md").write_text(markdown_table(head, rows))
        (arguments.out / "cameras.json").write_text(json.dumps(record, indent=1))
    print(f"{arguments.out / 'cameras.md'}: {time.perf_counter() - started:.0f} s")


def _ways(plan: Plan) -> dict[str, Plan]:
    tuned = with_recipe(plan, "tuned")
    alike = replace(tuned, evaluate=tuned.evaluate.model_copy(update={"camera": "ignored"}))
    return {
        "--camera auto": tuned,
        "--camera ignored": with_merge(alike, camera="ignored"),
        "--camera penalty --camera-weight 0.5": with_merge(alike, camera="penalty", camera_weight=0.5),
        "--camera centring": with_merge(alike, camera="centring"),
        "--recipe paper": with_recipe(plan, "paper"),
    }


def _rows(data: DataSet, results: Sequence[CellResult]) -> list[list[str]]:
    by_way: dict[str, list[CellResult]] = {}
    for result in results:
        by_way.setdefault(result.setting["way"], []).append(result)
    before = [_at(result, INIT_STAGE) for result in by_way["--camera ignored"]]
    rows = [[data.name, "before training", *_cells(before)]]
    return rows + [
        [data.name, way, *_cells([result.stages[-1] for result in members])] for way, members in by_way.items()
    ]


def _at(result: CellResult, stage: int) -> Figures:
    return next(figures for figures in result.stages if figures["stage"] == stage)


def _cells(stages: Sequence[Figures]) -> list[str]:
    return [_spread([figures.get(name) for figures in stages]) for name in SHOWN]


def _spread(values: Sequence[float | None]) -> str:
    known = [value for value in values if value is not None]
    if not known:
        return "–"
    return f"{statistics.mean(known):.3f}" + (f" ± {statistics.stdev(known):.3f}" if len(known) > 1 else "")


def _data_sets(arguments: argparse.Namespace) -> Iterator[DataSet]:
    size = QUICK if arguments.quick else Size(test_share=0.5)
    for given in arguments.market:
        name, folder = given.split("=")
        yield eth80_market(Path(folder), arguments.weights, arguments.out, size, name=name)
    for given in arguments.table:
        name, place = given.split("=")
        folder, _, shape = place.partition(":")
        height, width = (int(side) for side in (shape or "64x64").split("x"))
        yield vehicles(
            Path(folder), arguments.weights, arguments.out, replace(size, height=height), name=name, width=width
        )
    for name, difficulty in (("people-easy", 0.5), ("people-hard", 1.0)):
        people = replace(size, difficulty=difficulty, height=32 if arguments.quick else 128)
        yield two_cameras(name, arguments.weights, arguments.out, people)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--weights", type=Path, required=True, help="ImageNet weights of MobileNetV2")
    parser.add_argument(
        "--market", action="append", default=[], help="NAME=FOLDER in Market-1501's layout; again for more"
    )
    parser.add_argument("--table", action="append", default=[], help="NAME=FOLDER[:HEIGHTxWIDTH] with samples.csv")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seeds", type=lambda text: tuple(map(int, text.split(","))), default=(0, 1, 2))
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument(
        "--quick", action="store_true", help="tiny sets: shows that everything runs, not what is better"
    )
    return parser.parse_args()


if __name__ == "__main__":
    main()
