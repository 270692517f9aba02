"""Things to measure that take turns, so that other work on the machine meets all of them; and what they took."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import torch

MODES = {"float32": (False, False), "amp": (True, False), "compiled": (False, True), "compiled-amp": (True, True)}
"""(bfloat16, compiled) by name."""
WANTED = 0.9


@dataclass(frozen=True)
class Case:
    """A network, the size of its images, images a batch, and how many batches a turn counts."""

    backbone: str
    height: int
    width: int
    batch_size: int
    batches: int

    @classmethod
    def parsed(cls, text: str) -> Case:
        """`NAME:HEIGHTxWIDTH:BATCH:BATCHES`, as `resnet50:256x128:32:3`."""
        backbone, size, batch_size, batches = text.split(":")
        height, width = size.split("x")
        return cls(backbone, int(height), int(width), int(batch_size), int(batches))

    def told(self, mode: str) -> str:
        return f"{self.backbone}, {self.height}×{self.width}, batch {self.batch_size}, {mode}"


@dataclass(frozen=True)
class Spent:
    """Wall and processor seconds, the latter of all threads."""

    wall: float
    processor: float


class Clock:
    """Runs from its making."""

    def __init__(self) -> None:
        self._wall, self._processor = time.perf_counter(), time.process_time()

    def spent(self) -> Spent:
        return Spent(time.perf_counter() - self._wall, time.process_time() - self._processor)


Turn = Callable[[], Spent]
"""One turn; what it gives is what counts of it."""


def take_turns(turns: Mapping[str, Turn], *, repeats: int) -> dict[str, list[Spent]]:
    """What each of `turns` spent `repeats` times, after one that warms up; every second round goes backwards."""
    found: dict[str, list[Spent]] = {name: [] for name in turns}
    for number in range(repeats + 1):
        for name in list(turns)[:: -1 if number % 2 else 1]:
            spent = turns[name]()
            if number:
                found[name].append(spent)
    return found


def rate(spent: list[Spent], n_images: int) -> str:
    """Images a second in the median turn."""
    return f"{n_images / median(turn.wall for turn in spent):.1f}"


def ratios(floor: list[Spent], ours: list[Spent]) -> tuple[str, str]:
    """Floor over ours, of wall and of processor seconds: medians of the rounds' own, with least and most of the first."""
    wall = [a.wall / b.wall for a, b in zip(floor, ours, strict=True)]
    processor = [a.processor / b.processor for a, b in zip(floor, ours, strict=True)]
    return f"{median(wall):.2f} ({min(wall):.2f} to {max(wall):.2f})", f"{median(processor):.2f}"


def row(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"


def header(*cells: str) -> str:
    return f"{row(*cells)}\n|{'---|' * len(cells)}"


def machine(device: torch.device) -> str:
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else "CPU"
    return f"torch {torch.__version__}, {name}, {torch.get_num_threads()} threads"


def wait_for(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


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
        n_kib = next(int(line.split()[1]) for line in lines if line.startswith("VmHWM"))
        told.append(f"{n_kib / 1024:,.0f} MiB")
    if device.type == "cuda":
        told.append(f"GPU {torch.cuda.max_memory_allocated(device) / 2**20:,.0f} MiB")
    return ", ".join(told)
