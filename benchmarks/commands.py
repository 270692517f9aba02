"""Time of `dbc merge` and `dbc eval` with the default recipe, reading and committing included, beside their products.

    env -u OPENBLAS_CORETYPE -u OMP_NUM_THREADS python -m benchmarks.commands [--repeats 5] [--train 12936] [--cameras 6]
        [--query 3368] [--gallery 15913] [--folder DIR]

A run is made with features of Market-1501's numbers and 2048 dimensions, in DIR (default: the folder for temporary files),
and taken away at the end. The floors are half the float32 product of the train features with a copy of themselves, and the
product of query and gallery. Floor and commands take turns in one process, so that other work on the machine meets all of
them; start and imports are left out. `first` fits the whitening, as the first command of a stage does; `again` reads the one
that was kept. Figures are those of the least turn; a ratio is of the least turns, with the median of the turns' own in
brackets. With `--cameras 0` no sample has a camera.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.evaluation import make_set
from benchmarks.merge_measures import DIM, SPUN_OUT, mixture, print_table
from schemas.manifest import DatasetManifest, Execution, FeaturesManifest
from schemas.parameters import EvaluateParameters, ExtractParameters, IngestParameters, MergeParameters
from schemas.recipes import DEFAULT_RECIPE, merging_of
from schemas.summaries import DatasetSummary, FeaturesSummary
from stages.evaluate import stage as evaluate_stage
from stages.extract.frames import rows_per_piece
from stages.features import camera_finding, camera_whitening, kept_whitening
from stages.merge import stage as merge_stage
from stages.runs import making
from stages.runs.context import Context
from stages.runs.making import Computed, Request, make_artifact
from stages.runs.run_directory import RunDirectory
from stages.runs.store import Artifact, Writer
from stages.samples import GALLERY, QUERY, TRAIN, UNKNOWN

MERGE_WANTED, EVALUATION_WANTED = 2.5, 2.0
PIECES: dict[str, tuple[tuple[Any, str], ...]] = {
    "reading": ((Artifact, "read"), (Artifact, "rows")),
    "fitting the whitening": ((kept_whitening, "fit_whitening"),),
    "keeping or reading it": ((kept_whitening, "write_checkpoint"), (kept_whitening, "read_checkpoint")),
    "whitening": ((camera_whitening, "whitened"), (evaluate_stage, "whitened")),
    "looking for cameras": ((camera_finding, "nearest_by_camera"),),
    "merging": ((merge_stage, "merge_as"),),
    "ranking": ((evaluate_stage, "_retrieval"),),
    "measuring clusters": ((evaluate_stage, "measure_agreement"), (evaluate_stage, "measure_compactness")),
    "committing": ((making, "commit"),),
}
"""Functions by what they do; none of them calls another."""


@dataclass
class Turns:
    """Seconds of each turn of a call, and those of its pieces."""

    seconds: list[float] = field(default_factory=list)
    pieces: list[dict[str, float]] = field(default_factory=list)

    def take(self, call: Callable[[], object]) -> None:
        with watched() as spent:
            started = time.perf_counter()
            call()
            self.seconds.append(time.perf_counter() - started)
        self.pieces.append(spent)
        time.sleep(SPUN_OUT)

    def of_least(self) -> dict[str, float]:
        """The pieces of the turn that took least, and the rest."""
        least = min(range(len(self.seconds)), key=self.seconds.__getitem__)
        pieces = self.pieces[least]
        return {**pieces, "all else": self.seconds[least] - sum(pieces.values())}


@contextmanager
def watched() -> Iterator[dict[str, float]]:
    """Inside, the functions of `PIECES` add their seconds to what is given."""
    spent = dict.fromkeys(PIECES, 0.0)
    originals = []

    def timed(piece: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            started = time.perf_counter()
            try:
                return function(*args, **kwargs)
            finally:
                spent[piece] += time.perf_counter() - started

        return call

    for piece, functions in PIECES.items():
        for owner, name in functions:
            original = getattr(owner, name, None)
            if original is not None:
                originals.append((owner, name, original))
                setattr(owner, name, timed(piece, original))
    try:
        yield spent
    finally:
        for owner, name, original in originals:
            setattr(owner, name, original)


def make_run(root: Path, train: np.ndarray, tested: dict[str, np.ndarray], *, n_cameras: int) -> RunDirectory:
    """A run whose features of stage 0 are `train` and, if any, those `tested` against each other, shuffled."""
    run = RunDirectory(root)
    generator = np.random.default_rng(0)
    parts = [(train, TRAIN, None, None)]
    for name, number in (("query", QUERY), ("gallery", GALLERY)):
        if name in tested:
            parts.append((tested[name], number, tested[f"{name}_pid"], tested[f"{name}_camid"]))
    rows = np.concatenate([part[0] for part in parts])
    split = np.concatenate([np.full(len(part[0]), part[1], dtype=np.uint8) for part in parts])
    pid = np.concatenate([np.full(len(part[0]), UNKNOWN, np.int32) if part[2] is None else part[2] for part in parts])
    drawn = generator.integers(0, max(1, n_cameras), len(rows)).astype(np.int32)
    camid = drawn if n_cameras else np.full(len(rows), UNKNOWN, dtype=np.int32)
    order = generator.permutation(len(rows))
    dataset = make_artifact(
        run,
        Request(kind="dataset", stage=0, manifest=DatasetManifest, parameters=IngestParameters(), seeds={"order": 0}),
        partial(_dataset, split=split[order], pid=pid[order], camid=camid[order]),
        context=Context(),
    ).artifact
    features = partial(_features, rows=rows[order])
    request = Request("features", 0, FeaturesManifest, ExtractParameters(), parents=(dataset,))
    make_artifact(run, request, features, context=Context())
    return run


def _dataset(writer: Writer, *, split: np.ndarray, pid: np.ndarray, camid: np.ndarray) -> Computed:
    n = len(split)
    writer.array("images", np.zeros((n, 1, 1, 3), dtype=np.uint8))
    for name, array in (("split", split), ("pid", pid), ("camid", camid), ("tracklet", np.arange(n))):
        writer.array(name, array)
    writer.array("frame_start", np.arange(n + 1))
    writer.array("path", np.array([f"{i}.jpg" for i in range(n)], dtype=object))
    counts = {f"n_{name}": int((split == number).sum()) for name, number in (("train", TRAIN), ("query", QUERY))}
    summary = DatasetSummary(
        n_images=n,
        n_samples=n,
        n_gallery=int((split == GALLERY).sum()),
        n_identities=0,
        n_cameras=len(np.unique(camid)),
        height=1,
        width=1,
        **counts,
    )
    return Computed(summary, Execution(backend="none", device="cpu"))


def _features(writer: Writer, *, rows: np.ndarray) -> Computed:
    n, dim = rows.shape
    piece = rows_per_piece(n, batch_size=64, row_bytes=4 * dim)
    for name in ("pooled", "embedding"):
        with writer.table(name, shape=rows.shape, dtype="float32", rows_per_piece=piece) as table:
            for first in range(0, n, piece):
                table.write(first, rows[first : first + piece])
    summary = FeaturesSummary(stage=0, n_samples=n, n_images=n, dim=dim, embedding_dim=dim, images_per_second=0)
    return Computed(summary, Execution(backend="none", device="cpu"))


def forget(run: RunDirectory) -> None:
    """Take away what was made from the features, and the whitenings kept beside them and in memory."""
    kept_whitening._newest.clear()
    for stage in run.root.glob("stage-*"):
        for entry in [*stage.glob("clusters"), *stage.glob("metrics"), *stage.glob("features/.*")]:
            shutil.rmtree(entry)


def table(title: str, floor: list[float], turns: dict[str, Turns], wanted: float) -> None:
    """One column a call, its pieces in seconds below its ratio to the `floor`."""
    pieces = {name: found.of_least() for name, found in turns.items()}
    rows = [["", *turns], ["seconds", *(f"{min(found.seconds):.3f}" for found in turns.values())]]
    ratios = []
    for found in turns.values():
        median = statistics.median(own / other for own, other in zip(found.seconds, floor, strict=True))
        ratios.append(f"{min(found.seconds) / min(floor):.2f} ({median:.2f})")
    rows.append([f"of the floor, {min(floor):.3f} s (wanted {wanted})", *ratios])
    for piece in (*PIECES, "all else"):
        cells = [found[piece] for found in pieces.values()]
        if max(cells) > 0:
            rows.append([piece, *(f"{cell:.3f}" for cell in cells)])
    print_table(title, *rows)


def measure_merge(folder: Path, options: argparse.Namespace) -> None:
    """The table of `dbc merge`, of a run without query and gallery."""
    rows = mixture(options.train)
    run = make_run(folder / "merge", rows, {}, n_cameras=options.cameras)
    parameters = MergeParameters(**merging_of(DEFAULT_RECIPE))
    copy = rows.copy()
    floor: list[float] = []
    turns = {name: Turns() for name in ("first", "again")}
    for turn in range(options.repeats + 1):
        forget(run)
        product = Turns()
        product.take(lambda: rows @ copy.T)
        floor.append(product.seconds[0] / 2)
        for found in turns.values():
            # another command has nothing in memory
            kept_whitening._newest.clear()
            found.take(lambda: merge_stage.merge(run, parameters=parameters, context=Context(force=True)))
        if turn == 0:
            # it compiles, imports and fills caches
            floor, turns = [], {name: Turns() for name in turns}
    table(f"`dbc merge`, {len(rows):,} × {DIM}", floor, turns, MERGE_WANTED)


def measure_evaluation(folder: Path, options: argparse.Namespace) -> None:
    """The table of `dbc eval`, of a run with train, query and gallery."""
    tested = make_set(750)
    for name, n_rows in (("query", options.query), ("gallery", options.gallery)):
        tested |= {key: array[:n_rows] for key, array in tested.items() if key.startswith(name)}
    run = make_run(folder / "eval", mixture(options.train), tested, n_cameras=options.cameras)
    floor: list[float] = []
    turns = {name: Turns() for name in ("first", "again")}
    for turn in range(options.repeats + 1):
        forget(run)
        product = Turns()
        product.take(lambda: tested["query"] @ tested["gallery"].T)
        floor.append(product.seconds[0])
        for found in turns.values():
            kept_whitening._newest.clear()
            found.take(
                lambda: evaluate_stage.evaluate(run, parameters=EvaluateParameters(), context=Context(force=True))
            )
        if turn == 0:
            floor, turns = [], {name: Turns() for name in turns}
    n_rows = options.train + options.query + options.gallery
    table(f"`dbc eval`, {options.query:,} × {options.gallery:,} of {n_rows:,}", floor, turns, EVALUATION_WANTED)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--train", type=int, default=12936)
    parser.add_argument("--query", type=int, default=3368)
    parser.add_argument("--gallery", type=int, default=15913)
    parser.add_argument("--cameras", type=int, default=6)
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--only", choices=("merge", "eval"))
    options = parser.parse_args()
    if "OPENBLAS_CORETYPE" in os.environ:
        print("OPENBLAS_CORETYPE is set: the floor may be half of what the machine does", file=sys.stderr)
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        if options.only != "eval":
            measure_merge(Path(folder), options)
        if options.only != "merge":
            measure_evaluation(Path(folder), options)


if __name__ == "__main__":
    main()
