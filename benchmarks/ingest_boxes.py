"""Boxes: parsing a large MegaDetector file, and cropping against bare loops: boxes a second, and their ratio (floor 0.8).

Run as `python -m benchmarks.ingest_boxes`. The bare loop opens each picture with Pillow, once, and crops, converts and resizes
each of its boxes, in as many processes, already started, that hash nothing and keep nothing. Cropping is what ingest does of
that: threads that decode, crop, resize and write each crop into its place in a file. Ingest is the whole stage: the
file parsed, pictures hashed, crops hashed and written, the dataset artifact synced and renamed into place. Rounds alternate,
and medians are told. Parsing is of as many boxes as `--parsed` says, in a process of its own, for the peak of its memory; its
pictures are empty files, because it only asks whether they are there.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import random
import shutil
import statistics
import tempfile
import time
from collections.abc import Iterator, Sequence
from multiprocessing.pool import Pool
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from PIL import Image

from benchmarks.ingest import SIZE, write_images
from benchmarks.turns import Spent, memory_mib
from schemas.parameters import IngestParameters
from stages.ingest.decode.block import Cuts
from stages.ingest.decode.crops import Region
from stages.ingest.decode.pixels import Files
from stages.ingest.decode.workers import decode_cuts, default_workers
from stages.ingest.formats import read_samples, recognise_source
from stages.ingest.stage import ingest
from stages.runs.context import Context
from stages.runs.run_directory import RunDirectory

FLOOR = 0.8
MOST_SECONDS, MOST_MIB = 20, 1024

Job = tuple[str, list[list[float]]]


def results(names: Sequence[str], *, boxes: int, smallest: float, largest: float) -> dict[str, Any]:
    """MegaDetector's results of `boxes` boxes in each picture, of a width and height within these shares of it."""
    rng = random.Random(0)

    def box() -> list[float]:
        width, height = rng.uniform(smallest, largest), rng.uniform(smallest, largest)
        return [round(value, 4) for value in (rng.uniform(0, 1 - width), rng.uniform(0, 1 - height), width, height)]

    images = [
        {"file": name, "detections": [{"category": "1", "conf": 0.9, "bbox": box()} for _ in range(boxes)]}
        for name in names
    ]
    return {"info": {"format_version": "1.4"}, "detection_categories": {"1": "animal"}, "images": images}


class Rate(NamedTuple):
    """Boxes a second, and processor seconds, of one turn."""

    rate: float
    spent: float


def bare(jobs: list[Job]) -> float:
    """Processor seconds of cropping boxes out of pictures by nothing but Pillow."""
    started = time.process_time()
    for path, boxes in jobs:
        with Image.open(path) as picture:
            picture.load()
            for left, top, width, height in boxes:
                edges = (left, top, left + width, top + height)
                scaled = [round(edge * side) for edge, side in zip(edges, picture.size * 2, strict=True)]
                part = picture.crop((scaled[0], scaled[1], scaled[2], scaled[3])).convert("RGB")
                np.asarray(part.resize((SIZE.width, SIZE.height), Image.Resampling.BILINEAR))
    return time.process_time() - started


def bare_once(pool: Pool, jobs: list[Job]) -> Rate:
    """The bare loop in the processes of `pool`."""
    started = time.perf_counter()
    spent = sum(pool.imap_unordered(bare, [jobs[i::64] for i in range(64)]))
    return Rate(sum(len(boxes) for _, boxes in jobs) / (time.perf_counter() - started), spent)


def crop_once(folder: Path, jobs: list[Job], target: Path, *, workers: int) -> Rate:
    """`decode_cuts`, threads started; `target` takes the pixels."""
    n_boxes = sum(len(boxes) for _, boxes in jobs)
    with target.open("xb") as file:
        file.truncate(n_boxes * SIZE.n_bytes)

    def pictures() -> Iterator[Cuts]:
        place = 0
        for path, boxes in jobs:
            regions = tuple(Region((box[0], box[1], box[2], box[3]), is_relative=True) for box in boxes)
            offsets = tuple((place + number) * SIZE.n_bytes for number in range(len(boxes)))
            yield Cuts(Path(path).name, regions, (str(target),) * len(boxes), offsets)
            place += len(boxes)

    started, spent = time.perf_counter(), time.process_time()
    n_done = sum(len(filled.windows) for filled in decode_cuts(Files(folder), pictures(), size=SIZE, workers=workers))
    found = Rate(n_done / (time.perf_counter() - started), time.process_time() - spent)
    target.unlink()
    return found


def ingest_once(file: Path, run: Path, *, workers: int, n_boxes: int) -> Rate:
    """Ingest of the results in `file` into the new run `run`."""
    started, spent = time.perf_counter(), time.process_time()
    parameters = IngestParameters(format="megadetector")
    ingest(RunDirectory(run), source=file, parameters=parameters, context=Context(workers=workers))
    return Rate(n_boxes / (time.perf_counter() - started), time.process_time() - spent)


def parse(file: str, told: Any) -> None:
    """Send what recognising and reading `file` takes: seconds, processor seconds, samples, and the peak of memory in MiB."""
    started = Spent.now()
    recognise_source(Path(file))
    samples = read_samples(Path(file), parameters=IngestParameters(format="megadetector"))
    spent = Spent.since(started)
    told.put((spent.passed, spent.processor, len(samples), memory_mib()))


def parsing(folder: Path, n_boxes: int) -> None:
    """Print what parsing a file of `n_boxes` boxes, four a picture, takes."""
    names = [f"station{i % 100:03}/IMG_{i:06}.JPG" for i in range(n_boxes // 4)]
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    file = folder / "results.json"
    file.write_text(json.dumps(results(names, boxes=4, smallest=0.01, largest=0.2), indent=1))
    context = multiprocessing.get_context("spawn")
    told = context.Queue()
    process = context.Process(target=parse, args=(str(file), told))
    process.start()
    seconds, spent, n_samples, mebibytes = told.get()
    process.join()
    print(f"parsing {n_samples} boxes ({file.stat().st_size / 1e6:.0f} MB): {seconds:.1f} s by the clock,")
    print(f"{spent:.1f} processor seconds, peak of {mebibytes:.0f} MiB")
    print(f"limits: {MOST_SECONDS} s and {MOST_MIB} MiB")


def cropping(folder: Path, options: argparse.Namespace) -> None:
    """Print the rates of cropping, and their ratio."""
    names = write_images(folder, options.pictures, height=options.height, width=options.width)
    found = results(names, boxes=options.boxes, smallest=options.smallest, largest=options.largest)
    file = folder / "results.json"
    file.write_text(json.dumps(found))
    jobs: list[Job] = [
        (str(folder / image["file"]), [each["bbox"] for each in image["detections"]]) for image in found["images"]
    ]
    n_boxes = options.pictures * options.boxes
    with multiprocessing.get_context("fork").Pool(options.workers) as pool:
        # what is imported once, and the first look at each file, are no part of any rate
        ingest_once(file, folder.parent / "run", workers=options.workers, n_boxes=n_boxes)
        turns: list[tuple[Rate, Rate, Rate]] = []
        for turn in range(options.rounds):
            loop = bare_once(pool, jobs)
            crops = crop_once(folder, jobs, folder.parent / "pixels", workers=options.workers)
            run = folder.parent / f"run-{turn}"
            turns.append((loop, crops, ingest_once(file, run, workers=options.workers, n_boxes=n_boxes)))
            shutil.rmtree(run)
    print(f"{options.pictures} JPEGs of {options.width}×{options.height}, {options.boxes} boxes each of")
    print(f"{options.smallest:g} to {options.largest:g} of its sides, {options.workers} processes or threads")
    medians = [
        Rate(*(statistics.median(values) for values in zip(*rates, strict=True))) for rates in zip(*turns, strict=True)
    ]
    for label, found in zip(("bare loop", "cropping", "ingest"), medians, strict=True):
        rates = f"{found.rate:8.0f} boxes/s, {found.rate / medians[0].rate:.2f} of bare"
        print(f"{label:12}{rates}{found.spent:8.2f} processor seconds, {medians[0].spent / found.spent:.2f} of bare")
    print(f"floor of cropping: {FLOOR} of bare")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pictures", type=int, default=400)
    parser.add_argument("--boxes", type=int, default=4, help="in each picture")
    parser.add_argument("--width", type=int, default=1280)
    parser.add_argument("--height", type=int, default=960)
    parser.add_argument("--smallest", type=float, default=0.1)
    parser.add_argument("--largest", type=float, default=0.4)
    parser.add_argument("--workers", type=int, default=default_workers())
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--parsed", type=int, default=200_000, help="boxes in the large file; 0 parses none")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        (Path(name) / "pictures").mkdir()
        cropping(Path(name) / "pictures", options)
        if options.parsed:
            parsing(Path(name) / "parsed", options.parsed)


if __name__ == "__main__":
    main()
