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
import threading
import time
import warnings
from collections.abc import Callable
from functools import partial
from pathlib import Path
from statistics import median
from types import ModuleType

import numpy as np

from benchmarks.turns import (
    Spent,
    Turns,
    least_processor_ratio,
    memory_mib,
    ratios,
    reset_peak,
    take_turns,
    tell_of_old_core,
)
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


def line(ours: Turns, floor: Turns) -> str:
    least, of_floor = (min(spent.passed for spent in turns) for turns in (ours, floor))
    return (
        f"{least:8.3f} s  ({least / of_floor:6.2f} × the product, {median(ratios(ours, floor)):.2f} the median of turns; "
        f"{least_processor(ours):.3f} processor seconds, {least_processor_ratio(ours, floor):.2f} ×)"
    )


def least_processor(turns: Turns) -> float:
    return min(spent.processor for spent in turns)


def print_parts(whole: Turns, parts: dict[str, list[float]]) -> None:
    """Print where the processor seconds of the evaluation that took fewest of them went."""
    best = min(range(len(whole)), key=lambda turn: whole[turn].processor)
    seconds = {name: values[best] for name, values in parts.items()}
    seconds["checks, pairs, figures, threads"] = whole[best].processor - sum(seconds.values())
    told = ", ".join(f"{name} {value:.3f}" for name, value in seconds.items())
    print(f"  of {whole[best].processor:.3f} processor seconds: {told}")


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
    tell_of_old_core()
    arrays = make_set(options.identities)
    evaluate(arrays)
    reset_peak()
    before = memory_mib("VmRSS")
    figures = evaluate(arrays)
    above = memory_mib() - before
    print(f"rank-1 {figures.rank(1):.4f}, mAP {figures.mAP:.4f}, mINP {figures.mINP:.4f}, {figures.n_valid} queries")
    print(f"memory above the features: {above:.0f} MiB (the product itself: 204 MiB)")
    peers = cython_peers(options, arrays)
    parts: dict[str, list[float]] = {"product in chunks": [], "counting": []}
    results: dict[str, tuple] = {}

    def whole() -> Spent:
        with (
            Stopwatch(compiled_ranking, "chunked_product") as product,
            Stopwatch(compiled_ranking, "count_ahead", "similarity_of_pairs") as counting,
        ):
            spent = Spent.by(lambda: evaluate(arrays))
        parts["product in chunks"].append(product.total)
        parts["counting"].append(counting.total)
        return spent

    def peer(name: str) -> Spent:
        return Spent.by(lambda: results.update({name: peers[name]()}))

    turns = take_turns(
        {
            "bare float32 product": lambda: Spent.by(lambda: arrays["query"] @ arrays["gallery"].T),
            "whole evaluation": whole,
            **{name: partial(peer, name) for name in peers},
        },
        repeats=options.repeats,
        warms_up=False,
    )
    for name, spent in turns.items():
        print(f"{name:22} {line(spent, turns['bare float32 product'])}")
    print_parts(turns["whole evaluation"], parts)
    for name in peers:
        ours, theirs = min(parts["counting"]), least_processor(turns[name])
        print(f"counting {ours:.3f} s, {name} {theirs:.3f} s, one thread each: {theirs / ours:.1f} times faster")
        compare(name, *figures_of(results[name]), figures, 1e-5)
    if options.torchreid and not options.skip_python:
        python_peer(options.torchreid, arrays, figures)


if __name__ == "__main__":
    main()
