"""How well `dbc assign` tells pictures of known individuals from those of new ones, on individuals held back.

    python -m benchmarks.assign SET FOLDER --weights FILE     (SET: see SETS; -few has a dozen known individuals)

Some individuals are held back entirely, and some pictures of the others. The rest is clustered by `dbc run`, without
identities; then both are added and assigned. Identities are only read to score the answers. FOLDER holds the pictures; those
of people are drawn into it. Later pictures of nyala are of other sightings than those before.
"""

from __future__ import annotations

import argparse
import csv
import json
import subprocess
import sys
import tempfile
import time
from collections import Counter, defaultdict
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image
from sklearn.metrics import roc_auc_score

from stages.runs.run_directory import RunDirectory


class Photograph(NamedTuple):
    path: str
    individual: str
    camera: str = ""
    encounter: str = ""


class Sizes(NamedTuple):
    """Individuals known and held back, their largest number of pictures before and of later ones, and the stored size.

    `apart` says that later pictures are of encounters that none of those before is of.
    """

    known: int
    new: int
    before: int
    later: int
    height: int
    width: int
    backbone: str = "mobilenet_v2"
    apart: bool = False


SETS = {
    "eth80-market": Sizes(60, 20, 20, 6, 64, 64),
    "eth80-market-few": Sizes(12, 8, 6, 4, 64, 64),
    "nyala": Sizes(80, 30, 10, 3, 128, 128, apart=True),
    "nyala-few": Sizes(12, 8, 6, 3, 128, 128, apart=True),
    "people": Sizes(58, 22, 12, 4, 64, 32, backbone="resnet10"),
    "people-few": Sizes(12, 8, 6, 4, 64, 32, backbone="resnet10"),
    "vehicles": Sizes(380, 187, 1, 1, 64, 64),
}


def photographs(name: str, folder: Path) -> list[Photograph]:
    """Every picture of a set with its individual: from `samples.csv`, or from the names of Market-1501 (query left out)."""
    if name == "people":
        drawn_people(folder)
        parts = [(file.name, file.stem.split("_")) for file in sorted(folder.glob("*.png"))]
        return [Photograph(path, individual, camera) for path, (individual, camera, _) in parts]
    table = folder / "samples.csv"
    if table.is_file():
        with table.open(newline="") as opened:
            rows = list(csv.DictReader(opened))
        # a sighting is no camera
        if name == "nyala":
            return [Photograph(row["path"], row["pid"], encounter=row["camid"]) for row in rows]
        return [Photograph(row["path"], row["pid"], row["camid"]) for row in rows]
    files = [
        file for part in ("bounding_box_train", "bounding_box_test") for file in sorted((folder / part).glob("*.jpg"))
    ]
    return [Photograph(file.relative_to(folder).as_posix(), file.name.split("_")[0]) for file in files]


def drawn_people(folder: Path) -> None:
    """Draw 80 people, four pictures of each by four cameras, into `folder` unless they are there."""
    if folder.exists():
        return
    folder.mkdir(parents=True)
    with tempfile.TemporaryDirectory() as run:
        drawn = ["--identities", 80, "--cameras", 4, "--images-per-camera", 4, "--height", 64, "--width", 32]
        dbc("ingest", *drawn, "--run", run)
        dataset = RunDirectory(Path(run)).require("dataset")
        rows = zip(dataset.read("pid").tolist(), dataset.read("camid").tolist(), dataset.read("images"), strict=True)
        for number, (pid, camid, pixels) in enumerate(rows):
            Image.fromarray(pixels).save(folder / f"{pid:03d}_{camid}_{number}.png")


def held_back(found: list[Photograph], sizes: Sizes, *, seed: int) -> tuple[list[Photograph], list[Photograph]]:
    """Those to cluster, and those that come later: other pictures of the same individuals, and individuals not seen before."""
    generator = np.random.default_rng(seed)
    by_individual: dict[str, list[Photograph]] = defaultdict(list)
    for each in found:
        by_individual[each.individual].append(each)
    fewest = sizes.later + min(sizes.before, 2)
    names = [name for name in sorted(by_individual) if len(by_individual[name]) >= fewest]
    names = [names[i] for i in generator.permutation(len(names))]
    before: list[Photograph] = []
    later: list[Photograph] = []
    for place, name in enumerate(names[: sizes.known + sizes.new]):
        own = [by_individual[name][i] for i in generator.permutation(len(by_individual[name]))]
        if place >= sizes.known:
            later += own[: sizes.later]
        elif not sizes.apart:
            later += own[: sizes.later]
            before += own[sizes.later : sizes.later + sizes.before]
        else:
            encounters = list(dict.fromkeys(each.encounter for each in own))
            # of one encounter alone all are before
            late = set(encounters[: max(1, len(encounters) // 3)]) if len(encounters) > 1 else set()
            later += [each for each in own if each.encounter in late][: sizes.later]
            before += [each for each in own if each.encounter not in late][: sizes.before]
    return before, later


def dbc(*words: object) -> str:
    command = [sys.executable, "-m", "dbc_cli", *map(str, words)]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout


def listed(rows: list[Photograph], file: Path) -> Path:
    """`file`, a table of the pictures with their cameras and encounters, as far as they are known."""
    with file.open("w", newline="") as opened:
        writer = csv.writer(opened)
        writer.writerow(["path", "camid", "encounter"])
        writer.writerows((row.path, row.camera, row.encounter) for row in rows)
    return file


def measured(name: str, folder: Path, weights: str, work: Path, *, seed: int) -> dict[str, float]:
    """AUROC of known against new, and how right the answers are."""
    sizes = SETS[name]
    before, later = held_back(photographs(name.removesuffix("-few"), folder), sizes, seed=seed)
    run = ["--run", work / "run"]
    size = ["--height", sizes.height, "--width", sizes.width]
    where = ["--format", "csv", "--root", folder]
    dbc("ingest", listed(before, work / "before.csv"), *where, *size, *run)
    started = time.perf_counter()
    weights = weights if sizes.backbone == "mobilenet_v2" else "none"
    dbc("run", "--merge-percent", "0.1", "--backbone", sizes.backbone, "--weights", weights, "--seed", seed, *run)
    run_seconds = time.perf_counter() - started
    started = time.perf_counter()
    dbc("ingest", listed(later, work / "later.csv"), *where, "--add", *run)
    answer = json.loads(dbc("assign", "--json", *run))
    clusters = json.loads(dbc("export", "clusters", "--stage", answer["stage"], "--json", *run))["clusters"]
    return scores(answer["assignments"], clusters, before, later) | {
        "separation": answer["separation"],
        "stage": answer["stage"],
        "clusters": answer["n_clusters"],
        "before": len(before),
        "later": len(later),
        "run_seconds": run_seconds,
        "seconds": time.perf_counter() - started,
    }


def scores(
    assignments: list[dict], clusters: list[dict], before: list[Photograph], later: list[Photograph]
) -> dict[str, float]:
    """What the answers are worth; a cluster stands for its most frequent individual."""
    individual = {each.path: each.individual for each in (*before, *later)}
    known = {each.individual for each in before}
    truth = [individual[row["path"]] for row in assignments]
    is_known = np.array([name in known for name in truth])
    probability = np.array([row["probability"] for row in assignments])
    called_known = np.array([row["individual"] is not None for row in assignments])
    members: dict[int, Counter[str]] = defaultdict(Counter)
    for row in clusters:
        if "probability" not in row or row["probability"] is None:
            members[row["individual"]][individual[row["path"]]] += 1
    pairs = zip(assignments, truth, strict=True)
    right = np.array([members[row["nearest"]].most_common(1)[0][0] == name for row, name in pairs])
    return {
        "auroc": float(roc_auc_score(is_known, probability)),
        "called_known_of_known": float(called_known[is_known].mean()),
        "called_new_of_new": float((~called_known[~is_known]).mean()),
        "nearest_is_right": float(right[is_known].mean()),
        "mean_probability_of_known": float(probability[is_known].mean()),
        "mean_probability_of_new": float(probability[~is_known].mean()),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("set", choices=SETS)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--weights", default="imagenet")
    parser.add_argument("--seeds", type=int, default=1)
    given = parser.parse_args()
    for seed in range(given.seeds):
        with tempfile.TemporaryDirectory() as work:
            found = measured(given.set, given.folder.resolve(), given.weights, Path(work), seed=seed)
        print(
            f"{given.set} seed {seed}: " + ", ".join(f"{key} {value:.3g}" for key, value in found.items()), flush=True
        )


if __name__ == "__main__":
    main()
