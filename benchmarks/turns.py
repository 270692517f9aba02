"""What benchmarks measure by: seconds of calls that take turns, so that other work on the machine meets all, and memory."""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

MODES = {"float32": (False, False), "amp": (True, False), "compiled": (False, True), "compiled-amp": (True, True)}
"""(bfloat16, compiled) by name."""
WANTED = 0.9
SPUN_OUT = 0.06
"""Seconds between turns: the threads of a product spin on for some 30 ms, which the next turn would be charged for."""


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


def network_options(doc: str | None, *, cases: Sequence[str], repeats: int) -> argparse.ArgumentParser:
    """The options of benchmarks of networks."""
    parser = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", nargs="+", default=cases)
    parser.add_argument("--modes", nargs="+", choices=list(MODES), default=["float32", "amp"])
    parser.add_argument("--repeats", type=int, default=repeats)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--threads", type=int, help="threads of torch; its own choice by default")
    return parser


@dataclass(frozen=True)
class Spent:
    """Seconds passed, and of all processors."""

    passed: float = 0.0
    processor: float = 0.0

    @classmethod
    def now(cls) -> Spent:
        return cls(time.perf_counter(), time.process_time())

    @classmethod
    def since(cls, started: Spent) -> Spent:
        return cls.now() - started

    @classmethod
    def by(cls, call: Callable[[], object]) -> Spent:
        """What one run of `call` spends."""
        started = cls.now()
        call()
        return cls.since(started)

    def __add__(self, other: Spent) -> Spent:
        return Spent(self.passed + other.passed, self.processor + other.processor)

    def __sub__(self, other: Spent) -> Spent:
        return Spent(self.passed - other.passed, self.processor - other.processor)

    def __str__(self) -> str:
        return f"{self.passed:.3f} ({self.processor:.3f})"


Turns = Sequence[Spent]
"""What each turn of one thing spent."""


def take_turns(
    turns: Mapping[str, Callable[[], Spent]], *, repeats: int, warms_up: bool = True
) -> dict[str, list[Spent]]:
    """What each of `turns` says that it spent, `repeats` times, after one that warms up; every second round goes backwards."""
    found: dict[str, list[Spent]] = {name: [] for name in turns}
    for number in range(0 if warms_up else 1, repeats + 1):
        for name in list(turns)[:: -1 if number % 2 else 1]:
            spent = turns[name]()
            time.sleep(SPUN_OUT)
            if number:
                found[name].append(spent)
    return found


def call_in_turns(calls: Mapping[str, Callable[[], object]], *, repeats: int) -> dict[str, list[Spent]]:
    """What each of `calls` spends, `repeats` times."""
    turns = {name: lambda call=call: Spent.by(call) for name, call in calls.items()}
    return take_turns(turns, repeats=repeats, warms_up=False)


def seconds(turns: Turns) -> float:
    """Those passed in the median turn."""
    return median(spent.passed for spent in turns)


def ratios(ours: Turns, *parts: Turns) -> list[float]:
    """Of each turn, the seconds of `ours` over those of all `parts`."""
    rounds = zip(ours, *parts, strict=True)
    return [own.passed / sum(part.passed for part in others) for own, *others in rounds]


def processor_ratios(ours: Turns, other: Turns) -> list[float]:
    """The same of processor seconds, which other work on the machine moves less."""
    return [own.processor / part.processor for own, part in zip(ours, other, strict=True)]


def least_processor_ratio(ours: Turns, other: Turns) -> float:
    """Processor seconds of the least turn of each: what is left to compare on a machine that is busy with other work."""
    return min(spent.processor for spent in ours) / min(spent.processor for spent in other)


def rate_cells(found: Mapping[str, Turns], floor: str, ours: str, n_images: int) -> list[str]:
    """Images a second in the median turn of each of `found`, then floor over ours in seconds and in processor seconds."""
    passed, processor = ratios(found[floor], found[ours]), processor_ratios(found[floor], found[ours])
    told = f"{median(passed):.2f} ({min(passed):.2f} to {max(passed):.2f})"
    return [*(f"{n_images / seconds(turns):.1f}" for turns in found.values()), told, f"{median(processor):.2f}"]


def row(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"


def header(*cells: str) -> str:
    return f"{row(*cells)}\n|{'---|' * len(cells)}"


def print_table(title: str, head: Sequence[str], *rows: Sequence[str]) -> None:
    """A Markdown table."""
    print("\n".join([f"\n{title}\n", header(*head), *(row(*cells) for cells in rows)]), flush=True)


def machine(device: torch.device) -> str:
    import torch

    name = torch.cuda.get_device_name(device) if device.type == "cuda" else "CPU"
    return f"torch {torch.__version__}, {name}, {torch.get_num_threads()} threads"


def tell_of_old_core() -> None:
    if "OPENBLAS_CORETYPE" in os.environ:
        print("OPENBLAS_CORETYPE is set: the floor may be half of what the machine does", file=sys.stderr)


def wait_for(device: torch.device) -> None:
    if device.type == "cuda":
        import torch

        torch.cuda.synchronize(device)


def reset_peak(device: torch.device | None = None) -> None:
    if device is not None and device.type == "cuda":
        import torch

        torch.cuda.reset_peak_memory_stats(device)
    if Path("/proc/self/clear_refs").exists():
        Path("/proc/self/clear_refs").write_text("5")


def memory_mib(name: str = "VmHWM") -> float:
    """Resident memory of this process in MiB: its peak since `reset_peak`, or by `VmRSS` what it is now; NaN without /proc."""
    if not Path("/proc/self/status").exists():
        return float("nan")
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line.split()[1] for line in lines if line.startswith(name))) / 1024


def peak(device: torch.device) -> str:
    """The peak since `reset_peak`, of the whole process and of the GPU's allocations."""
    told = f"{memory_mib():,.0f} MiB"
    if device.type == "cuda":
        import torch

        told += f", GPU {torch.cuda.max_memory_allocated(device) / 2**20:,.0f} MiB"
    return told
