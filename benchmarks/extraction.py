"""Images a second and memory of extraction, beside the bare forward pass on a tensor that is already in memory.

    python -m benchmarks.extraction [--cases resnet50:256x128:32:3 mobilenet_v2:128x128:64:12] [--modes float32 amp]
                                    [--repeats 5] [--device auto] [--threads N]

Prints a Markdown table: a row for each case (network, size, batch, batches a turn) and mode (`compiled` and
`compiled-amp` too). Three things take turns: `network`, torchvision's module as it is, channels-last, in eval and
inference mode, under autocast for amp; `forward`, the same network prepared as extraction has it (batch norms folded,
weights rounded once, compiled where the mode says so); and `extract`, `stages.extract.forward.compute_features` from a dataset
artifact to tables of a features artifact. Rates are of the median turn; ratios, `extract` over `forward` (wanted: 0.9), are
medians of each round's own, in wall seconds with their range and in processor seconds, which other work moves less.
Extraction is timed from its first piece on, and stopped while as many batches are read ahead as there were then, so that
as many are read as are computed; what is done once (folding, compiling) is left out of all three. All have the same batch
size, threads, precision and memory format; glibc is kept from returning large blocks, as extraction does. Weights are
random, images drawn.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from contextlib import closing, nullcontext
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from benchmarks.turns import (
    MODES,
    WANTED,
    Case,
    Spent,
    header,
    machine,
    network_options,
    peak,
    rate_cells,
    reset_peak,
    row,
    take_turns,
    wait_for,
)
from schemas.parameters import IngestParameters, InitParameters, SyntheticParameters
from stages.arrays.backend import resolve_torch_device
from stages.extract.forward import DEPTH, compute_features, queue_depth, read_depth
from stages.extract.network import compiled_network, prepared_backbone
from stages.ingest.stage import ingest
from stages.ingest.synthetic.table import draw_path, synthetic_samples
from stages.nn.host_memory import keep_large_blocks
from stages.nn.model.network import ReidModel, build_model
from stages.runs.context import Context
from stages.runs.run_directory import RunDirectory
from stages.runs.store import Rows, Writer

Network = Callable[[torch.Tensor], torch.Tensor]


def in_work(device: torch.device) -> int:
    """Batches that are read, computed, or made something of when a piece of one batch is yielded."""
    return read_depth(device) + queue_depth(device) + (DEPTH if device.type == "cuda" else 0) + 1


class Bench:
    """A network, images in an artifact and a batch in memory, on one device."""

    def __init__(self, case: Case, device: torch.device, folder: Path) -> None:
        self.case, self.device, self.folder = case, device, folder
        self.model: ReidModel = build_model(InitParameters(backbone=case.backbone))
        # the first piece, those that count, and those that are in work when the last of them arrives
        n_batches = 1 + case.batches + in_work(device)
        self.images = drawn(folder / "drawn", case, n_images=case.batch_size * n_batches)
        shape = (case.batch_size, 3, case.height, case.width)
        pixels = torch.randn(shape, generator=torch.Generator().manual_seed(0))
        self.pixels = pixels.to(device).contiguous(memory_format=torch.channels_last)

    def bare(self, network: Network, *, amp: bool) -> Spent:
        """A turn of `network` alone."""
        precision = torch.autocast(self.device.type, dtype=torch.bfloat16) if amp else nullcontext()
        with torch.inference_mode(), precision:
            wait_for(self.device)
            started = Spent.now()
            for _ in range(self.case.batches):
                network(self.pixels)
            wait_for(self.device)
            return Spent.since(started)

    def extraction(self, *, amp: bool, compiled: bool) -> Spent:
        """A turn of extraction: the batches after its first piece, while as many are read ahead at the end as then."""
        n_images, size = self.images.shape[0], self.case.batch_size
        dim = self.model.head.linear.in_features
        with tempfile.TemporaryDirectory(dir=self.folder) as path:
            writer = Writer(Path(path) / "features")
            tables = [
                writer.table(name, shape=(n_images, dim), dtype="float32", rows_per_piece=size)
                for name in ("pooled", "embedding")
            ]
            with tables[0] as pooled, tables[1] as embedding:
                pieces = compute_features(
                    self.model,
                    self.images,
                    torch.arange(n_images + 1).numpy(),
                    batch_size=size,
                    amp=amp,
                    compiled=compiled,
                    device=self.device,
                )
                with closing(pieces):
                    next(pieces)
                    started = Spent.now()
                    for number in range(self.case.batches):
                        _, pooled_rows, embedding_rows = next(pieces)
                        pooled.write(number * size, pooled_rows)
                        embedding.write(number * size, embedding_rows)
                    spent = Spent.since(started)
                # a table that is not whole is refused
                for first in range(self.case.batches * size, n_images, size):
                    rows = np.zeros((min(size, n_images - first), dim), dtype=np.float32)
                    pooled.write(first, rows)
                    embedding.write(first, rows)
                return spent


def drawn(path: Path, case: Case, *, n_images: int) -> Rows:
    """`n_images` images in a dataset artifact: links to a few drawn pictures, because drawing takes longer than all else."""
    people = SyntheticParameters(identities=8, cameras=2, images_per_camera=4)
    names = synthetic_samples(people, seed=0, test_fraction=0.0).path
    pictures = path / "pictures"
    pictures.mkdir(parents=True)
    for number in range(n_images):
        name = pictures / f"{number:06d}.jpg"
        if number < len(names):
            pixels = draw_path(people, names[number], seed=0, height=case.height, width=case.width)
            Image.fromarray(pixels).save(name, quality=95)
        else:
            name.hardlink_to(pictures / f"{number % len(names):06d}.jpg")
    parameters = IngestParameters(format="folder", height=case.height, width=case.width)
    outcome = ingest(RunDirectory(path / "run"), source=pictures, parameters=parameters, context=Context())
    if outcome.artifact is None:
        raise SystemExit("no dataset was made")
    return outcome.artifact.rows("images")


def measured(bench: Bench, mode: str, *, repeats: int) -> str:
    """The row of a mode."""
    amp, compiled = MODES[mode]
    network = bench.model.backbone.to(bench.device, memory_format=torch.channels_last).eval()
    forward: Network = prepared_backbone(
        bench.model, amp=amp, device=bench.device, n_pixels=bench.pixels[:, 0].numel()
    )[0]
    if compiled:
        forward = compiled_network(forward, device=bench.device)
    reset_peak(bench.device)
    found = take_turns(
        {
            "network": lambda: bench.bare(network, amp=amp),
            "forward": lambda: bench.bare(forward, amp=amp),
            "extract": lambda: bench.extraction(amp=amp, compiled=compiled),
        },
        repeats=repeats,
    )
    n_images = bench.case.batches * bench.case.batch_size
    return row(bench.case.told(mode), *rate_cells(found, "forward", "extract", n_images), peak(bench.device))


def main() -> None:
    cases = ["resnet50:256x128:32:3", "mobilenet_v2:128x128:64:12"]
    arguments = network_options(__doc__, cases=cases, repeats=5).parse_args()
    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    device = torch.device(resolve_torch_device(arguments.device))
    keep_large_blocks()
    print(f"{machine(device)}, images/s\n")
    columns = ("network", "forward", "extract", f"ratio (wanted {WANTED})", "in processor seconds", "memory")
    print(header("extraction", *columns), flush=True)
    for text in arguments.cases:
        with tempfile.TemporaryDirectory() as folder:
            bench = Bench(Case.parsed(text), device, Path(folder))
            for mode in arguments.modes:
                print(measured(bench, mode, repeats=arguments.repeats), flush=True)


if __name__ == "__main__":
    main()
