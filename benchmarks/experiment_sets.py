"""The data sets of the experiments, cut to size with links, and what a run on each of them is asked for."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from schemas.choices import PUBLISHED_LAMBDA
from schemas.parameters import (
    EvaluateParameters,
    ExtractParameters,
    IngestParameters,
    MergeParameters,
    SyntheticParameters,
)
from schemas.recipes import evaluation_of, extraction_of, merging_of, network_of
from stages.ingest.stage import ingest
from stages.loop.plan import Plan
from stages.runs.context import Context
from stages.runs.run_directory import RunDirectory, dataset_manifest

MARKET_FOLDERS = ("bounding_box_train", "query", "bounding_box_test")
MARKET_NAME = re.compile(r"(-?\d+)_c\d+")


@dataclass(frozen=True)
class Size:
    """How large the experiments are: shares of the train and test identities, and how people are drawn.

    With `spare`, a table's train identities that are not trained on are test identities too, before their share is taken.
    `test_people` of the `people` are searched, two fifths of them if it is None.
    """

    train_share: float = 0.5
    test_share: float = 1.0
    people: int = 60
    test_people: int | None = None
    spare: bool = False
    height: int = 64
    difficulty: float = 0.7


QUICK = Size(train_share=0.1, test_share=0.1, people=12, height=32)


@dataclass(frozen=True)
class DataSet:
    """A data set as a run directory, the plan of its runs (`untold` without a recipe), and what to say of it."""

    name: str
    run: RunDirectory
    plan: Plan
    untold: Plan
    told: str

    @property
    def results(self) -> Path:
        """The folder of the results of its runs."""
        return self.run.root.parent.parent / "results" / self.name


def eth80_market(
    source: Path, weights: Path, out: Path, size: Size, *, name: str = "eth80-market", width: int | None = None
) -> DataSet:
    """Objects from many views: `source` in Market-1501's layout, the identities cut to size."""
    folder = out / "links" / name
    for part in MARKET_FOLDERS:
        share = size.train_share if part == MARKET_FOLDERS[0] else size.test_share
        files = sorted(path for path in (source / part).iterdir() if MARKET_NAME.match(path.name))
        kept = _some({_market_pid(path) for path in files}, share)
        link((path for path in files if _market_pid(path) in kept), folder / part)
    return _mobilenet(name, folder, "market1501", weights, out, size, width=width)


def vehicles(
    source: Path, weights: Path, out: Path, size: Size, *, name: str = "vehicles", width: int | None = None
) -> DataSet:
    """Vehicles with one image from each of two cameras, or another table: `source` is the folder of `samples.csv`."""
    folder = out / "links" / name
    with (source / "samples.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    train, test = ({int(row["pid"]) for row in rows if (row["split"] == "train") == part} for part in (True, False))
    trained = _some(train, size.train_share)
    tested = _some(test | (train - trained) if size.spare else test, size.test_share)
    first = {int(row["pid"]): row["camid"] for row in reversed(rows)}
    for row in rows:
        if row["split"] == "train" and (pid := int(row["pid"])) in tested:
            row["split"] = "query" if row["camid"] == first[pid] else "gallery"
    rows = [row for row in rows if int(row["pid"]) in (trained if row["split"] == "train" else tested)]
    for row in rows:
        link([source / row["path"]], (folder / row["path"]).parent)
    with (folder / "samples.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return _mobilenet(name, folder / "samples.csv", "csv", weights, out, size, width=width)


def two_cameras(name: str, weights: Path, out: Path, size: Size) -> DataSet:
    """Drawn people, each eight times before either of two cameras, and a network that has seen photographs alone."""
    people = SyntheticParameters(
        identities=size.people, cameras=2, images_per_camera=8 if size.people > 20 else 2, difficulty=size.difficulty
    )
    tested = 0.4 if size.test_people is None else size.test_people / size.people
    parameters = IngestParameters(
        format="synthetic", synthetic=people, height=size.height, width=size.height // 2, test_fraction=tested
    )
    initial = {"backbone": "mobilenet_v2", "weights": str(weights)}
    return _data_set(
        name, None, parameters, initial, out, f"MobileNetV2, ImageNet weights, difficulty {size.difficulty}"
    )


def drawn_people(out: Path, size: Size) -> DataSet:
    """Hard drawn people and a small network without weights, which has everything to learn."""
    people = SyntheticParameters(
        identities=size.people, cameras=4, images_per_camera=4 if size.people > 20 else 2, difficulty=size.difficulty
    )
    parameters = IngestParameters(
        format="synthetic", synthetic=people, height=size.height, width=size.height // 2, test_fraction=0.5
    )
    initial = {"backbone": "resnet10", "weights": "none"}
    return _data_set(
        "synthetic", None, parameters, initial, out, f"ResNet-10 without weights, difficulty {size.difficulty}"
    )


def _mobilenet(
    name: str, source: Path, layout: Any, weights: Path, out: Path, size: Size, *, width: int | None = None
) -> DataSet:
    parameters = IngestParameters(format=layout, height=size.height, width=width or size.height)
    initial = {"backbone": "mobilenet_v2", "weights": str(weights)}
    return _data_set(name, source, parameters, initial, out, "MobileNetV2, ImageNet weights")


def _data_set(
    name: str, source: Path | None, parameters: IngestParameters, initial: dict[str, Any], out: Path, network: str
) -> DataSet:
    run = RunDirectory(out / "runs" / name)
    ingest(run, source=source, parameters=parameters, context=Context(workers=0))
    found = dataset_manifest(run.require("dataset")).summary
    told = (
        f"{found.n_train} train images, {found.n_query} queries, {found.n_gallery} gallery images, "
        f"{parameters.height}×{parameters.width}, {network}"
    )
    merge = MergeParameters(merge_percent=0.1)
    plan = Plan(merge=merge, extract=ExtractParameters(), evaluate=EvaluateParameters(), initial=initial)
    return DataSet(name, run, plan, plan, told)


def with_recipe(plan: Plan, recipe: str, *, criterion: str = "dbc") -> Plan:
    """`plan` trained, merged and evaluated as `recipe` has it, by `criterion` with its published λ."""
    evaluate = plan.evaluate.model_copy(update=evaluation_of(recipe))
    features = plan.extract.model_copy(update=extraction_of(recipe))
    changes = {
        "criterion": criterion,
        "lambda_": PUBLISHED_LAMBDA[criterion],
        **merging_of(recipe, criterion=criterion),
    }
    return replace(
        with_merge(plan, **changes),
        train={**plan.train, "recipe": recipe},
        extract=features,
        evaluate=evaluate,
        initial={**network_of(recipe), **plan.initial},
    )


def with_merge(plan: Plan, **changes: Any) -> Plan:
    """`plan` with other merge parameters; the last stage follows from `merge_percent` again."""
    return replace(plan, merge=plan.merge.model_copy(update=changes))


def with_training(plan: Plan, **changes: Any) -> Plan:
    """`plan` with other training parameters."""
    return replace(plan, train={**plan.train, **changes})


def _some(values: set[int], share: float) -> set[int]:
    """So many of the values, spread evenly over their order; at least two."""
    ordered = sorted(values)
    n_kept = min(len(ordered), max(2, round(share * len(ordered))))
    return {ordered[place * len(ordered) // n_kept] for place in range(n_kept)}


def _market_pid(path: Path) -> int:
    match = MARKET_NAME.match(path.name)
    return int(match[1]) if match else -1


def link(files: Iterable[Path] | Sequence[Path], folder: Path) -> None:
    """Put links to `files` into `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    for file in files:
        target = folder / file.name
        if not target.exists():
            target.symlink_to(file.resolve())
