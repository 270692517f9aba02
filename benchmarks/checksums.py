"""What the checksums of chunks cost: ingest, extraction and bare reading, each with and without them, in turns.

    env -u OPENBLAS_CORETYPE python -m benchmarks.checksums [--images 2000] [--repeats 5] [--backbone mobilenet_v2]

Images are JPEGs of 256×128. Without checksums nothing is computed when chunks are written, and nothing held against them when
they are read; all else is the same. The cost is the median of the turns' own ratios, wanted 3 % at most; seconds are medians,
passed and of all processors.
"""

from __future__ import annotations

import argparse
import itertools
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from statistics import median
from unittest import mock

import numpy as np
import torch

from benchmarks.ingest import SIZE, write_images
from benchmarks.turns import Spent, header, processor_ratios, ratios, row, seconds, take_turns
from schemas.parameters import IngestParameters, InitParameters
from stages.extract.forward import compute_features
from stages.ingest.stage import ingest
from stages.nn.host_memory import keep_large_blocks
from stages.nn.model.network import build_model
from stages.runs.context import Context
from stages.runs.run_directory import RunDirectory
from stages.runs.store import Rows
from stages.runs.store.digests import ArrayDigest

WANTED = 0.03
AT_ONCE = 64


@contextmanager
def without_checksums() -> Iterator[None]:
    with mock.patch.object(ArrayDigest, "_check"), mock.patch.object(Rows, "_check"):
        yield


def timed(call: Callable[[], object], *, checked: bool) -> Spent:
    with nullcontext() if checked else without_checksums():
        return Spent.by(call)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=2000)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--backbone", default="mobilenet_v2")
    options = parser.parse_args()
    keep_large_blocks()
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        (root / "images").mkdir()
        write_images(root / "images", options.images, height=SIZE.height, width=SIZE.width)
        number = itertools.count()

        def ingested() -> Rows:
            parameters = IngestParameters(format="folder")
            run = RunDirectory(root / f"run-{next(number)}")
            made = ingest(run, source=root / "images", parameters=parameters, context=Context())
            if made.artifact is None:
                raise SystemExit("nothing was ingested")
            return made.artifact.rows("images")

        images, model = ingested(), build_model(InitParameters(backbone=options.backbone))
        some = np.arange(min(len(images), 4 * AT_ONCE) + 1)

        def extracted() -> None:
            for _ in compute_features(model, images, some, batch_size=AT_ONCE, device=torch.device("cpu")):
                pass

        def read() -> None:
            for start in range(0, len(images), AT_ONCE):
                images[np.arange(start, min(start + AT_ONCE, len(images)))]

        print(header("", "without, s", "with, s", f"cost (wanted {WANTED:.0%})", "of processor seconds"))
        for what, call in (("ingest", ingested), ("extraction", extracted), ("bare reading", read)):
            turns = {
                "without": lambda call=call: timed(call, checked=False),
                "with": lambda call=call: timed(call, checked=True),
            }
            found = take_turns(turns, repeats=options.repeats)
            told = [f"{seconds(turns):.3f} ({median(s.processor for s in turns):.3f})" for turns in found.values()]
            costs = [median(by(found["with"], found["without"])) - 1 for by in (ratios, processor_ratios)]
            print(row(what, *told, *(f"{cost:.1%}" for cost in costs)), flush=True)


if __name__ == "__main__":
    main()
