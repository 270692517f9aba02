"""Ingest, and its decoding alone, against as many bare loops: images a second, and their ratio (floor 0.8).

Run as `python -m benchmarks.ingest`. The bare loop is Pillow's open, convert and resize in as many processes, already
started, that hash nothing, send nothing back and keep nothing; the lean loop leaves out the copies that convert and resize
make of images that are RGB and of the wanted size already. Ingest is the whole stage: threads started, files and pixels
hashed, the dataset artifact written, synced and renamed into place. Rounds alternate and medians are told, for the machine
may be busy; processor seconds say what a busy machine hides.
"""

from __future__ import annotations

import argparse
import multiprocessing
import statistics
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from multiprocessing.pool import Pool
from pathlib import Path

import numpy as np
from PIL import Image, ImageFilter

from benchmarks.turns import Spent
from schemas.parameters import IngestParameters
from stages.ingest.decode.block import Block, ImageSize
from stages.ingest.decode.pixels import Files
from stages.ingest.decode.workers import decode_all, default_workers
from stages.ingest.source_digest import digest_each
from stages.ingest.stage import ingest
from stages.runs.context import Context
from stages.runs.run_directory import RunDirectory
from stages.runs.store.digests import ArrayDigest

FLOOR = 0.8
SIZE = ImageSize(height=256, width=128)


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


def bare(paths: list[str]) -> float:
    """Processor seconds of decoding and resizing files by nothing but Pillow."""
    started = time.process_time()
    for path in paths:
        with Image.open(path) as image:
            np.asarray(image.convert("RGB").resize((SIZE.width, SIZE.height), Image.Resampling.BILINEAR))
    return time.process_time() - started


def lean(paths: list[str]) -> float:
    """Processor seconds of the same without copies of what is RGB, or of the wanted size, already."""
    started = time.process_time()
    for path in paths:
        with Image.open(path) as image:
            image.load()
            rgb = image if image.mode == "RGB" else image.convert("RGB")
            if rgb.size != (SIZE.width, SIZE.height):
                rgb = rgb.resize((SIZE.width, SIZE.height), Image.Resampling.BILINEAR)
            rgb.tobytes()
    return time.process_time() - started


def loop_once(pool: Pool, loop: Callable[[list[str]], float], files: list[str]) -> tuple[float, float]:
    """Images a second, and processor seconds, of a loop in the processes of `pool`."""
    started = time.perf_counter()
    spent = sum(pool.imap_unordered(loop, [files[i::64] for i in range(64)]))
    return len(files) / (time.perf_counter() - started), spent


def ingest_once(folder: Path, run: Path, *, workers: int) -> Spent:
    """What ingesting `folder` into the new run `run` spends."""
    asked = {"parameters": IngestParameters(format="folder"), "context": Context(workers=workers)}
    return Spent.by(lambda: ingest(RunDirectory(run), source=folder, **asked))


def decode_once(folder: Path, paths: list[str], target: Path, *, workers: int) -> tuple[float, float]:
    """Images a second of `decode_all` from its start, and after its first block; `target` takes the pixels."""
    with target.open("xb") as file:
        file.truncate(len(paths) * SIZE.n_bytes)
    started = first = time.perf_counter()
    n_first = 0
    for block, _ in decode_all(Files(folder), blocks(paths, target), size=SIZE, workers=workers):
        if not n_first:
            first, n_first = time.perf_counter(), len(block.paths)
    ended = time.perf_counter()
    target.unlink()
    return len(paths) / (ended - started), (len(paths) - n_first) / (ended - first)


def blocks(paths: list[str], target: Path) -> Iterator[Block]:
    """All the images in blocks that lie in one file."""
    for start in range(0, len(paths), SIZE.images_per_block):
        yield Block(tuple(paths[start : start + SIZE.images_per_block]), str(target), start * SIZE.n_bytes)


def parts_once(folder: Path, paths: list[str]) -> tuple[float, float]:
    """Processor seconds of hashing all files, and of hashing as many pixels."""
    started = time.process_time()
    digest_each(folder, paths)
    files_hashed = time.process_time()
    pixels = np.zeros((SIZE.images_per_block, SIZE.n_bytes), dtype=np.uint8)
    digest = ArrayDigest()
    for start in range(0, len(paths), len(pixels)):
        digest.update(pixels[: len(paths) - start])
    return files_hashed - started, time.process_time() - files_hashed


def measure(folder: Path, paths: list[str], pool: Pool, *, workers: int, rounds: int) -> dict[str, float]:
    """The medians of all figures over the rounds."""
    found: dict[str, list[float]] = defaultdict(list)
    files = [str(folder / path) for path in paths]
    for turn in range(rounds):
        bare_rate, bare_spent = loop_once(pool, bare, files)
        lean_rate, lean_spent = loop_once(pool, lean, files)
        from_start, steady = decode_once(folder, paths, folder.parent / "pixels", workers=workers)
        whole = ingest_once(folder, folder.parent / f"run-{turn}", workers=workers)
        hashed_files, hashed_pixels = parts_once(folder, paths)
        figures = {"bare": bare_rate, "lean": lean_rate, "start": from_start, "steady": steady}
        figures |= {"ingest": len(paths) / whole.passed, "bare spent": bare_spent, "lean spent": lean_spent}
        figures |= {"spent": whole.processor, "files": hashed_files, "pixels": hashed_pixels}
        for name, value in figures.items():
            found[name].append(value)
    return {name: statistics.median(values) for name, values in found.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=2000)
    parser.add_argument("--source-height", type=int, default=256)
    parser.add_argument("--source-width", type=int, default=128)
    parser.add_argument("--workers", type=int, default=default_workers())
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name, multiprocessing.get_context("fork").Pool(options.workers) as pool:
        folder = Path(name) / "images"
        folder.mkdir()
        paths = write_images(folder, options.images, height=options.source_height, width=options.source_width)
        # what is imported once, and the first look at each file, are no part of any rate
        ingest_once(folder, Path(name) / "run", workers=options.workers)
        found = measure(folder, paths, pool, workers=options.workers, rounds=options.rounds)
    print(f"{options.images} JPEGs of {options.source_height}×{options.source_width}, {options.workers} processes")
    print(f"{'bare loop':24}{found['bare']:8.0f} images/s{found['bare spent']:30.2f} processor seconds")
    print(f"{'lean loop':24}{found['lean']:8.0f} images/s{found['lean spent']:30.2f}")
    for kind, label in (
        ("start", "threads, from their start"),
        ("steady", "threads, once running"),
        ("ingest", "ingest"),
    ):
        spent = f"{found['spent']:8.2f}" if kind == "ingest" else ""
        print(f"{label:24}{found[kind]:8.0f} images/s, {found[kind] / found['bare']:.2f} of bare{spent:>17}")
    print(f"floor of ingest: {FLOOR} of bare. Of its processor seconds")
    print(f"the hashes of files {found['files']:.2f}, of pixels {found['pixels']:.2f}")


if __name__ == "__main__":
    main()
