"""Images a second and memory of extraction, beside the bare forward pass on a tensor that is already in memory.

    python benchmarks/extraction.py [--backbone resnet50] [--height 256] [--width 128] [--batch-size 32]
        [--batches 8] [--repeats 3] [--device auto] [--modes float32 amp compiled compiled-amp]

For each mode three things take turns, so that other work on the machine meets all of them, and each one's best is shown:
`network`, torchvision's module as it is, channels-last, in eval and inference mode, under autocast for amp; `forward`,
the same network prepared as extraction has it (batch norms folded, weights rounded once, compiled where the mode says
so); and `extract`, `stages.extract.forward.extract` from a dataset artifact to tables of a features artifact, from its
first piece to its last. The ratio is extract over forward, wanted at least 0.9. Both run on the same batch size, threads,
precision and memory format; glibc is kept from returning large blocks, as extraction does. Weights are random, images
drawn. `plain` is the module in float32 without channels-last.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path

import torch

from schemas.parameters import IngestParameters, SyntheticParameters
from stages.backend import resolve_torch_device
from stages.extract.forward import extract, queue_depth
from stages.extract.network import compiled_network, prepared_backbone
from stages.ingest.stage import ingest
from stages.nn.host_memory import keep_large_blocks
from stages.nn.model import ReidModel, build_model
from stages.produce import How
from stages.reporting import Silent
from stages.run_directory import RunDirectory
from stages.store import Rows, Writer

TARGET = 0.9
MODES = {"float32": (False, False), "amp": (True, False), "compiled": (False, True), "compiled-amp": (True, True)}


class Bench:
    """A network, images in an artifact and a batch in memory, on one device."""

    def __init__(self, arguments: argparse.Namespace, folder: Path) -> None:
        self.batch_size, self.batches = arguments.batch_size, arguments.batches
        self.device = torch.device(resolve_torch_device(arguments.device))
        self.model: ReidModel = build_model(arguments.backbone)
        self.folder = folder
        self.images = drawn(folder / "run", arguments, n_images=self.batch_size * (self.batches + 1))
        shape = (self.batch_size, 3, arguments.height, arguments.width)
        self.plain = torch.randn(shape, generator=torch.Generator().manual_seed(0)).to(self.device)
        self.pixels = self.plain.contiguous(memory_format=torch.channels_last)

    def rate(self, network: Callable[[torch.Tensor], torch.Tensor], pixels: torch.Tensor, *, amp: bool) -> float:
        """Images a second of `network` alone; one batch goes ahead."""
        precision = torch.autocast(self.device.type, dtype=torch.bfloat16) if amp else nullcontext()
        with torch.inference_mode(), precision:
            network(pixels)
            self.wait()
            started = time.perf_counter()
            for _ in range(self.batches):
                network(pixels)
            self.wait()
        return self.batches * self.batch_size / (time.perf_counter() - started)

    def extraction_rate(self, *, amp: bool, compiled: bool) -> float:
        """Images a second of extraction, of the batches that are computed after its first one is handed out."""
        n_images = self.images.shape[0]
        dim = self.model.head.linear.in_features
        with tempfile.TemporaryDirectory(dir=self.folder) as path:
            writer = Writer(Path(path) / "features")
            tables = [
                writer.table(name, shape=(n_images, dim), dtype="float32", rows_per_piece=self.batch_size)
                for name in ("pooled", "embedding")
            ]
            with tables[0] as pooled, tables[1] as embedding:
                pieces = extract(
                    self.model,
                    self.images,
                    torch.arange(n_images + 1).numpy(),
                    batch_size=self.batch_size,
                    amp=amp,
                    compiled=compiled,
                    device=self.device,
                )
                next(pieces)
                started = time.perf_counter()
                for first, pooled_rows, embedding_rows in pieces:
                    pooled.write(first, pooled_rows)
                    embedding.write(first, embedding_rows)
                seconds = time.perf_counter() - started
        return (self.batches - queue_depth(self.device)) * self.batch_size / seconds

    def wait(self) -> None:
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)


def drawn(path: Path, arguments: argparse.Namespace, *, n_images: int) -> Rows:
    """`n_images` drawn images in a dataset artifact."""
    people = SyntheticParameters(identities=2, cameras=2, images_per_camera=-(-n_images // 4))
    parameters = IngestParameters(format="synthetic", synthetic=people, height=arguments.height, width=arguments.width)
    outcome = ingest(RunDirectory(path), source=None, parameters=parameters, workers=0, how=How(), reporter=Silent())
    if outcome.artifact is None:
        raise SystemExit("nothing was drawn")
    return outcome.artifact.rows("images")


def reset_peak(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    if Path("/proc/self/clear_refs").exists():
        Path("/proc/self/clear_refs").write_text("5")


def peak(device: torch.device) -> str:
    """The peak since `reset_peak`, of the whole process and of the GPU's allocations."""
    told = []
    if Path("/proc/self/status").exists():
        lines = Path("/proc/self/status").read_text().splitlines()
        told.append(f"host {next(int(line.split()[1]) for line in lines if line.startswith('VmHWM')) / 1024:.0f} MiB")
    if device.type == "cuda":
        told.append(f"device {torch.cuda.max_memory_allocated(device) / 2**20:.0f} MiB")
    return ", ".join(told)


def measure(bench: Bench, mode: str, repeats: int) -> None:
    """The line of a mode."""
    amp, compiled = MODES[mode]
    bare = bench.model.backbone.to(bench.device, memory_format=torch.channels_last).eval()
    forward: Callable[[torch.Tensor], torch.Tensor] = prepared_backbone(bench.model, amp=amp, device=bench.device)
    if compiled:
        forward = compiled_network(forward, device=bench.device)
    best = {"network": 0.0, "forward": 0.0, "extract": 0.0}
    reset_peak(bench.device)
    for _ in range(repeats):
        best["network"] = max(best["network"], bench.rate(bare, bench.pixels, amp=amp))
        best["forward"] = max(best["forward"], bench.rate(forward, bench.pixels, amp=amp))
        best["extract"] = max(best["extract"], bench.extraction_rate(amp=amp, compiled=compiled))
    ratio = best["extract"] / best["forward"]
    rates = "   ".join(f"{name} {rate:7.1f}/s" for name, rate in best.items())
    print(f"  {mode:13} {rates}   ratio {ratio:.2f} (wanted {TARGET})   {peak(bench.device)}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--backbone", default="resnet50")
    parser.add_argument("--height", type=int, default=256)
    parser.add_argument("--width", type=int, default=128)
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--batches", type=int, default=8)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--modes", nargs="+", choices=list(MODES), default=list(MODES))
    arguments = parser.parse_args()
    keep_large_blocks()
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(arguments, Path(folder))
        name = (
            torch.cuda.get_device_name(bench.device) if bench.device.type == "cuda" else f"{os.cpu_count()} processors"
        )
        print(f"torch {torch.__version__}, {name}, {torch.get_num_threads()} threads")
        print(f"{arguments.backbone}, {arguments.height}×{arguments.width}, batch {arguments.batch_size}")
        plain = bench.model.backbone.to(bench.device, memory_format=torch.contiguous_format).eval()
        rates = [bench.rate(plain, bench.plain, amp=False) for _ in range(arguments.repeats)]
        print(f"  {'plain':13} network {max(rates):7.1f}/s", flush=True)
        for mode in arguments.modes:
            measure(bench, mode, arguments.repeats)


if __name__ == "__main__":
    main()
