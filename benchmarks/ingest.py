"""Ingest, and its decoding alone, against as many bare loops: images a second, and their ratio (floor 0.8).

Run as `python -m benchmarks.ingest`. The bare loop is Pillow's open, convert and resize in as many processes, already
started, that hash nothing, send nothing back and keep nothing. `ingest` is the whole stage: digests, decoding, the
dataset artifact compressed and synced. Rounds alternate and the median is told, for the machine may be busy; CPU seconds
of one round, of this process and its children, say what a busy machine hides.
"""

from __future__ import annotations

import argparse
import multiprocessing
import resource
import statistics
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image, ImageFilter

from schemas.parameters import IngestParameters
from stages.data.decode_pool import decode_all, default_workers
from stages.data.image_source import Files
from stages.ingest.stage import ingest
from stages.produce import How
from stages.reporting import Silent
from stages.run_directory import RunDirectory

FLOOR = 0.8


def write_images(folder: Path, n_images: int, *, height: int, width: int) -> list[str]:
    """The names of `n_images` JPEG files with the detail of photographs (blurred noise of several scales)."""
    rng = np.random.default_rng(0)
    for i in range(n_images):
        mixed = np.zeros((height, width, 3))
        for scale in (1, 4, 16):
            noise = Image.fromarray(rng.integers(0, 256, (height, width, 3), dtype=np.uint8))
            blurred = np.asarray(noise.filter(ImageFilter.GaussianBlur(scale)), dtype=np.float64)
            mixed += (blurred - blurred.mean()) / blurred.std() * 20
        Image.fromarray((mixed + 128).clip(0, 255).astype(np.uint8)).save(folder / f"{i:06}.jpg", quality=90)
    return sorted(entry.name for entry in folder.iterdir())


def bare(task: tuple[list[str], int, int]) -> int:
    """The number of files decoded and resized by nothing but Pillow."""
    paths, height, width = task
    for path in paths:
        with Image.open(path) as image:
            np.asarray(image.convert("RGB").resize((width, height), Image.Resampling.BILINEAR))
    return len(paths)


def ingest_once(folder: Path, run: Path, *, workers: int) -> tuple[float, float]:
    """Wall and CPU seconds of ingesting `folder` into the new run `run`."""
    before, started = cpu_seconds(), time.perf_counter()
    parameters = IngestParameters(format="folder")
    ingest(RunDirectory(run), source=folder, parameters=parameters, workers=workers, how=How(), reporter=Silent())
    return time.perf_counter() - started, cpu_seconds() - before


def cpu_seconds() -> float:
    """CPU seconds of this process and of its children that have ended."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in used)


def decode_once(folder: Path, paths: list[str], *, workers: int) -> tuple[float, float]:
    """Images a second of `decode_all` from its start, and after its first block."""
    started = first = time.perf_counter()
    n_steady = 0
    for block in decode_all(Files(folder), paths, height=256, width=128, workers=workers):
        if block.start == 0:
            first = time.perf_counter()
        else:
            n_steady += len(block.images)
    ended = time.perf_counter()
    return len(paths) / (ended - started), n_steady / (ended - first)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=2000)
    parser.add_argument("--source-height", type=int, default=256)
    parser.add_argument("--source-width", type=int, default=128)
    parser.add_argument("--workers", type=int, default=default_workers())
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    rates: dict[str, list[float]] = {"bare": [], "start": [], "steady": [], "ingest": []}
    spent = []
    with tempfile.TemporaryDirectory() as name, multiprocessing.get_context("fork").Pool(options.workers) as pool:
        folder = Path(name) / "images"
        folder.mkdir()
        paths = write_images(folder, options.images, height=options.source_height, width=options.source_width)
        for turn in range(options.rounds):
            tasks = [([str(folder / path) for path in paths[i::64]], 256, 128) for i in range(64)]
            started = time.perf_counter()
            n_decoded = sum(pool.imap_unordered(bare, tasks))
            rates["bare"].append(n_decoded / (time.perf_counter() - started))
            from_start, steady = decode_once(folder, paths, workers=options.workers)
            rates["start"].append(from_start)
            rates["steady"].append(steady)
            seconds, cpu = ingest_once(folder, Path(name) / f"run-{turn}", workers=options.workers)
            rates["ingest"].append(len(paths) / seconds)
            spent.append(cpu)
        before = cpu_seconds()
        bare(([str(folder / path) for path in paths], 256, 128))
        bare_spent = cpu_seconds() - before
    rate = {kind: statistics.median(found) for kind, found in rates.items()}
    print(f"{options.images} JPEGs of {options.source_height}×{options.source_width}, {options.workers} processes")
    print(f"{'bare loop':24}{rate['bare']:8.0f} images/s, {bare_spent:.2f} CPU seconds in one process")
    for kind, label in (("start", "decode_all, from start"), ("steady", "after its first block"), ("ingest", "ingest")):
        share = f"{rate[kind] / rate['bare']:.2f} of the bare loop (floor {FLOOR})"
        more = f", {statistics.median(spent):.2f} CPU seconds" if kind == "ingest" else ""
        print(f"{label:24}{rate[kind]:8.0f} images/s  {share}{more}")


if __name__ == "__main__":
    main()
