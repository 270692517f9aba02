"""Time of the whole evaluation beside its floor, the bare float32 product of queries and gallery.

    python benchmarks/evaluation.py [--repeats 5] [--identities 750] [--torchreid]

Size of Market-1501: 3,368 queries × 15,913 gallery entries × 2048 dimensions, in float32. Unset OPENBLAS_CORETYPE
first: set to an old core, as some machines export it, it halves NumPy's product, and with it the floor. `--torchreid`
compares figures and times with torchreid's `evaluate_rank`, where that package is installed in this environment.
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
from collections.abc import Callable

import numpy as np

from stages.evaluate import ranking
from stages.evaluate.retrieval import RetrievalFigures, evaluate_retrieval

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


def evaluate(arrays: dict[str, np.ndarray]) -> RetrievalFigures:
    ids = {name: array for name, array in arrays.items() if "_" in name}
    return evaluate_retrieval(arrays["query"], arrays["gallery"], **ids)


def seconds(call: Callable[[], object]) -> tuple[float, float]:
    """Wall and processor seconds of a call; the second suffers less from other work on the machine."""
    start, cpu_start = time.perf_counter(), time.process_time()
    call()
    return time.perf_counter() - start, time.process_time() - cpu_start


class Stopwatch:
    """Adds up the time spent in one function of a module while it is in place."""

    def __init__(self, name: str) -> None:
        self.name, self.total, self.original = name, 0.0, getattr(ranking, name)

    def __enter__(self) -> Stopwatch:
        setattr(ranking, self.name, self._timed)
        return self

    def __exit__(self, *_: object) -> None:
        setattr(ranking, self.name, self.original)

    def _timed(self, *args: object) -> object:
        start = time.perf_counter()
        try:
            return self.original(*args)
        finally:
            self.total += time.perf_counter() - start


def compare_with_torchreid(arrays: dict[str, np.ndarray], figures: RetrievalFigures) -> None:
    from torchreid.reid.metrics import evaluate_rank

    distance = 1 - arrays["query"] @ arrays["gallery"].T
    ids = (arrays["query_pid"], arrays["gallery_pid"], arrays["query_camid"], arrays["gallery_camid"])
    for use_cython in (True, False):
        start = time.perf_counter()
        cmc, mean_ap = evaluate_rank(distance, *ids, max_rank=50, use_cython=use_cython)
        took = time.perf_counter() - start
        print(
            f"torchreid (cython {use_cython}) beside its product: {took:.2f} s; "
            f"largest difference in cmc {np.abs(cmc - figures.cmc).max():.1e}, in mAP {abs(mean_ap - figures.mAP):.1e}"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--identities", type=int, default=750)
    parser.add_argument("--torchreid", action="store_true")
    options = parser.parse_args()
    if "OPENBLAS_CORETYPE" in os.environ:
        print(f"OPENBLAS_CORETYPE={os.environ['OPENBLAS_CORETYPE']} is set: the floor may be too high")
    arrays = make_set(options.identities)
    figures = evaluate(arrays)
    print(
        f"rank-1 {figures.rank1:.4f}, mAP {figures.mAP:.4f}, mINP {figures.mINP:.4f}, {figures.n_valid} valid queries"
    )
    bare, whole, bare_cpu, whole_cpu, counting, settling = [], [], [], [], [], []
    for _ in range(options.repeats):
        took, cpu = seconds(lambda: arrays["query"] @ arrays["gallery"].T)
        bare.append(took)
        bare_cpu.append(cpu)
        with Stopwatch("_count_ahead") as count, Stopwatch("_settle") as settle:
            took, cpu = seconds(lambda: evaluate(arrays))
        whole.append(took)
        whole_cpu.append(cpu)
        counting.append(count.total)
        settling.append(settle.total)
    ratio = statistics.median(w / b for w, b in zip(whole, bare, strict=True))
    print(f"bare float32 product   {min(bare):.3f} s (median {statistics.median(bare):.3f})")
    print(f"whole evaluation       {min(whole):.3f} s (median {statistics.median(whole):.3f})")
    print(f"ratio                  {min(whole) / min(bare):.2f} of the best, {ratio:.2f} the median of neighbours")
    print(f"ratio of CPU seconds   {min(whole_cpu) / min(bare_cpu):.2f} of the best")
    print(f"counting alone         {min(counting):.3f} s, of which near-ties settled exactly {min(settling):.3f} s")
    if options.torchreid:
        compare_with_torchreid(arrays, figures)


if __name__ == "__main__":
    main()
