"""What the benchmarks of the merge share: the features, and peak memory in a process of its own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np

DIM = 2048


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


def peak_mib(code: str, n_samples: int) -> float:
    """How far resident memory rises above features `x` in memory while a fresh process runs `code`, in MiB (Linux)."""
    if not Path("/proc/self/clear_refs").exists():
        return float("nan")
    # what the allocator keeps for later would hide what is taken next
    script = (
        "import ctypes, sys, numpy as np, torch; sys.path.insert(0, sys.argv[1])\n"
        "from benchmarks import merge_measures as b, merge_peers, turns\n"
        "from tests.reference.published import merge_stage, dispersion_linkage\n"
        f"x = b.mixture(600); n = 600; {code}\n"
        f"x = b.mixture({n_samples}); n = {n_samples}; ctypes.CDLL(None).malloc_trim(0); turns.reset_peak()\n"
        f"before = turns.memory_mib('VmRSS'); {code}\nprint(turns.memory_mib() - before)"
    )
    found = subprocess.run(
        [sys.executable, "-c", script, str(Path(__file__).parents[1])], capture_output=True, text=True, check=True
    )
    return float(found.stdout)
