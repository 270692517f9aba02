"""Time and memory of the merge beside its floor, the bare half product, and beside its peers.

    env -u OPENBLAS_CORETYPE python -m benchmarks.merge [--sizes 4000 12936] [--repeats 5] [--one-stage 2000 4000]
        [--full 8000 12936] [--sklearn] [--growth [2000 … 50000]]

Unset OPENBLAS_CORETYPE first: set to an old core, as some machines export it, it halves NumPy's product, and with it
the floor. Features are 2048 float32 values, L2-normalised, of n/17 identities whose members have a cosine of about
0.6; a stage makes 0.05·n merges. The floor is half the time of the float32 product of the features with a copy of
themselves (a copy, because NumPy recognises x @ x.T and does half the work). Floor and stage take turns, so that other
work on the machine meets both; figures are medians, and the ratio is the median of the ratios of each turn.

`--sizes` with nothing after it leaves the stages out. `--one-stage`: beside the plain merge that the tests compare
with, and peers. `--full`: whole dendrograms, ours, SciPy's, fastcluster's and (`--sklearn`, slow) scikit-learn's on the
same features. `--growth`: time and memory against n. A CUDA device is measured where there is one.
"""

from __future__ import annotations

import argparse
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
GROWTH = [2000, 4000, 8000, 12936, 25000, 50000]


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


def stage_table(n_samples: int, repeats: int) -> None:
    """One stage by every product and update, beside the half product."""
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
        best = min(times[name]) / min(floors)
        target = TARGETS.get(name.split()[-1], EXACT_TARGET)
        option = f"precision='{name.split()[-1]}'" if name.startswith("stale") else f"update='{name}'"
        peak = peak_mib(f"merge_stage(x, np.arange(n), n // 20, {option}, kernels='compiled')", n_samples)
        print(
            f"  {name:16} {statistics.median(times[name]):8.3f} s   ratio {ratio:5.2f}, of bests {best:5.2f} (wanted {target})"
            f"   memory {peak:6.0f} MiB (wanted {MEMORY_TARGET_MIB})"
        )


def dendrogram_table(n_samples: int, repeats: int, *, with_sklearn: bool) -> None:
    """Full dendrograms on the same features: ours, and the peers', whose distances are made first."""
    import fastcluster
    from scipy.cluster.hierarchy import average
    from sklearn.cluster import AgglomerativeClustering

    features = mixture(n_samples)
    held = {"distances": condensed(features)}
    print(f"\nfull dendrogram, n = {n_samples}; condensed matrix {held['distances'].nbytes / 2**20:.0f} MiB")
    calls: dict[str, Callable[[], object]] = {
        "dispersion_linkage": lambda: dispersion_linkage(features),
        "distances alone": lambda: condensed(features),
        "scipy average, alone": lambda: average(held["distances"]),
        "fastcluster average, alone": lambda: fastcluster.average(held["distances"]),
    }
    times = in_turns(calls, repeats)
    if with_sklearn:
        model = AgglomerativeClustering(
            n_clusters=None, distance_threshold=0, linkage="average", metric="euclidean", compute_full_tree=True
        )
        times["scikit-learn, from features"] = [seconds(lambda: model.fit(features))]
    ours = times["dispersion_linkage"]
    for name, taken in times.items():
        print(f"  {name:30} best {min(taken):8.2f} s, median {statistics.median(taken):8.2f} s")
    for peer in ("scipy average, alone", "fastcluster average, alone"):
        whole = [sum(parts) for parts in zip(times["distances alone"], times[peer], strict=True)]
        ratio = statistics.median(own / other for own, other in zip(ours, whole, strict=True))
        print(f"  dispersion_linkage / (distances + {peer.split()[0]}): {ratio:.2f} (wanted below 1)")
    peak = peak_mib("dispersion_linkage(x, kernels='compiled')", n_samples)
    condensed_peak = peak_mib("import fastcluster; fastcluster.average(b.condensed(x))", n_samples)
    print(f"  memory: dispersion_linkage {peak:.0f} MiB, distances and fastcluster {condensed_peak:.0f} MiB")


def condensed(features: np.ndarray) -> np.ndarray:
    """Squared distances of unit rows (n, d), as SciPy's condensed vector: from one product, row by row."""
    n_samples = len(features)
    result, filled = np.empty(n_samples * (n_samples - 1) // 2), 0
    for first in range(0, n_samples, 1024):
        products = features[first : first + 1024] @ features[first:].T
        for i, row in enumerate(products):
            part = row[i + 1 :]
            np.maximum(2 - 2 * part, 0, out=result[filled : filled + len(part)])
            filled += len(part)
    return result


def one_stage_table(n_samples: int) -> None:
    """One stage: ours, the plain merge of the tests, the published way (all pairs sorted), and scikit-learn to K − m."""
    sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "reference"))
    from plain_merge import plain_merge_stage
    from sklearn.cluster import AgglomerativeClustering

    features, labels, n_merges = mixture(n_samples), np.arange(n_samples), n_samples // 20
    model = AgglomerativeClustering(n_clusters=n_samples - n_merges, linkage="average", metric="euclidean")
    calls: dict[str, Callable[[], object]] = {
        "stale": lambda: merge_stage(features, labels, n_merges),
        "exact": lambda: merge_stage(features, labels, n_merges, update="exact"),
        "plain merge of the tests": lambda: plain_merge_stage(features, labels, n_merges),
        "all pairs sorted at once": lambda: np.argsort(condensed(features), kind="stable"),
        "scikit-learn, average": lambda: model.fit(features),
    }
    merge_stage(features, labels, n_merges)
    times = {name: seconds(call) for name, call in calls.items()}
    print(f"\none stage, n = {n_samples}, {n_merges} merges")
    for name, taken in times.items():
        print(f"  {name:28} {taken:8.2f} s, {taken / times['stale']:6.1f} times stale")


def growth_table(sizes: list[int], repeats: int) -> None:
    """One stale and one exact stage against n, with fitted exponents of time and of memory above the features."""
    print(f"\n{'n':>8} {'stale':>9} {'memory':>10} {'exact':>9} {'memory':>10}")
    rows = []
    for n_samples in sizes:
        features, labels = mixture(n_samples), np.arange(n_samples)
        row: list[float] = []
        for update in ("stale", "exact"):
            call = lambda update=update: merge_stage(features, labels, n_samples // 20, update=update)  # noqa: E731, B023
            call()
            row.append(min(in_turns({update: call}, repeats)[update]))
            row.append(peak_mib(f"merge_stage(x, np.arange(n), n // 20, update='{update}')", n_samples))
        rows.append(row)
        print(f"{n_samples:8} {row[0]:7.3f} s {row[1]:6.0f} MiB {row[2]:7.3f} s {row[3]:6.0f} MiB", flush=True)
    if len(sizes) > 1:
        exponents = [np.polyfit(np.log(sizes), np.log(np.maximum(column, 1e-9)), 1)[0] for column in np.array(rows).T]
        print("fitted:  " + "  ".join(f"n^{exponent:.2f}" for exponent in exponents))


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
    parser.add_argument("--sizes", type=int, nargs="*", default=[4000, 12936])
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--full", type=int, nargs="*", default=[], help="sizes of full dendrograms, beside peers")
    parser.add_argument("--sklearn", action="store_true", help="scikit-learn too (5 times as long as all others)")
    parser.add_argument("--one-stage", type=int, nargs="*", default=[], help="sizes of one stage beside the peers")
    parser.add_argument("--growth", type=int, nargs="*", help="sizes (default 2000 to 50000) of the growth table")
    arguments = parser.parse_args()
    if "OPENBLAS_CORETYPE" in os.environ:
        print("OPENBLAS_CORETYPE is set: the floor below may be half of what the machine does", file=sys.stderr)
    import torch

    print(f"numpy {np.__version__}, torch {torch.__version__}, {os.cpu_count()} processors")
    for update in ("stale", "exact"):
        for precision in TARGETS:
            merge_stage(mixture(600), np.arange(600), 60, kernels="compiled", precision=precision, update=update)
    for n_samples in arguments.sizes:
        stage_table(n_samples, arguments.repeats)
    for n_samples in arguments.one_stage:
        one_stage_table(n_samples)
    for n_samples in arguments.full:
        dendrogram_table(n_samples, arguments.repeats, with_sklearn=arguments.sklearn)
    if arguments.growth is not None:
        growth_table(arguments.growth or GROWTH, arguments.repeats)
    device_table(arguments.sizes, arguments.repeats)


if __name__ == "__main__":
    main()
