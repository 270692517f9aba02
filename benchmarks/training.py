"""Images a second and memory of a training step, beside the bare forward, backward and optimizer step of its network.

    python -m benchmarks.training [--cases resnet50:256x128:16:3 mobilenet_v2:128x128:16:12] [--clusters 12936 1640]
                                  [--modes float32 amp] [--repeats 4] [--device auto] [--cache auto] [--frames T]
                                  [--threads N]

Prints a Markdown table: a row for each case (network, size, batch, steps a turn) and mode (`compiled` and `compiled-amp`
too). The floor is what nobody can leave out: backbone and embedding head over one batch that is already a normalised
channels-last tensor on the device, a sum as loss, its gradient, and the same optimizer; same threads, precision,
compilation, and allocator settings. The loop is the product's own over decoded images: draws, reading, augmentation,
repelled loss against a look-up table of as many rows as `--clusters` says, one number a case, and the table's update. Both
take turns. Rates are of the median turn; ratios, loop over floor (wanted: 0.9), are medians of each round's own, in wall
seconds with their range and in processor seconds, which other work on the machine moves less. The loop is timed from the
end of its first step to the end of its last but those that are read ahead, so that as many batches are made as are trained
on; what a stage does once (compiling, the optimizer, copying and checking the table) is left out. `--frames` trains
tracklets of so many frames, of which a batch holds BATCH.
"""

from __future__ import annotations

import argparse
import copy
import functools
from collections.abc import Callable
from typing import Any

import numpy as np
import torch

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
from schemas.parameters import InitParameters, TrainParameters
from stages.arrays.backend import resolve_torch_device
from stages.nn.host_memory import keep_large_blocks
from stages.nn.images import normalize
from stages.nn.model.network import ReidModel, build_model
from stages.train.images.feed import AHEAD
from stages.train.images.frames import TrainSamples
from stages.train.images.sources import cached
from stages.train.loop import StepDone, TrainOptions, train
from stages.train.optimizers import build_optimizer
from stages.train.readings import LATE


class EnoughError(Exception):
    """Ends a turn of the loop."""


class Bench:
    """A network, images and clusters, on one device."""

    def __init__(self, case: Case, mode: str, n_clusters: int, arguments: argparse.Namespace) -> None:
        amp, self.compiled = MODES[mode]
        self.case, self.device, self.n_frames = case, torch.device(arguments.device), arguments.frames or 1
        rng = np.random.default_rng(0)
        # the first step, those that count, and what is in work when the last of them is read
        n_samples = case.batch_size * (1 + case.batches + AHEAD + 1 + LATE)
        shape = (n_samples * self.n_frames, case.height, case.width, 3)
        images = rng.integers(0, 256, shape, dtype=np.uint8)
        labels = rng.integers(0, n_clusters, n_samples)
        samples = TrainSamples(np.arange(n_samples), np.ones(n_samples, dtype=np.int64), labels)
        if arguments.frames:
            samples = TrainSamples(samples.first * self.n_frames, samples.count * self.n_frames, samples.labels)
        self.source, self.samples, _ = cached(images, samples, cache=arguments.cache, device=self.device)
        self.parameters = TrainParameters(
            stage=0, epochs=1, batch_size=case.batch_size, learning_rate=1e-4, amp=amp, frames=arguments.frames
        )
        model = build_model(InitParameters(backbone=case.backbone)).to(self.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.model: ReidModel = model.train()
        memory = rng.standard_normal((n_clusters, self.model.head.linear.out_features), dtype=np.float32)
        self.memory = memory / np.linalg.norm(memory, axis=1, keepdims=True)
        self.bare_step = self._bare_step(copy.deepcopy(self.model))

    def _bare_step(self, model: ReidModel) -> Callable[[], None]:
        """One step of the floor."""
        pool: Any = functools.partial(model.pool, amp=self.parameters.amp)
        forward = torch.compile(pool, dynamic=False) if self.compiled else pool
        optimizer = build_optimizer(model, self.parameters, device=self.device)
        shape = (self.case.batch_size * self.n_frames, 3, self.case.height, self.case.width)
        images = normalize(torch.rand(shape, device=self.device) * 255)

        def step() -> None:
            features = forward(images)
            if self.n_frames > 1:
                features = features.view(self.case.batch_size, self.n_frames, -1).mean(dim=1)
            optimizer.zero_grad()
            model.head(features).sum().backward()
            optimizer.step()

        return step

    def floor(self) -> Spent:
        wait_for(self.device)
        started = Spent.now()
        for _ in range(self.case.batches):
            self.bare_step()
        wait_for(self.device)
        return Spent.since(started)

    def loop(self) -> Spent:
        """A turn of the product's loop: the steps after its first."""
        started = spent = Spent()

        def on_step(step: StepDone) -> None:
            nonlocal started, spent
            if step.step == 1:
                started = Spent.now()
            elif step.step == 1 + self.case.batches:
                spent = Spent.since(started)
                raise EnoughError

        try:
            train(
                self.model,
                self.memory,
                self.source,
                self.samples,
                parameters=self.parameters,
                device=self.device,
                options=TrainOptions(compiled=self.compiled, on_step=on_step),
            )
        except EnoughError:
            wait_for(self.device)
        return spent


def measured(bench: Bench, mode: str, *, repeats: int) -> str:
    """The row of a mode."""
    reset_peak(bench.device)
    found = take_turns({"floor": bench.floor, "loop": bench.loop}, repeats=repeats)
    n_images = bench.case.batches * bench.case.batch_size * bench.n_frames
    told = f"{bench.case.told(mode)}, {len(bench.memory):,} clusters"
    return row(told, *rate_cells(found, "floor", "loop", n_images), peak(bench.device))


def main() -> None:
    cases = ["resnet50:256x128:16:3", "mobilenet_v2:128x128:16:12"]
    parser = network_options(__doc__, cases=cases, repeats=4)
    parser.add_argument("--clusters", type=int, nargs="+", default=[12936, 1640])
    parser.add_argument("--frames", type=int)
    parser.add_argument("--cache", choices=("auto", "device", "host", "none"), default="auto")
    arguments = parser.parse_args()
    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    arguments.device = resolve_torch_device(arguments.device)
    device = torch.device(arguments.device)
    keep_large_blocks()
    print(f"{machine(device)}, images/s\n")
    columns = ("floor", "loop", f"ratio (wanted {WANTED})", "in processor seconds", "memory")
    print(header("training", *columns), flush=True)
    # by mode first: compiling takes the longest, and what waits for it must not hold up the rest
    for mode in arguments.modes:
        for text, n_clusters in zip(arguments.cases, arguments.clusters, strict=True):
            bench = Bench(Case.parsed(text), mode, n_clusters, arguments)
            print(measured(bench, mode, repeats=arguments.repeats), flush=True)


if __name__ == "__main__":
    main()
