"""Other published methods beside DBC, by what each is told: a record that grows by one line after every run.

    python -m benchmarks.methods --weights mobilenet_v2-imagenet.safetensors --out record
    python -m benchmarks.methods --weights … --out record --sets eth80,vehicles,nyala,koi --seeds 0 \
        --eth80 DATA/eth80-market --vehicles DATA/vehicles --nyala DATA/nyala --koi DATA/koi
    python -m benchmarks.methods --out record --table

Runs lie in --out, and `results.jsonl` beside them; what has a line there is not run again. --table prints the tables.
"""

from __future__ import annotations

import argparse
import csv
import json
import shutil
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.experiment_sets import MARKET_FOLDERS, link
from benchmarks.koi import names_of, read_boxes, tracks_of
from dbc_cli.command import Given
from dbc_cli.commands.run import plan_of_method
from schemas.parameters import EvaluateParameters, ExtractParameters, IngestParameters, SyntheticParameters
from schemas.recipes import ANOTHER_SET, METHOD_SETTINGS, OTHER_METHODS
from schemas.stage_names import INIT_STAGE
from stages.compare.ablation import method_cells, with_seed
from stages.compare.baselines.another_set import METHODS, Options, OtherSet
from stages.compare.cells import Cell, run_cell
from stages.compare.other_sets import told_of
from stages.compare.outcomes import spread_of
from stages.compare.text import cell, markdown_table
from stages.errors import DbcError, UsageError
from stages.evaluate.stage import evaluate
from stages.extract.stage import extract
from stages.ingest.stage import ingest
from stages.ingest.synthetic.attributes import write_attributes
from stages.runs.context import Context
from stages.runs.run_directory import RunDirectory, metrics_manifest, source_boxes
from stages.runs.store import share
from stages.samples import TRAIN
from stages.train.stage import train

MERGE_PERCENT, LAST_STAGE = 0.25, 3
RATES = {"learning_rate": 0.003, "norm_statistics": "stored", "batch_size": 16}
"""Of all that is trained on labels, as the other methods have them."""
EPOCHS = 5
"""Of a stage; DBC trains as long as the others, and like them not before there are clusters."""
STYLE_STEPS, STYLE_WIDTH = 200, 16
"""SPGAN, far below its published size."""
FIGURES = ("rank1", "rank5", "rank10", "mAP", "ari")


@dataclass(frozen=True)
class Setting:
    """A set to compare on: its run, another set with identities, the network, and what training is told beside it."""

    name: str
    run: RunDirectory
    source: RunDirectory
    initial: Mapping[str, Any]
    train: Mapping[str, Any] = field(default_factory=dict)
    epochs: int = EPOCHS
    style_steps: int = STYLE_STEPS

    @property
    def folder(self) -> Path:
        """Where tables of labels and attributes lie."""
        return self.run.root


@dataclass(frozen=True)
class Job:
    """A method on a setting with a seed: `make` gives the run and the stage to measure."""

    method: str
    knows: str
    make: Callable[[Setting, int], tuple[RunDirectory, int]]


def loop(
    name: str, *, known: float | None = None, from_source: bool = False, times: int | None = 1, **values: Any
) -> Job:
    """A method of `dbc ablate --methods`; `known` is the share of train samples that are labelled, 0 for one a person.

    It trains `times` the epochs of the setting, or by default as its recipe says.
    """

    def make(setting: Setting, seed: int) -> tuple[RunDirectory, int]:
        initial = dict(setting.initial)
        if from_source:
            initial["weights"] = str(trained_on(setting.source, setting, seed))
        told = {"merge_percent": MERGE_PERCENT, "stages": LAST_STAGE, **setting.train, **initial, **values}
        if times is not None:
            told |= {"epochs": times * setting.epochs, "stage0_epochs": 0}
        if "n_clusters" in told:
            told["n_clusters"] = n_people(setting)
        if known is not None:
            told["labels"] = labels_of(setting, portion=known, seed=seed)
        plan = with_seed(plan_of_method(Given(setting.run.root, told), name), seed)
        own = Cell(f"cells/{name}", plan)
        shutil.rmtree(setting.run.root / own.name, ignore_errors=True)
        result = run_cell(setting.run, own, context=Context())
        return RunDirectory(setting.run.root / own.name), int(result.stages[-1]["stage"])

    given = plan_of_method(Given(Path(), {"labels": Path(__file__) if known is not None else None, **values}), name)
    (named,) = method_cells({name: given}, seeds=[0], on_source=[name] if from_source else [])
    return Job(named.setting["method"], named.setting["knows"], make)


def n_people(setting: Setting) -> int:
    """How many individuals there are to train on, which PUL is told."""
    dataset = setting.run.require("dataset")
    return len(np.unique(dataset.read("pid")[dataset.read("split") == TRAIN]))


def another(name: str) -> Job:
    """A method that learns from another set; of the runs that it measures, the last is its own."""

    def make(setting: Setting, seed: int) -> tuple[RunDirectory, int]:
        shutil.rmtree(setting.run.root / "baseline", ignore_errors=True)
        attributes = setting.source.root / "attributes.csv"
        options = Options(
            seed=seed,
            steps=setting.style_steps,
            width=STYLE_WIDTH,
            epochs=setting.epochs,
            train={**RATES, "epochs": setting.epochs} if name == "spgan" else {},
            initial={**setting.initial, "seed": seed},
        )
        found = METHODS[name](setting.run, OtherSet(setting.source, attributes), options, context=Context())[-1]
        return found.run, found.stage

    return Job(name, told_of(name), make)


def trained_on(run: RunDirectory, setting: Setting, seed: int) -> Path:
    """The model of `run` after training on its identities."""
    asked = {**RATES, "epochs": setting.epochs, "seed": seed, "loss": "softmax", "supervised": True, **setting.train}
    made = train(run, stage=0, overrides=asked, initial={**setting.initial, "seed": seed}, context=Context())
    if made.artifact is None:
        raise RuntimeError("a model is made unless it is a dry run")
    return made.artifact.path


def supervised(*, on_source: bool) -> Callable[[Setting, int], tuple[RunDirectory, int]]:
    """Train on the identities of the source, or of the set itself, and extract."""

    def make(setting: Setting, seed: int) -> tuple[RunDirectory, int]:
        model = trained_on(setting.source if on_source else setting.run, setting, seed)
        run = RunDirectory(setting.run.root / "cells" / "supervised")
        shutil.rmtree(run.root, ignore_errors=True)
        run = run.choose(share(setting.run.require("dataset"), run.directory("dataset", 0)), INIT_STAGE)
        initial = {**setting.initial, "weights": str(model)}
        extract(run, stage=INIT_STAGE, parameters=ExtractParameters(), initial=initial, context=Context())
        return run, INIT_STAGE

    return make


def initial_features(setting: Setting, _seed: int) -> tuple[RunDirectory, int]:
    """The features that all of them start from."""
    asked = ExtractParameters()
    extract(setting.run, stage=INIT_STAGE, parameters=asked, initial=setting.initial, context=Context())
    return setting.run, INIT_STAGE


def labels_of(setting: Setting, *, portion: float, seed: int) -> Path:
    """A table that labels one train sample of each individual (`portion` 0), or that share of all, drawn with `seed`."""
    dataset = setting.run.require("dataset")
    path = dataset.read("path")[dataset.read("frame_start")[:-1]]
    is_train = (dataset.read("split") == TRAIN) & (dataset.read("pid") > 0)
    order = np.random.default_rng(seed).permutation(np.flatnonzero(is_train))
    pid = dataset.read("pid")[order]
    chosen = order[np.unique(pid, return_index=True)[1]] if portion == 0 else order[: round(portion * len(order))]
    head, rows = ["path", "identity"], [[str(path[row]), str(dataset.read("pid")[row])] for row in chosen]
    if "box" in dataset.names():
        first = dataset.read("frame_start")[chosen]
        head += ["frame", "left", "top", "width", "height"]
        places = [dataset.read("frame_number")[first], *source_boxes(dataset)[first].T]
        rows = [
            row + [str(value) for value in place] for row, place in zip(rows, zip(*places, strict=True), strict=True)
        ]
    file = setting.folder / f"labels-{portion}-{seed}.csv"
    write_rows(file, [head, *rows])
    return file


def write_rows(file: Path, rows: Iterable[list[str]]) -> None:
    """Write a table."""
    with file.open("w", newline="") as opened:
        csv.writer(opened, lineterminator="\n").writerows(rows)


JOBS = {
    "initial": Job("initial features", "nothing", initial_features),
    "bow": loop("bow"),
    "oim": loop("oim"),
    "dbc-default": loop("tuned", times=None),
    "dbc": loop("tuned"),
    "buc": loop("tuned", criterion="buc", update="union"),
    "dbc-labels": loop("tuned", known=0),
    "dbc-source": loop("tuned", from_source=True),
    "pul": loop("pul", from_source=True, n_clusters=20),
    "pul-alone": loop("pul", n_clusters=20),
    "eug": loop("eug", known=0),
    "eug-exclusive": loop("eug-exclusive", known=0),
    "race": loop("race", known=0),
    "eug-15": loop("eug", known=0, times=3),
    "race-15": loop("race", known=0, times=3),
    "stepwise": loop("stepwise"),
    "dgm": loop("dgm"),
    "dal": loop("dal"),
    "umdl": another("umdl"),
    "spgan": another("spgan"),
    "tj-aidl": another("tj-aidl"),
    "source": Job("supervised on the source", ANOTHER_SET, supervised(on_source=True)),
    "target": Job("supervised on the set itself", "all identities", supervised(on_source=False)),
    "dbc-10": loop("tuned", known=0.1),
    "dbc-50": loop("tuned", known=0.5),
}
TITLES = {
    "dbc-default": "DBC, default",
    "dbc": "DBC",
    "buc": "BUC",
    "dbc-labels": "DBC, one label a person",
    "dbc-source": "DBC from the source",
    "bow": METHOD_SETTINGS["bow"].title,
    "oim": METHOD_SETTINGS["oim"].title,
    "eug-exclusive": METHOD_SETTINGS["eug-exclusive"].title,
    "eug-15": "EUG, 15 epochs a stage",
    "race-15": "RACE, 15 epochs a stage",
    "umdl": "UMDL (Peng et al., CVPR 2016)",
    "spgan": "SPGAN (Deng et al., CVPR 2018), tiny",
    "tj-aidl": "TJ-AIDL (Wang et al., CVPR 2018)",
    "dbc-10": "DBC, 10 % labelled",
    "dbc-50": "DBC, 50 % labelled",
    **{name: other.title for name, other in OTHER_METHODS.items()},
}
BY_CAMERAS = ("stepwise", "dgm", "dal")
EVERY = tuple(name for name in JOBS if name not in ("pul-alone", "eug-15", "race-15"))
METHODS_OF = {
    "drawn": tuple(name for name in JOBS if name != "pul-alone"),
    # pictures alone: dictionaries, restyled pictures and attributes are of single images
    "drawn-video": tuple(name for name in JOBS if name not in ("pul-alone", "umdl", "spgan", "tj-aidl")),
    "eth80": EVERY,
    "vehicles": EVERY,
    "nyala": tuple(name for name in EVERY if name not in BY_CAMERAS),
    "koi": tuple(name for name in EVERY if name not in (*BY_CAMERAS, "tj-aidl")),
}
"""What is run on each set: sightings of nyala are no cameras, koi were seen by one, and nobody told their attributes."""


def drawn(arguments: argparse.Namespace, seed: int, *, frames: int) -> Setting:
    """Two worlds of other people and cameras: 120 pictures of 20 people, or 64 tracklets of 16, to train on."""
    folder = arguments.out / f"drawn-{frames}-seed{seed}"
    n_people, shots = (20, 3) if frames == 0 else (16, 2)
    worlds = (("target", seed, 2 * n_people, 0.5), ("source", 100 + seed, n_people, 0.0))
    for name, of_world, identities, test_fraction in worlds:
        people = SyntheticParameters(
            identities=identities, cameras=2, images_per_camera=shots, frames_per_tracklet=frames
        )
        parameters = IngestParameters(
            format="synthetic", synthetic=people, height=64, width=32, seed=of_world, test_fraction=test_fraction
        )
        ingest(RunDirectory(folder / name), source=None, parameters=parameters, context=Context(workers=0))
    source = RunDirectory(folder / "source")
    write_attributes(source.require("dataset"), source.root / "attributes.csv", overwrite=True)
    told = {"frames": 2} if frames else {}
    name, run = "drawn-video" if frames else "drawn", RunDirectory(folder / "target")
    return Setting(name, run, source, _mobilenet(arguments), told, arguments.epochs, arguments.style_steps)


SIDE = 48
"""Pixels of a side of what is not drawn."""


def real(arguments: argparse.Namespace, name: str) -> Setting:
    """A part of a real set, 40 to 110 samples to train on; the source are other individuals of it."""
    out, given = arguments.out / name, getattr(arguments, name)
    make, told = READERS[name]
    found = {role: RunDirectory(out / "runs" / role) for role in ("target", "source")}
    for role, run in found.items():
        where, layout = make(given, out / "links" / role, role)
        asked = IngestParameters(format=layout, height=SIDE, width=64 if name == "nyala" else SIDE)
        ingest(run, source=where, parameters=asked, context=Context(workers=0))
    if name != "koi":
        attributes(name, given, found["source"])
    return Setting(
        name, found["target"], found["source"], _mobilenet(arguments), told, arguments.epochs, arguments.style_steps
    )


def eth80(given: Path, out: Path, role: str) -> tuple[Path, str]:
    """Every third view of every fifth object."""
    for part in MARKET_FOLDERS:
        files = [path for path in sorted((given / part).iterdir()) if int(path.name[:4]) % 5 == 2 * (role == "source")]
        if role == "source" and part != MARKET_FOLDERS[0]:
            files = []
        link(files if part == "query" else files[::3], out / part)
    return out, "market1501"


def table(given: Path, out: Path, role: str) -> tuple[Path, str]:
    """Of a table every sixteenth vehicle, or twentieth antelope, to train on; half of those to search for."""
    with (given / "samples.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    step = 16 if "flank" not in rows[0] else 20
    train = sorted({int(row["pid"]) for row in rows if row["split"] == "train"})
    test = sorted({int(row["pid"]) for row in rows if row["split"] != "train"})
    kept = {*train[role == "source" :: step], *(test[::2] if role == "target" else [])}
    rows = [row for row in rows if int(row["pid"]) in kept]
    for row in rows:
        link([given / row["path"]], (out / row["path"]).parent)
    write_rows(out / "samples.csv", [list(rows[0]), *(list(row.values()) for row in rows)])
    return out / "samples.csv", "csv"


def koi(given: Path, out: Path, role: str) -> tuple[Path, str]:
    """Tracks of three of nine fish to train on, of three as the source, and of the rest, half of each fish's as queries.

    There is one camera. What is searched for counts as of another, for an evaluation leaves out matches of one camera.
    """
    link([given / "Koi_5652_952_540.mp4"], out)
    tracks = tracks_of(read_boxes(given / "BB_Koi.csv"))
    fish_of = names_of(tracks)
    fish = sorted(set(fish_of.values()))
    rows = [["path", "frame", "left", "top", "width", "height", "tracklet", "pid", "camid", "split"]]
    seen: Counter[str] = Counter()
    for track, boxes in tracks.items():
        part = fish.index(fish_of[track]) % 3
        if part == (1 if role == "target" else 0) or (part == 2 and role == "source"):
            continue
        seen[fish_of[track]] += 1
        split = "train" if part < 2 else "query" if seen[fish_of[track]] % 2 else "gallery"
        for frame, _, box in boxes:
            where = [str(value) for value in (frame - 1, max(box[0], 0), max(box[1], 0), *box[2:])]
            camera = "2" if split == "gallery" else "1"
            rows.append(["Koi_5652_952_540.mp4", *where, str(track), fish_of[track], camera, split])
    write_rows(out / "samples.csv", rows)
    return out / "samples.csv", "csv"


def attributes(name: str, given: Path, source: RunDirectory) -> None:
    """A table of attributes of `source`: the kind of toy or vehicle, or the flank of an antelope."""
    paths = source.require("dataset").read("path").tolist()
    if name == "eth80":
        with (given / "ids.csv").open(newline="") as file:
            kind_of = {int(row["pid"]): row["category"] for row in csv.DictReader(file)}
        kinds = [kind_of[int(Path(path).name[:4])] for path in paths]
    else:
        # images/test_bus_0002_c1.jpg, test/0001_00014_left.jpg
        kinds = [Path(path).stem.split("_")[1 if name == "vehicles" else 2] for path in paths]
    names = sorted(set(kinds))
    rows = [[path, *(str(int(kind == each)) for each in names)] for path, kind in zip(paths, kinds, strict=True)]
    write_rows(source.root / "attributes.csv", [["path", *names], *rows])


def _mobilenet(arguments: argparse.Namespace) -> dict[str, Any]:
    return {"backbone": "mobilenet_v2", "weights": str(arguments.weights)}


READERS: Mapping[str, tuple[Callable[[Path, Path, str], tuple[Path, Any]], Mapping[str, Any]]] = {
    "eth80": (eth80, {}),
    "vehicles": (table, {}),
    "nyala": (table, {}),
    "koi": (koi, {"frames": 2}),
}
"""Where the pictures lie and in which format, and what training is told beside."""


def setting_of(arguments: argparse.Namespace, name: str, seed: int) -> Setting:
    """The set called `name`; drawn ones are drawn anew for each seed."""
    if name.startswith("drawn"):
        return drawn(arguments, seed, frames=3 if name == "drawn-video" else 0)
    return real(arguments, name)


def run_all(arguments: argparse.Namespace) -> None:
    """Run what has no line yet, seed after seed; a line is written as soon as a run is measured."""
    file = arguments.out / "results.jsonl"
    done = {(line["set"], line["job"], line["seed"]) for line in lines_of(file)}
    for seed in arguments.seeds:
        for name in arguments.sets:
            wanted = [job for job in METHODS_OF[name] if job in arguments.jobs]
            missing = [job for job in wanted if (name, job, seed) not in done]
            setting = setting_of(arguments, name, seed) if missing else None
            for job in missing:
                assert setting is not None
                started = time.process_time()
                try:
                    run, stage = JOBS[job].make(setting, seed)
                except (DbcError, UsageError) as error:
                    print(f"{name} {job} {seed}: {error}", flush=True)
                    continue
                line = {"set": name, "job": job, "seed": seed, **measured(run, stage)}
                line["seconds"] = round(time.process_time() - started, 1)
                with file.open("a") as opened:
                    opened.write(json.dumps(line) + "\n")
                print(json.dumps(line), flush=True)
                shutil.rmtree(setting.run.root / "cells", ignore_errors=True)


def measured(run: RunDirectory, stage: int) -> dict[str, Any]:
    """The figures of a stage: of features as they are, and (`tuned`) whitened by camera as the recipe tuned has it."""
    found: dict[str, Any] = {}
    for name, parameters in (("plain", EvaluateParameters(whiten=0)), ("tuned", EvaluateParameters())):
        metrics = evaluate(run, stage=stage, parameters=parameters, context=Context()).artifact
        if metrics is None:
            raise RuntimeError("metrics are made unless it is a dry run")
        summary = metrics_manifest(metrics).summary
        found[name] = {figure: getattr(summary, figure) for figure in FIGURES}
        found["clusters"] = summary.n_clusters
    return found


def lines_of(file: Path) -> list[dict[str, Any]]:
    """What is recorded so far."""
    return [json.loads(line) for line in file.read_text().splitlines()] if file.is_file() else []


def tables(lines: list[dict[str, Any]]) -> Iterator[str]:
    """A table for each set, methods in the order of `JOBS`."""
    head = ["method", "told beside pictures", "rank-1", "rank-5", "rank-10", "mAP", "whitened: rank-1", "mAP", "ARI"]
    columns = [("plain", figure) for figure in FIGURES[:4]] + [("tuned", "rank1"), ("tuned", "mAP"), ("plain", "ari")]
    for name in dict.fromkeys(line["set"] for line in lines):
        rows = []
        for job, told in JOBS.items():
            own = [line for line in lines if (line["set"], line["job"]) == (name, job)]
            if own:
                cells = [spread([line[by][figure] for line in own]) for by, figure in columns]
                rows.append([TITLES.get(job, told.method), told.knows, *cells])
        yield f"{name}\n\n{markdown_table(head, rows)}"


def side_by_side(lines: list[dict[str, Any]]) -> str:
    """A table for all sets: rank-1 and mAP of features as they are, ARI, and mAP of whitened features; – where not run."""
    columns = [("plain", "rank1"), ("plain", "mAP"), ("plain", "ari"), ("tuned", "mAP")]
    sets, rows = list(dict.fromkeys(line["set"] for line in lines)), []
    for job, told in JOBS.items():
        own = [[line for line in lines if (line["set"], line["job"]) == (name, job)] for name in sets]
        if any(own):
            cells = [spread([line[by][figure] for line in found]) for found in own for by, figure in columns]
            rows.append([TITLES.get(job, told.method), told.knows, *cells])
    names = ["rank-1", "mAP", "ARI", "whitened mAP"]
    head = ["method", "told beside pictures", *(f"{name}: {each}" for name in sets for each in names)]
    return markdown_table(head, rows)


def curve(lines: list[dict[str, Any]]) -> str:
    """DBC by the share of train samples whose identity is known: mAP of whitened features and ARI, for each set."""
    shares = {"dbc": "0", "dbc-labels": "one each", "dbc-10": "10 %", "dbc-50": "50 %"}
    sets = [name for name in METHODS_OF if any((line["set"], line["job"]) == (name, "dbc-50") for line in lines)]
    rows = []
    for job, known in shares.items():
        own = {name: [line for line in lines if (line["set"], line["job"]) == (name, job)] for name in sets}
        figures = [spread([line["tuned"][figure] for line in own[name]]) for name in sets for figure in ("mAP", "ari")]
        rows.append([known, *figures])
    return markdown_table(["known", *(f"{name}: {figure}" for name in sets for figure in ("mAP", "ARI"))], rows)


def spread(values: list[float | None]) -> str:
    """Mean ± standard deviation over seeds."""
    return cell(spread_of(values), is_count=False)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    for name in ("weights", "eth80", "vehicles", "nyala", "koi"):
        parser.add_argument(f"--{name}", type=Path)
    for name, default in (("sets", "drawn,drawn-video"), ("jobs", ",".join(JOBS)), ("seeds", "0,1,2")):
        parser.add_argument(f"--{name}", type=lambda text: text.split(","), default=default.split(","))
    parser.add_argument("--epochs", type=int, default=EPOCHS)
    parser.add_argument("--style-steps", type=int, default=STYLE_STEPS)
    parser.add_argument("--table", action="store_true")
    arguments = parser.parse_args()
    arguments.seeds = [int(seed) for seed in arguments.seeds]
    arguments.out.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)
    if not arguments.table:
        run_all(arguments)
    found = lines_of(arguments.out / "results.jsonl")
    is_drawn = [line["set"].startswith("drawn") for line in found]
    drawn_ones = [line for line, is_one in zip(found, is_drawn, strict=True) if is_one]
    others = [line for line, is_one in zip(found, is_drawn, strict=True) if not is_one]
    print("\n".join([*tables(drawn_ones), side_by_side(others), curve(found)]))


if __name__ == "__main__":
    main()
