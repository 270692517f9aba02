"""Time of the whole evaluation beside its floor, the bare float32 product, and beside torchreid's and fast-reid's loops.

    env -u OPENBLAS_CORETYPE python -m benchmarks.evaluation [--repeats 5] [--torchreid DIR [--skip-python]] [--fastreid DIR]

Size of Market-1501: 3,368 queries × 15,913 gallery entries × 2048 dimensions, in float32. Unset OPENBLAS_CORETYPE
first: set to an old core, as some machines export it, it halves NumPy's product, and with it the floor. Product,
evaluation and the Cython loops take turns, so that other work on the machine meets all; figures are the best of each.
Counting is everything between the screened similarities of all pairs and the ranks, exact similarities included, in
processor seconds of all threads together. The Cython loops, which use one thread, begin at the distances of all pairs:
the seconds of either are those of one thread for all queries.

DIR holds torchreid's `rank.py` (its Python loop, run once) and `rank_cy.pyx` beside it, built for this Python by
`cythonize -i rank_cy.pyx` with NumPy's include folder in CFLAGS; for fast-reid `rank_cy.pyx` alone. Both are in the
`metrics/` and `evaluation/` folders of their repositories. The Python loop is given exact distances in float64, and
must agree to the last bits; the Cython loops compute in float32, in which the order of near-ties may differ.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import statistics
import threading
import time
import warnings
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import ModuleType

import numpy as np

from stages.arrays.similarity import exact_similarity
from stages.evaluate.retrieval import compiled_ranking
from stages.evaluate.retrieval.metrics import RetrievalMetrics, evaluate_retrieval

N_QUERY, N_GALLERY, DIM, N_CAMERAS = 3368, 15913, 2048, 6


def make_set(n_identities: int, seed: int = 0) -> dict[str, np.ndarray]:
    """Unit features of a mixture of identities with a camera offset, and a share of distractors like Market-1501's."""
    rng = np.random.default_rng(seed)
    latent = 96
    centre = rng.standard_normal((n_identities + 1, latent), dtype=np.float32)
    camera = rng.standard_normal((N_CAMERAS, latent), dtype=np.float32)
    spread = rng.standard_normal((latent, DIM), dtype=np.float32) / np.float32(latent**0.5)
    arrays = {}
    for name, size, distractors in (("query", N_QUERY, 0.0), ("gallery", N_GALLERY, 2798 / N_GALLERY)):
        pid = rng.integers(1, n_identities + 1, size)
        is_distractor = rng.random(size) < distractors
        camid = rng.integers(0, N_CAMERAS, size)
        hidden = 0.85 * centre[pid] + 0.6 * camera[camid] + rng.standard_normal((size, latent), dtype=np.float32)
        hidden[is_distractor] = rng.standard_normal((is_distractor.sum(), latent)) * 1.4
        features = hidden @ spread + 0.3 * rng.standard_normal((size, DIM), dtype=np.float32)
        features /= np.linalg.norm(features, axis=1, keepdims=True)
        arrays[name] = features
        arrays[f"{name}_pid"] = np.where(is_distractor, 0, pid).astype(np.int32)
        arrays[f"{name}_camid"] = camid.astype(np.int32)
    return arrays


def evaluate(arrays: dict[str, np.ndarray]) -> RetrievalMetrics:
    ids = {name: array for name, array in arrays.items() if "_" in name}
    return evaluate_retrieval(arrays["query"], arrays["gallery"], **ids)


class Stopwatch:
    """Adds up the processor seconds of the threads in functions of a module while it is in place."""

    def __init__(self, module: ModuleType, *names: str) -> None:
        self.module, self.total, self.lock = module, 0.0, threading.Lock()
        self.originals = {name: getattr(module, name) for name in names}

    def __enter__(self) -> Stopwatch:
        for name, original in self.originals.items():
            setattr(self.module, name, self._timed(original))
        return self

    def __exit__(self, *_: object) -> None:
        for name, original in self.originals.items():
            setattr(self.module, name, original)

    def _timed(self, original: Callable[..., object]) -> Callable[..., object]:
        def timed(*args: object) -> object:
            start = time.thread_time()
            try:
                return original(*args)
            finally:
                with self.lock:
                    self.total += time.thread_time() - start

        return timed


class Timing:
    """Wall and processor seconds of one of several calls that take turns; the second suffers less from other work."""

    def __init__(self, call: Callable[[], object]) -> None:
        self.call, self.wall, self.cpu = call, list[float](), list[float]()

    def run(self) -> object:
        start, cpu_start = time.perf_counter(), time.process_time()
        result = self.call()
        self.wall.append(time.perf_counter() - start)
        self.cpu.append(time.process_time() - cpu_start)
        return result

    def line(self, floor: Timing) -> str:
        ratio = statistics.median(w / f for w, f in zip(self.wall, floor.wall, strict=True))
        return (
            f"{min(self.wall):8.3f} s  ({min(self.wall) / min(floor.wall):6.2f} × the product, {ratio:.2f} the median of "
            f"turns; {min(self.cpu):.3f} processor seconds, {min(self.cpu) / min(floor.cpu):.2f} ×)"
        )


def print_parts(whole: Timing, parts: dict[str, list[float]]) -> None:
    """Print where the processor seconds of the evaluation that took fewest of them went."""
    best = min(range(len(whole.cpu)), key=whole.cpu.__getitem__)
    seconds = {name: values[best] for name, values in parts.items()}
    seconds["checks, pairs, figures, threads"] = whole.cpu[best] - sum(seconds.values())
    print(f"  of {whole.cpu[best]:.3f} processor seconds: " + ", ".join(f"{n} {s:.3f}" for n, s in seconds.items()))


def load(path: Path, name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise SystemExit(f"{path}: cannot be loaded as a module")
    module = importlib.util.module_from_spec(spec)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        spec.loader.exec_module(module)
    return module


def load_cython(folder: Path) -> ModuleType:
    built = sorted(folder.glob("rank_cy*.so"))
    if not built:
        raise SystemExit(f"{folder}: no rank_cy*.so; build it with cythonize -i rank_cy.pyx")
    return load(built[0], "rank_cy")


def status_kib(name: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line.split()[1] for line in lines if line.startswith(name)))


def ids_of(arrays: dict[str, np.ndarray]) -> list[np.ndarray]:
    return [arrays[name] for name in ("query_pid", "gallery_pid", "query_camid", "gallery_camid")]


def compare(name: str, cmc: np.ndarray, mean_ap: float, figures: RetrievalMetrics, tolerance: float) -> None:
    in_cmc, in_map = float(np.abs(cmc - figures.cmc).max()), abs(float(mean_ap) - figures.mAP)
    print(f"  {name}: largest difference in CMC {in_cmc:.1e}, in mAP {in_map:.1e} (at most {tolerance:.0e} wanted)")
    if max(in_cmc, in_map) > tolerance:
        raise SystemExit(f"{name} gives other figures than ours")


def cython_peers(options: argparse.Namespace, arrays: dict[str, np.ndarray]) -> dict[str, Callable[[], tuple]]:
    folders = {"torchreid cython": options.torchreid, "fast-reid cython": options.fastreid}
    found = {name: folder for name, folder in folders.items() if folder is not None}
    if not found:
        return {}
    distance = 1 - arrays["query"] @ arrays["gallery"].T
    modules = {name: load_cython(folder) for name, folder in found.items()}
    return {name: partial(module.evaluate_cy, distance, *ids_of(arrays), 50) for name, module in modules.items()}


def python_peer(folder: Path, arrays: dict[str, np.ndarray], figures: RetrievalMetrics) -> None:
    rank = load(folder / "rank.py", "torchreid_rank")
    distance = 1 - exact_similarity(arrays["query"], arrays["gallery"])
    start = time.perf_counter()
    cmc, mean_ap = rank.eval_market1501(distance, *ids_of(arrays), 50)
    print(f"torchreid python beside its product: {time.perf_counter() - start:.1f} s")
    compare("torchreid python", cmc, mean_ap, figures, 1e-7)


def figures_of(result: tuple) -> tuple[np.ndarray, float]:
    """CMC and mAP as either Cython loop returns them: fast-reid's gives every query's, 0 where it is left out."""
    if len(result) == 2:
        return result
    average_precision = np.asarray(result[1], dtype=np.float64)
    return result[0], average_precision.sum() / np.count_nonzero(np.asarray(result[2]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--identities", type=int, default=750)
    parser.add_argument("--torchreid", type=Path, metavar="DIR")
    parser.add_argument("--skip-python", action="store_true", help="leave out torchreid's Python loop, over a minute")
    parser.add_argument("--fastreid", type=Path, metavar="DIR")
    options = parser.parse_args()
    if "OPENBLAS_CORETYPE" in os.environ:
        print(f"OPENBLAS_CORETYPE={os.environ['OPENBLAS_CORETYPE']} is set: the floor may be too high")
    arrays = make_set(options.identities)
    evaluate(arrays)
    Path("/proc/self/clear_refs").write_text("5")
    before = status_kib("VmRSS")
    figures = evaluate(arrays)
    after = status_kib("VmHWM")
    print(f"rank-1 {figures.rank(1):.4f}, mAP {figures.mAP:.4f}, mINP {figures.mINP:.4f}, {figures.n_valid} queries")
    print(f"memory above the features: {(after - before) / 1024:.0f} MiB (the product itself: 204 MiB)")
    peers = cython_peers(options, arrays)
    floor = Timing(lambda: arrays["query"] @ arrays["gallery"].T)
    turns = {"bare float32 product": floor, "whole evaluation": Timing(lambda: evaluate(arrays))}
    turns |= {name: Timing(call) for name, call in peers.items()}
    parts: dict[str, list[float]] = {"product in chunks": [], "counting": []}
    results: dict[str, tuple] = {}
    for _ in range(options.repeats):
        with (
            Stopwatch(compiled_ranking, "chunked_product") as product,
            Stopwatch(compiled_ranking, "count_ahead", "similarity_of_pairs") as counting,
        ):
            results = {name: timing.run() for name, timing in turns.items()}
        parts["product in chunks"].append(product.total)
        parts["counting"].append(counting.total)
    for name, timing in turns.items():
        print(f"{name:22} {timing.line(floor)}")
    print_parts(turns["whole evaluation"], parts)
    for name in peers:
        ours, theirs = min(parts["counting"]), min(turns[name].cpu)
        print(f"counting {ours:.3f} s, {name} {theirs:.3f} s, one thread each: {theirs / ours:.1f} times faster")
        compare(name, *figures_of(results[name]), figures, 1e-5)
    if options.torchreid and not options.skip_python:
        python_peer(options.torchreid, arrays, figures)


if __name__ == "__main__":
    main()
