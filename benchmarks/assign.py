"""How well `dbc assign` tells pictures of known individuals from those of new ones, on individuals held back.

    python -m benchmarks.assign SET FOLDER --weights FILE     (SET: nyala or eth80-market, FOLDER: its pictures)

Some individuals are held back entirely, and some pictures of the others. The rest is clustered by `dbc run`, without
identities; then both are added and assigned. Identities are only read to score the answers.
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
from sklearn.metrics import roc_auc_score


class Photograph(NamedTuple):
    path: str
    individual: str


class Sizes(NamedTuple):
    """Individuals known and held back, their largest number of pictures before and of later ones, and the stored size."""

    known: int
    new: int
    before: int
    later: int
    height: int
    width: int


SETS = {"nyala": Sizes(120, 40, 12, 3, 64, 96), "eth80-market": Sizes(60, 20, 20, 6, 64, 64)}


def photographs(folder: Path) -> list[Photograph]:
    """Every picture with its individual: from `samples.csv`, or from the names of Market-1501 (query left out)."""
    table = folder / "samples.csv"
    if table.is_file():
        with table.open(newline="") as opened:
            return [Photograph(row["path"], row["pid"]) for row in csv.DictReader(opened)]
    files = [
        file for part in ("bounding_box_train", "bounding_box_test") for file in sorted((folder / part).glob("*.jpg"))
    ]
    return [Photograph(file.relative_to(folder).as_posix(), file.name.split("_")[0]) for file in files]


def held_back(found: list[Photograph], sizes: Sizes, *, seed: int) -> tuple[list[Photograph], list[Photograph]]:
    """Those to cluster, and those that come later: other pictures of the same individuals, and individuals not seen before."""
    generator = np.random.default_rng(seed)
    by_individual: dict[str, list[Photograph]] = defaultdict(list)
    for each in found:
        by_individual[each.individual].append(each)
    names = [name for name in sorted(by_individual) if len(by_individual[name]) >= 2 + sizes.later]
    names = [names[i] for i in generator.permutation(len(names))]
    before: list[Photograph] = []
    later: list[Photograph] = []
    for name in names[: sizes.known]:
        own = [by_individual[name][i] for i in generator.permutation(len(by_individual[name]))]
        later += own[: sizes.later]
        before += own[sizes.later : sizes.later + sizes.before]
    for name in names[sizes.known : sizes.known + sizes.new]:
        own = [by_individual[name][i] for i in generator.permutation(len(by_individual[name]))]
        later += own[: sizes.later]
    return before, later


def dbc(*words: object) -> str:
    command = [sys.executable, "-m", "dbc_cli", *map(str, words)]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout


def linked(rows: list[Photograph], root: Path, folder: Path) -> Path:
    """`folder`, with a link to each picture, whose name tells `dbc` nothing of splits."""
    folder.mkdir()
    for row in rows:
        (folder / flat(row.path)).symlink_to(root / row.path)
    return folder


def flat(path: str) -> str:
    return path.replace("/", "-")


def measured(name: str, folder: Path, weights: str, work: Path, *, seed: int) -> dict[str, float]:
    """AUROC of known against new, and how right the answers are."""
    sizes = SETS[name]
    before, later = held_back(photographs(folder), sizes, seed=seed)
    run = ["--run", work / "run"]
    size = ["--height", sizes.height, "--width", sizes.width]
    dbc("ingest", linked(before, folder, work / "before"), "--no-identities", *size, *run)
    started = time.perf_counter()
    dbc("run", "--merge-percent", "0.1", "--backbone", "mobilenet_v2", "--weights", weights, "--seed", seed, *run)
    run_seconds = time.perf_counter() - started
    started = time.perf_counter()
    dbc("ingest", linked(later, folder, work / "later"), "--add", *run)
    answer = json.loads(dbc("assign", "--json", *run))
    clusters = json.loads(dbc("export", "clusters", "--stage", answer["stage"], "--json", *run))["clusters"]
    return scores(answer["assignments"], clusters, before, later) | {
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
    individual = {flat(each.path): each.individual for each in (*before, *later)}
    known = {each.individual for each in before}
    truth = [individual[Path(row["path"]).name] for row in assignments]
    is_known = np.array([name in known for name in truth])
    probability = np.array([row["probability"] for row in assignments])
    called_known = np.array([row["individual"] is not None for row in assignments])
    members: dict[int, Counter[str]] = defaultdict(Counter)
    for row in clusters:
        if "probability" not in row or row["probability"] is None:
            members[row["individual"]][individual[Path(row["path"]).name]] += 1
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
