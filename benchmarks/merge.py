"""Time and memory of the merge beside its floor, the bare half product, and beside its peers.

    env -u OPENBLAS_CORETYPE python benchmarks/merge.py [--sizes 4000 12936] [--repeats 5] [--peers] [--oracle]

Unset OPENBLAS_CORETYPE first: set to an old core, as some machines export it, it halves NumPy's product, and with it
the floor. Features are 2048 float32 values, L2-normalised, of n/17 identities whose members have a cosine of about
0.6; a stage makes 0.05·n merges. The floor is half the time of the float32 product of the features with a copy of
themselves (a copy, because NumPy recognises x @ x.T and does half the work). Floor and stage take turns, so that other
work on the machine meets both; figures are medians, and the ratio is the median of the ratios of each turn.

`--peers` makes full dendrograms: ours, and SciPy, fastcluster (where installed) and scikit-learn on the same features;
`--oracle` times the plain merge that the tests compare with. A CUDA device is measured where there is one.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from stages.backend import namespace_for
from stages.merge import dispersion_linkage, merge_stage

DIM = 2048
TARGETS = {"float32": 1.4, "bfloat16": 0.75, "int8": 0.4}
EXACT_TARGET = 2.5
MEMORY_TARGET_MIB = 600


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


def seconds(call: Callable[[], object]) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def in_turns(calls: dict[str, Callable[[], object]], repeats: int) -> dict[str, list[float]]:
    """Seconds of each call, `repeats` times, one after the other."""
    times: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(repeats):
        for name, call in calls.items():
            times[name].append(seconds(call))
    return times


def peak_mib(code: str, n_samples: int) -> float:
    """How far resident memory rises above features `x` in memory while a fresh process runs `code`, in MiB (Linux)."""
    if not Path("/proc/self/clear_refs").exists():
        return float("nan")
    script = (
        "import sys, numpy as np, torch; sys.path.insert(0, sys.argv[1]); import merge as b\n"
        "from stages.merge import merge_stage, dispersion_linkage\n"
        f"x = b.mixture(600); n = 600; {code}\n"
        f"x = b.mixture({n_samples}); n = {n_samples}; b.reset_peak(); before = b.status_kib('VmRSS')\n"
        f"{code}\nprint((b.status_kib('VmHWM') - before) / 1024)"
    )
    found = subprocess.run(
        [sys.executable, "-c", script, str(Path(__file__).parent)], capture_output=True, text=True, check=True
    )
    return float(found.stdout)


def reset_peak() -> None:
    Path("/proc/self/clear_refs").write_text("5")


def status_kib(name: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line.split()[1] for line in lines if line.startswith(name)))


def stage_table(n_samples: int, repeats: int) -> float:
    """One stage by every product and update; returns the median seconds of the int8 stage."""
    features = mixture(n_samples)
    copy = features.copy()
    labels, n_merges = np.arange(n_samples), n_samples // 20
    calls: dict[str, Callable[[], object]] = {"full product": lambda: features @ copy.T}
    for precision in TARGETS:
        calls[f"stale {precision}"] = lambda precision=precision: merge_stage(
            features, labels, n_merges, precision=precision
        )
    for update in ("union", "exact"):
        calls[update] = lambda update=update: merge_stage(features, labels, n_merges, update=update)
    calls["warm up"] = calls["exact"]
    times = in_turns(calls, repeats)
    floors = [value / 2 for value in times["full product"]]
    print(f"\nn = {n_samples}, {n_merges} merges; half product {statistics.median(floors):.3f} s (ratio 1)")
    for name in times:
        if name in ("full product", "warm up"):
            continue
        ratio = statistics.median(value / floor for value, floor in zip(times[name], floors, strict=True))
        target = TARGETS.get(name.split()[-1], EXACT_TARGET)
        option = f"precision='{name.split()[-1]}'" if name.startswith("stale") else f"update='{name}'"
        peak = peak_mib(f"merge_stage(x, np.arange(n), n // 20, {option}, kernels='compiled')", n_samples)
        print(
            f"  {name:16} {statistics.median(times[name]):8.3f} s   ratio {ratio:5.2f} (wanted {target})"
            f"   memory {peak:6.0f} MiB (wanted {MEMORY_TARGET_MIB})"
        )
    return statistics.median(times["stale int8"])


def dendrogram_table(n_samples: int) -> None:
    """Full dendrograms, ours and the peers', on the same features."""
    from scipy.cluster.hierarchy import average
    from scipy.spatial.distance import squareform

    features = mixture(n_samples)

    def condensed() -> np.ndarray:
        distances = 2 - 2 * (features @ features.T)
        np.fill_diagonal(distances, 0)
        return squareform(np.maximum(distances, 0), checks=False).astype(np.float64)

    distances = condensed()
    print(f"\nfull dendrogram, n = {n_samples}; condensed matrix {distances.nbytes / 2**20:.0f} MiB")
    calls: dict[str, Callable[[], object]] = {
        "dispersion_linkage": lambda: dispersion_linkage(features),
        "distances alone": condensed,
        "scipy average": lambda: average(distances),
    }
    if importlib.util.find_spec("fastcluster"):
        import fastcluster

        calls["fastcluster average"] = lambda: fastcluster.average(distances)
    from sklearn.cluster import AgglomerativeClustering

    calls["scikit-learn, from features"] = lambda: AgglomerativeClustering(
        n_clusters=1, linkage="average", metric="euclidean", compute_full_tree=True
    ).fit(features)
    for name, call in calls.items():
        print(f"  {name:28} {seconds(call):8.2f} s")
    peak = peak_mib("dispersion_linkage(x, kernels='compiled')", n_samples)
    print(f"  dispersion_linkage memory {peak:.0f} MiB")


def oracle_table(n_samples: int) -> None:
    """The plain merge of the tests."""
    sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "reference"))
    from plain_merge import plain_merge_stage

    features, labels, n_merges = mixture(n_samples), np.arange(n_samples), n_samples // 20
    fast = seconds(lambda: merge_stage(features, labels, n_merges, kernels="compiled"))
    plain = seconds(lambda: plain_merge_stage(features, labels, n_merges))
    print(f"\nplain merge, n = {n_samples}: {plain:.2f} s, the engine {fast:.3f} s, {plain / fast:.0f} times as fast")


def device_table(sizes: list[int], repeats: int) -> None:
    """Stages on a CUDA device, beside its own half product."""
    backend = namespace_for("auto")
    if backend.device == "cpu":
        print("\nno CUDA device: nothing measured on one")
        return
    import cupy

    print(f"\n{backend.device}, {backend.library}")
    for n_samples in sizes:
        features = backend.asarray(mixture(n_samples))
        labels = np.arange(n_samples)

        def half_product(features: cupy.ndarray = features) -> None:
            for first in range(0, len(features), 8192):
                features[first : first + 8192] @ features.T
            cupy.cuda.Device().synchronize()

        calls = {
            "floor": half_product,
            "stale": lambda features=features, labels=labels: merge_stage(features, labels, len(labels) // 20),
        }
        times = in_turns(calls, repeats)
        floor, stale = statistics.median(times["floor"]) / 2, statistics.median(times["stale"])
        print(f"  n = {n_samples}: half product {floor:.3f} s, stale {stale:.3f} s, ratio {stale / floor:.2f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sizes", type=int, nargs="+", default=[4000, 12936])
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--peers", action="store_true")
    parser.add_argument("--oracle", action="store_true")
    arguments = parser.parse_args()
    if "OPENBLAS_CORETYPE" in os.environ:
        print("OPENBLAS_CORETYPE is set: the floor below may be half of what the machine does", file=sys.stderr)
    import torch

    print(f"numpy {np.__version__}, torch {torch.__version__}, {os.cpu_count()} processors")
    for update in ("stale", "exact"):
        for precision in TARGETS:
            merge_stage(mixture(600), np.arange(600), 60, kernels="compiled", precision=precision, update=update)
    taken = [stage_table(n_samples, arguments.repeats) for n_samples in arguments.sizes]
    if len(taken) > 1:
        exponent = np.polyfit(np.log(arguments.sizes), np.log(taken), 1)[0]
        print(
            f"\nint8 stage against n: {dict(zip(arguments.sizes, np.round(taken, 3), strict=True))}, ~ n^{exponent:.2f}"
        )
    if arguments.oracle:
        oracle_table(2000)
    if arguments.peers:
        dendrogram_table(max(arguments.sizes))
    device_table(arguments.sizes, arguments.repeats)


if __name__ == "__main__":
    main()
