"""Time of `dbc merge` and `dbc eval` with the default recipe, reading and committing included, beside their products.

    env -u OPENBLAS_CORETYPE -u OMP_NUM_THREADS python -m benchmarks.commands [--repeats 5] [--train 12936] [--cameras 6]
        [--query 3368] [--gallery 15913] [--folder DIR] [--only merge]

A run is made with features of Market-1501's numbers and 2048 dimensions, in DIR (default: the folder for temporary files),
and taken away at the end. The floors are half the float32 product of the train features with a copy of themselves, and the
product of query and gallery. Floor and commands take turns in one process, so that other work on the machine meets all of
them; start and imports are left out. `first` fits the whitening and looks for neighbours by camera, as the first command of
a stage does; `again` reads what that kept. Figures are those of the least turn, seconds passed and, in brackets, those of all
processors, which are what is left to compare on a busy machine; the ratio's brackets hold the median of the turns' own. With
`--cameras 0` no sample has a camera.
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from benchmarks.evaluation import make_set
from benchmarks.merge_measures import DIM, mixture
from benchmarks.turns import SPUN_OUT, Spent, least_processor_ratio, print_table, ratios, tell_of_old_core
from schemas.manifest import DatasetManifest, Execution, FeaturesManifest
from schemas.parameters import EvaluateParameters, ExtractParameters, IngestParameters, MergeParameters
from schemas.recipes import DEFAULT_RECIPE, merging_of
from schemas.summaries import DatasetSummary, FeaturesSummary
from stages.evaluate import stage as evaluate_stage
from stages.extract.frames import rows_per_piece
from stages.features import camera_whitening, kept_neighbours, kept_whitening, prepared
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
    "keeping or reading it": ((kept_whitening, "keep"), (kept_whitening, "read_checkpoint")),
    "whitening": ((camera_whitening, "whitened"),),
    "looking for cameras": ((kept_neighbours, "nearest_by_camera"),),
    "merging": ((merge_stage, "merge_as"),),
    "ranking": ((evaluate_stage, "_retrieval"),),
    "measuring clusters": ((evaluate_stage, "measure_agreement"), (evaluate_stage, "measure_compactness")),
    "committing": ((making, "commit"),),
}
"""Functions by what they do; none of them calls another."""


@dataclass
class Turns:
    """What each turn of a call spent, and its pieces."""

    spent: list[Spent] = field(default_factory=list)
    pieces: list[dict[str, Spent]] = field(default_factory=list)

    def take(self, call: Callable[[], object]) -> None:
        with watched() as pieces:
            self.spent.append(Spent.by(call))
        self.pieces.append(pieces)
        time.sleep(SPUN_OUT)

    @property
    def least(self) -> int:
        return min(range(len(self.spent)), key=lambda turn: self.spent[turn].passed)

    def of_least(self) -> dict[str, Spent]:
        """The pieces of the turn that took least, and the rest."""
        pieces = self.pieces[self.least]
        return {**pieces, "all else": self.spent[self.least] - sum(pieces.values(), Spent())}


@contextmanager
def watched() -> Iterator[dict[str, Spent]]:
    """Inside, the functions of `PIECES` add what they spend to what is given."""
    spent = dict.fromkeys(PIECES, Spent())
    originals = []

    def timed(piece: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            started = Spent.now()
            try:
                return function(*args, **kwargs)
            finally:
                spent[piece] += Spent.since(started)

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
    prepared._newest.clear()
    for stage in run.root.glob("stage-*"):
        for entry in [*stage.glob("clusters"), *stage.glob("metrics"), *stage.glob("features/.*")]:
            shutil.rmtree(entry)


def table(title: str, floor: Turns, turns: dict[str, Turns], wanted: float, *, share: float = 1.0) -> None:
    """One column a call, its pieces below its ratio to `share` of the `floor`."""
    pieces = {name: found.of_least() for name, found in turns.items()}
    least = floor.spent[floor.least].passed * share
    rows = [["seconds", *(str(found.spent[found.least]) for found in turns.values())]]
    of_floor = [
        f"{found.spent[found.least].passed / least:.2f} ({median(ratios(found.spent, floor.spent)) / share:.2f})"
        for found in turns.values()
    ]
    rows.append([f"of the floor, {least:.3f} s (wanted {wanted})", *of_floor])
    busy = min(spent.processor for spent in floor.spent) * share
    by_processor = [f"{least_processor_ratio(found.spent, floor.spent) / share:.2f}" for found in turns.values()]
    rows.append([f"of its processor seconds, {busy:.3f} s", *by_processor])
    for piece in (*PIECES, "all else"):
        cells = [found[piece] for found in pieces.values()]
        if max(cell.passed for cell in cells) > 0:
            rows.append([piece, *map(str, cells)])
    print_table(title, ["", *turns], *rows)


def take_turns(
    run: RunDirectory, product: Callable[[], object], command: Callable[[], object], repeats: int
) -> tuple[Turns, dict[str, Turns]]:
    """Turns of `product`, and of `command` as the first of a stage and again; a round before them fills caches."""
    floor, turns = Turns(), {name: Turns() for name in ("first", "again")}
    for turn in range(repeats + 1):
        if turn == 1:
            floor, turns = Turns(), {name: Turns() for name in turns}
        forget(run)
        floor.take(product)
        for found in turns.values():
            # another command has nothing in memory
            kept_whitening._newest.clear()
            prepared._newest.clear()
            found.take(command)
    return floor, turns


def measure_merge(folder: Path, options: argparse.Namespace) -> None:
    """The table of `dbc merge`, of a run without query and gallery."""
    rows = mixture(options.train)
    run = make_run(folder / "merge", rows, {}, n_cameras=options.cameras)
    parameters = MergeParameters(**merging_of(DEFAULT_RECIPE))
    copy = rows.copy()
    floor, turns = take_turns(
        run,
        lambda: rows @ copy.T,
        lambda: merge_stage.merge(run, parameters=parameters, context=Context(force=True)),
        options.repeats,
    )
    table(f"`dbc merge`, {len(rows):,} × {DIM}", floor, turns, MERGE_WANTED, share=0.5)


def measure_evaluation(folder: Path, options: argparse.Namespace) -> None:
    """The table of `dbc eval`, of a run with train, query and gallery."""
    tested = make_set(750)
    for name, n_rows in (("query", options.query), ("gallery", options.gallery)):
        tested |= {key: array[:n_rows] for key, array in tested.items() if key.startswith(name)}
    run = make_run(folder / "eval", mixture(options.train), tested, n_cameras=options.cameras)
    floor, turns = take_turns(
        run,
        lambda: tested["query"] @ tested["gallery"].T,
        lambda: evaluate_stage.evaluate(run, parameters=EvaluateParameters(), context=Context(force=True)),
        options.repeats,
    )
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
    tell_of_old_core()
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        if options.only != "eval":
            measure_merge(Path(folder), options)
        if options.only != "merge":
            measure_evaluation(Path(folder), options)


if __name__ == "__main__":
    main()
