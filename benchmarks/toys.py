"""The sessions of README and docs/afternoon.md: photographs of toys without labels, and what comes out.

`python -m benchmarks.toys ETH80 --weights FILE [--keep DIR]`. From `eth80-market` it takes ten views (every fourth) of the
first object of each of the eight kinds that has pictures to train on, names them IMG_0001.jpg and on, in order of objects,
and runs the commands of README. Then it takes eight bursts of three neighbouring views of each, two minutes apart, with
the time of each picture in its EXIF data, and runs the commands of docs/afternoon.md. It prints clusters and their
agreement with the toys, by scikit-learn.
"""

from __future__ import annotations

import argparse
import csv
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from datetime import datetime, timedelta
from pathlib import Path

from PIL import Image
from sklearn.metrics import adjusted_rand_score

FIRST = datetime(2026, 6, 1, 8)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("eth80", type=Path)
    parser.add_argument("--weights", type=Path, required=True)
    parser.add_argument("--keep", type=Path, help="folder for pictures and runs, kept afterwards")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        place = given.keep or Path(folder)
        views = views_of_toys(given.eth80)
        photos, bursts = place / "photos", place / "bursts"
        toy_of = laid_out(photos, {toy: [[view] for view in of[::4][:10]] for toy, of in views.items()})
        session(photos, toy_of, given.weights, [], len(views))
        toy_of = laid_out(bursts, {toy: [of[5 * i : 5 * i + 3] for i in range(8)] for toy, of in views.items()})
        session(bursts, toy_of, given.weights, ["--encounter-gap", "60"], len(views))


def views_of_toys(eth80: Path) -> dict[str, list[Path]]:
    """The pictures, in order of their names, of the first object of each kind that has pictures to train on."""
    with (eth80 / "ids.csv").open(newline="", encoding="utf-8") as file:
        kind_of = {int(row["pid"]): row["category"] for row in csv.DictReader(file)}
    views: dict[int, list[Path]] = {}
    for path in sorted((eth80 / "bounding_box_train").glob("*.jpg")):
        views.setdefault(int(path.name[:4]), []).append(path)
    toys: dict[str, list[Path]] = {}
    for pid in sorted(views):
        toys.setdefault(kind_of[pid], views[pid])
    return toys


def laid_out(folder: Path, bursts: dict[str, list[list[Path]]]) -> dict[str, str]:
    """Write each burst of each toy to `folder`, a second between pictures and two minutes between bursts; who is on each."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    toy_of: dict[str, str] = {}
    time = FIRST
    for toy, of in bursts.items():
        for burst in of:
            time += timedelta(minutes=2)
            for second, view in enumerate(burst):
                name = f"IMG_{len(toy_of) + 1:04d}.jpg"
                with Image.open(view) as image:
                    exif = image.getexif()
                    exif.get_ifd(0x8769)[0x9003] = (time + timedelta(seconds=second)).strftime("%Y:%m:%d %H:%M:%S")
                    image.save(folder / name, quality="keep", exif=exif)
                toy_of[name] = toy
    return toy_of


def session(photos: Path, toy_of: dict[str, str], weights: Path, ingesting: list[str], n_toys: int) -> None:
    """Ingest, run and export `photos`, then merge to the true number; print both."""
    run = photos.with_name(f"{photos.name}-run")
    shutil.rmtree(run, ignore_errors=True)
    joined = ["--encounter", "joined"] if ingesting else []
    dbc("ingest", str(photos), "--height", "128", "--width", "128", *ingesting, run=run)
    dbc("run", "--backbone", "mobilenet_v2", "--weights", str(weights), *joined, run=run)
    agreement(run, toy_of, "as many as the features ask for")
    dbc("merge", "--n-clusters", str(n_toys), *joined, run=run)
    agreement(run, toy_of, "as many as there are toys")


def dbc(*arguments: str, run: Path) -> None:
    subprocess.run([sys.executable, "-m", "dbc_cli", *arguments, "--run", str(run)], check=True)


def agreement(run: Path, toy_of: dict[str, str], which: str) -> None:
    """Print how many clusters `dbc export` lists, their ARI and purity against the toys."""
    listed = run / "clusters.csv"
    dbc("export", "clusters", "--out", str(listed), "--overwrite", run=run)
    with listed.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    toys = [toy_of[Path(row["path"]).name] for row in rows]
    clusters = [row["cluster"] for row in rows]
    ari = adjusted_rand_score(toys, clusters)
    pairs = Counter(zip(clusters, toys, strict=True))
    purity = sum(max(n for (of, _), n in pairs.items() if of == cluster) for cluster in set(clusters)) / len(rows)
    print(
        f"{run.name}, {which}: {len(rows)} pictures, {len(set(toys))} toys, {len(set(clusters))} clusters, "
        f"ARI {ari:.2f}, purity {purity:.2f}",
        flush=True,
    )


if __name__ == "__main__":
    main()
