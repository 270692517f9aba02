"""Images a second of a training step beside its floor: bare forward, backward and optimizer step of the same network.

    python benchmarks/training.py [--backbone resnet50] [--height 256] [--width 128] [--batch-size 16] [--steps 20]
                                  [--repeats 5] [--amp] [--compile] [--device auto] [--cache auto] [--frames T] [--json]

The floor is what nobody can leave out: backbone and embedding head over one batch that is already a normalised
channels-last tensor on the device, a sum as loss, its gradient, and the same optimizer; same threads, precision,
compilation, and allocator settings. The step is the product's own loop over decoded images: draws, reading, augmentation,
repelled loss against a look-up table of `--clusters` rows, and the table's update. Floor and loop take turns, so that
other work on the machine meets both; figures are the best of `--repeats`, the ratio the best over the best. Wanted: 0.9.
`--frames` trains tracklets of so many frames, of which a batch holds `--batch-size`.
"""

from __future__ import annotations

import argparse
import copy
import functools
import json
import resource
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from schemas.parameters import TrainParameters
from stages.backend import resolve_torch_device
from stages.nn.host_memory import keep_large_blocks
from stages.nn.images import normalize
from stages.nn.model import ReidModel, build_model
from stages.train.loop import train
from stages.train.optimizers import build_optimizer
from stages.train.samples import Samples, image_samples
from stages.train.sources import FrameSource, cached

TARGET = 0.9


def bare_step(
    model: ReidModel, parameters: TrainParameters, images: torch.Tensor, *, compiled: bool
) -> Callable[[], None]:
    """One step of the floor."""
    pool = functools.partial(model.pool, amp=parameters.amp)
    forward = torch.compile(pool, dynamic=False) if compiled else pool
    optimizer = build_optimizer(model, parameters, device=images.device)
    n_samples = parameters.batch_size

    def step() -> None:
        features = forward(images)
        if parameters.frames:
            features = features.view(n_samples, parameters.frames, -1).mean(dim=1)
        optimizer.zero_grad()
        model.head(features).sum().backward()
        optimizer.step()

    return step


def seconds(call: Callable[[], object], device: torch.device) -> float:
    started = time.perf_counter()
    call()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter() - started


def peak_bytes(device: torch.device) -> dict[str, int]:
    found = {"host": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024}
    if device.type == "cuda":
        found["device"] = torch.cuda.max_memory_allocated(device)
    return found


def loop_run(
    model: ReidModel, source: FrameSource, samples: Samples, parameters: TrainParameters, arguments: argparse.Namespace
) -> Callable[[], object]:
    """An epoch of the product's loop."""
    rng = np.random.default_rng(1)
    memory = rng.standard_normal((arguments.clusters, model.head.linear.out_features), dtype=np.float32)
    memory /= np.linalg.norm(memory, axis=1, keepdims=True)
    device = torch.device(arguments.device)
    return functools.partial(
        train, model, memory, source, samples, parameters=parameters, device=device, compiled=arguments.compile
    )


def measure(arguments: argparse.Namespace) -> dict[str, Any]:
    device = torch.device(arguments.device)
    keep_large_blocks()
    rng = np.random.default_rng(0)
    n_frames = arguments.frames or 1
    n_samples = arguments.batch_size * arguments.steps
    images = rng.integers(0, 256, (n_samples * n_frames, arguments.height, arguments.width, 3), dtype=np.uint8)
    samples = image_samples(rng.integers(0, arguments.clusters, n_samples))
    if arguments.frames:
        samples = Samples(samples.first * n_frames, samples.count * n_frames, samples.labels)
    source, samples, cache = cached(images, samples, cache=arguments.cache, device=device)
    parameters = TrainParameters(
        stage=0,
        epochs=1,
        batch_size=arguments.batch_size,
        learning_rate=1e-4,
        amp=arguments.amp,
        frames=arguments.frames,
    )
    model = build_model(arguments.backbone).to(device, memory_format=torch.channels_last).train()
    batch = torch.rand((arguments.batch_size * n_frames, 3, arguments.height, arguments.width), device=device) * 255
    floor = bare_step(copy.deepcopy(model), parameters, normalize(batch), compiled=arguments.compile)

    def floor_run() -> None:
        for _ in range(arguments.steps):
            floor()

    calls = {"floor": floor_run, "loop": loop_run(model, source, samples, parameters, arguments)}
    times = {name: [] for name in calls}
    for turn in range(arguments.repeats + 1):
        for name, call in calls.items():
            found = seconds(call, device)
            # the first turn warms up, and compiles
            if turn:
                times[name].append(found)
    n_images = n_samples * n_frames
    rates = {name: n_images / min(found) for name, found in times.items()}
    return {
        "backbone": arguments.backbone,
        "device": torch.cuda.get_device_name(device)
        if device.type == "cuda"
        else f"cpu, {torch.get_num_threads()} threads",
        "size": f"{arguments.height}×{arguments.width}",
        "batch": arguments.batch_size * n_frames,
        "precision": "bfloat16" if arguments.amp else "float32",
        "compiled": arguments.compile,
        "cache": cache,
        "floor_images_per_second": round(rates["floor"], 1),
        "loop_images_per_second": round(rates["loop"], 1),
        "ratio": round(rates["loop"] / rates["floor"], 3),
        "wanted": TARGET,
        "peak_bytes": peak_bytes(device),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--backbone", default="resnet50")
    parser.add_argument("--height", type=int, default=256)
    parser.add_argument("--width", type=int, default=128)
    parser.add_argument("--batch-size", type=int, default=16)
    parser.add_argument("--frames", type=int)
    parser.add_argument("--clusters", type=int, default=12936)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--amp", action="store_true")
    parser.add_argument("--compile", action="store_true")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--cache", choices=("auto", "device", "host", "none"), default="auto")
    parser.add_argument("--threads", type=int, help="threads of torch; its own choice by default")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    arguments.device = resolve_torch_device(arguments.device)
    found = measure(arguments)
    if arguments.json:
        print(json.dumps(found))
        return
    peaks = found.pop("peak_bytes")
    for name, value in found.items():
        print(f"{name:24} {value}")
    print(f"{'peak memory':24} {', '.join(f'{where} {size / 2**20:.0f} MiB' for where, size in peaks.items())}")


if __name__ == "__main__":
    main()
