"""Decoding in worker processes against the same number of bare loops: images a second, and their ratio (floor 0.8).

Run as `python -m benchmarks.ingest`. The bare loop is Pillow's open, convert and resize in as many processes, already
started, that hash nothing and send nothing back. Rounds alternate and the median is told, for the machine may be busy.
"""

from __future__ import annotations

import argparse
import multiprocessing
import statistics
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image, ImageFilter

from stages.data.decode_pool import decode_all, default_workers
from stages.data.image_source import Files

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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=2000)
    parser.add_argument("--source-height", type=int, default=256)
    parser.add_argument("--source-width", type=int, default=128)
    parser.add_argument("--workers", type=int, default=default_workers())
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    bare_rates, pool_rates, steady_rates = [], [], []
    with tempfile.TemporaryDirectory() as name, multiprocessing.get_context("fork").Pool(options.workers) as pool:
        folder = Path(name)
        paths = write_images(folder, options.images, height=options.source_height, width=options.source_width)
        for _ in range(options.rounds):
            tasks = [([str(folder / path) for path in paths[i::64]], 256, 128) for i in range(64)]
            started = time.perf_counter()
            n_decoded = sum(pool.imap_unordered(bare, tasks))
            bare_rates.append(n_decoded / (time.perf_counter() - started))
            started = first = time.perf_counter()
            n_steady = 0
            for block in decode_all(Files(folder), paths, height=256, width=128, workers=options.workers):
                if block.start == 0:
                    first = time.perf_counter()
                else:
                    n_steady += len(block.images)
            pool_rates.append(len(paths) / (time.perf_counter() - started))
            steady_rates.append(n_steady / (time.perf_counter() - first))
    reference = statistics.median(bare_rates)
    print(f"{options.images} JPEGs of {options.source_height}×{options.source_width}, {options.workers} processes")
    print(f"{'bare loop':24}{reference:8.0f} images/s")
    for label, rates in (("decode_all, from start", pool_rates), ("after its first block", steady_rates)):
        rate = statistics.median(rates)
        print(f"{label:24}{rate:8.0f} images/s  {rate / reference:.2f} of the bare loop (floor {FLOOR})")


if __name__ == "__main__":
    main()
