"""What the benchmarks of the merge share: the features, calls in turns, peak memory, and Markdown tables."""

from __future__ import annotations

import ctypes
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

DIM = 2048
SPUN_OUT = 0.06
"""Seconds between calls: the threads of a product spin on for some 30 ms, which the next call would be charged for."""


def mixture(n_samples: int, seed: int = 0) -> np.ndarray:
    """Unit rows (n_samples, 2048) float32 of n_samples/17 identities, cosine 0.6 within one."""
    rng = np.random.default_rng(seed)
    n_identities = max(2, n_samples // 17)
    centres = unit(rng.standard_normal((n_identities, DIM), dtype=np.float32))
    features = unit(rng.standard_normal((n_samples, DIM), dtype=np.float32))
    features *= np.float32(0.4**0.5)
    features += np.float32(0.6**0.5) * centres[rng.integers(0, n_identities, n_samples)]
    return unit(features)


def unit(rows: np.ndarray) -> np.ndarray:
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    return rows


@dataclass
class Times:
    """Seconds of each repeat: passed, and of all processors."""

    passed: list[float] = field(default_factory=list)
    processor: list[float] = field(default_factory=list)

    def take(self, call: Callable[[], object]) -> Times:
        """Run `call` once more."""
        passed, processor = time.perf_counter(), time.process_time()
        call()
        self.processor.append(time.process_time() - processor)
        self.passed.append(time.perf_counter() - passed)
        time.sleep(SPUN_OUT)
        return self

    @property
    def median(self) -> float:
        """Of the seconds passed."""
        return statistics.median(self.passed)

    def ratio(self, *parts: Times) -> float:
        """The median, over the repeats, of this by the sum of `parts`."""
        whole = [sum(values) for values in zip(*(part.passed for part in parts), strict=True)]
        return statistics.median(own / other for own, other in zip(self.passed, whole, strict=True))


def in_turns(calls: dict[str, Callable[[], object]], repeats: int) -> dict[str, Times]:
    """Times of each call, `repeats` of them, one after the other."""
    times = {name: Times() for name in calls}
    for _ in range(repeats):
        for name, call in calls.items():
            times[name].take(call)
    return times


def print_table(title: str, *rows: Sequence[str]) -> None:
    """A Markdown table, of which the first of `rows` is the head."""
    head, *others = rows
    print(f"\n{title}\n")
    for row in (head, ["---"] * len(head), *others):
        print("| " + " | ".join(row) + " |")
    sys.stdout.flush()


def peak_mib(code: str, n_samples: int) -> float:
    """How far resident memory rises above features `x` in memory while a fresh process runs `code`, in MiB (Linux)."""
    if not Path("/proc/self/clear_refs").exists():
        return float("nan")
    script = (
        "import sys, numpy as np, torch; sys.path.insert(0, sys.argv[1])\n"
        "from benchmarks import merge_measures as b, merge_peers\n"
        "from tests.reference.published import merge_stage, dispersion_linkage\n"
        f"x = b.mixture(600); n = 600; {code}\n"
        f"x = b.mixture({n_samples}); n = {n_samples}; b.reset_peak(); before = b.status_kib('VmRSS')\n"
        f"{code}\nprint((b.status_kib('VmHWM') - before) / 1024)"
    )
    found = subprocess.run(
        [sys.executable, "-c", script, str(Path(__file__).parents[1])], capture_output=True, text=True, check=True
    )
    return float(found.stdout)


def reset_peak() -> None:
    # what the allocator keeps for later would hide what is taken next
    ctypes.CDLL(None).malloc_trim(0)
    Path("/proc/self/clear_refs").write_text("5")


def status_kib(name: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line.split()[1] for line in lines if line.startswith(name)))
