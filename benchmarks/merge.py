"""Time and memory of the merge beside its floor, the bare half product, and beside its peers, as Markdown tables.

    env -u OPENBLAS_CORETYPE -u OMP_NUM_THREADS python -m benchmarks.merge [--sizes 4000 12936] [--repeats 5]
        [--one-stage [2000 4000]] [--full [12936]] [--sklearn] [--growth [2000 … 50000]] [--constraints [12936]]

Unset OPENBLAS_CORETYPE first: set to an old core, as some machines export it, it halves NumPy's product, and with it
the floor. Features are 2048 float32 values, L2-normalised, of n/17 identities whose members have a cosine of about
0.6; a stage makes 0.05·n merges. The floor is half the time of the float32 product of the features with a copy of
themselves (a copy, because NumPy recognises x @ x.T and does half the work). Floor and stage take turns, so that other
work on the machine meets both; figures are medians, and the ratio is the median of the ratios of each turn. The ratio of
processor seconds, of the least of each, is what is left to compare on a machine that is busy with other work.

`--sizes` with nothing after it leaves the stages out; the other options without sizes take those in brackets.
`--one-stage`: beside the plain merge that the tests compare with, and peers. `--full`: whole dendrograms, ours, SciPy's,
fastcluster's and (`--sklearn`, slow) scikit-learn's on the same features. `--growth`: time and memory against n.
`--constraints`: half a dendrogram with and without 10,000 known pairs. A CUDA
device, if there is one, comes first: beside its half products in float16, TF32 and float32 (`benchmarks.gpu` measures more).
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable
from functools import partial
from statistics import median

import numpy as np

from benchmarks.gpu_steps import merge_table
from benchmarks.merge_measures import mixture, peak_mib
from benchmarks.merge_peers import dendrogram_table, one_stage_table
from benchmarks.turns import call_in_turns, least_processor_ratio, print_table, ratios, seconds, tell_of_old_core
from stages.merge.selection.links import PairConstraints
from tests.reference.published import merge_stage

TARGETS = {"float32": 1.4, "int8": 0.4}
EXACT_TARGET = 2.5
MEMORY_TARGET_MIB = 600
MANY = 20_000
"""Samples from which growth is measured twice at most."""
CONSTRAINTS_TARGET, N_CONSTRAINTS = 1.1, 10_000
CONSTRAINED = [12936]
ONE_STAGE, FULL, GROWTH = [2000, 4000], [12936], [2000, 4000, 8000, 12936, 25000, 50000]


def stage_table(n_samples: int, repeats: int) -> None:
    """One stage by every product and update, beside the half product."""
    features = mixture(n_samples)
    copy = features.copy()
    labels, n_merges = np.arange(n_samples), n_samples // 20
    calls: dict[str, Callable[[], object]] = {"full product": lambda: features @ copy.T}
    options = {f"`stale`, {precision}": {"precision": precision} for precision in TARGETS}
    options |= {f"`{update}`": {"update": update} for update in ("union", "exact")}
    for name, option in options.items():
        calls[name] = lambda option=option: merge_stage(features, labels, n_merges, kernels="compiled", **option)
    times = call_in_turns(calls, repeats=repeats)
    floor = times["full product"]
    rows = [["half product", f"{seconds(floor) / 2:.3f}", "1", "", "1", ""]]
    for name, option in options.items():
        found = times[name]
        target = EXACT_TARGET if "update" in option else TARGETS[option["precision"]]
        given = ", ".join(f"{key}={value!r}" for key, value in option.items())
        peak = peak_mib(f"merge_stage(x, np.arange(n), n // 20, kernels='compiled', {given})", n_samples)
        ratio, busy = 2 * median(ratios(found, floor)), 2 * least_processor_ratio(found, floor)
        rows.append([name, f"{seconds(found):.3f}", f"{ratio:.2f}", str(target), f"{busy:.2f}", f"{peak:.0f}"])
    head = ["", "seconds", "ratio", "wanted", "ratio of processor seconds", "memory, MiB"]
    print_table(f"n = {n_samples}, {n_merges} merges (memory wanted: {MEMORY_TARGET_MIB} MiB)", head, *rows)


def growth_table(sizes: list[int], repeats: int) -> None:
    """One stale and one exact stage against n, with fitted exponents of time and of memory above the features."""
    found = []
    for n_samples in sizes:
        features, labels = mixture(n_samples), np.arange(n_samples)
        row: list[float] = []
        for update in ("stale", "exact"):
            call = partial(merge_stage, features, labels, n_samples // 20, kernels="compiled", update=update)
            turns = repeats if n_samples < MANY else min(repeats, 2)
            row.append(seconds(call_in_turns({update: call}, repeats=turns)[update]))
            code = f"merge_stage(x, np.arange(n), n // 20, kernels='compiled', update='{update}')"
            row.append(peak_mib(code, n_samples))
        found.append(row)
        print(f"growth: n = {n_samples} measured", file=sys.stderr)
    rows = [
        [f"{n:,}", f"{r[0]:.3f}", f"{r[1]:.0f}", f"{r[2]:.3f}", f"{r[3]:.0f}"]
        for n, r in zip(sizes, found, strict=True)
    ]
    if len(sizes) > 1:
        exponents = [np.polyfit(np.log(sizes), np.log(np.maximum(column, 1e-9)), 1)[0] for column in np.array(found).T]
        rows.append(["fitted", *(f"n^{exponent:.2f}" for exponent in exponents)])
    head = ["n", "`stale`, s", "memory, MiB", "`exact`, s", "memory, MiB"]
    print_table("one stage from singletons, memory above the features", head, *rows)


def constraints_table(n_samples: int, repeats: int) -> None:
    """Merging to half as many clusters, with known pairs: different ones, and half of them the same."""
    features, labels, n_merges = mixture(n_samples), np.arange(n_samples), n_samples // 2
    rng = np.random.default_rng(0)
    for update in ("stale", "exact"):
        plain = merge_stage(features, labels, n_merges, kernels="compiled", update=update)
        pairs = rng.integers(0, n_samples, (2 * N_CONSTRAINTS, 2))
        different = pairs[plain.labels[pairs[:, 0]] != plain.labels[pairs[:, 1]]][:N_CONSTRAINTS]
        same = plain.merges[: N_CONSTRAINTS // 2]
        asked_for = {
            "none": None,
            f"{len(different)} different": PairConstraints(different=different),
            f"{len(same)} the same, {N_CONSTRAINTS // 2} different": PairConstraints(
                same, different[: N_CONSTRAINTS // 2]
            ),
        }
        calls: dict[str, Callable[[], object]] = {
            name: partial(
                merge_stage, features, labels, n_merges, kernels="compiled", update=update, constraints=constraints
            )
            for name, constraints in asked_for.items()
        }
        times = call_in_turns(calls, repeats=repeats)
        rows = []
        for name, found in times.items():
            ratio, busy = median(ratios(found, times["none"])), least_processor_ratio(found, times["none"])
            rows.append([name, f"{seconds(found):.3f}", f"{ratio:.2f}", str(CONSTRAINTS_TARGET), f"{busy:.2f}"])
        head = ["constraints", "seconds", "ratio", "wanted", "ratio of processor seconds"]
        print_table(f"n = {n_samples}, {n_merges} merges, `{update}`", head, *rows)


def asked(sizes: list[int] | None, default: list[int]) -> list[int]:
    """`sizes`, `default` where the option stands alone, none where it does not stand."""
    return [] if sizes is None else sizes or default


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sizes", type=int, nargs="*", default=[4000, 12936])
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--full", type=int, nargs="*", help="sizes of full dendrograms, beside peers")
    parser.add_argument("--sklearn", action="store_true", help="scikit-learn too (5 times as long as all others)")
    parser.add_argument("--one-stage", type=int, nargs="*", help="sizes of one stage beside the peers")
    parser.add_argument("--growth", type=int, nargs="*", help="sizes (default 2000 to 50000) of the growth table")
    parser.add_argument("--constraints", type=int, nargs="*", help="sizes with and without 10,000 known pairs")
    arguments = parser.parse_args()
    tell_of_old_core()
    import torch

    print(f"numpy {np.__version__}, torch {torch.__version__}, {os.cpu_count()} processors")
    for update in ("stale", "exact"):
        for precision in TARGETS:
            merge_stage(mixture(600), np.arange(600), 60, kernels="compiled", precision=precision, update=update)
    if torch.cuda.is_available():
        print()
        merge_table(arguments.sizes, torch.device("cuda:0"))
    for n_samples in arguments.sizes:
        stage_table(n_samples, arguments.repeats)
    for n_samples in asked(arguments.one_stage, ONE_STAGE):
        one_stage_table(n_samples)
    for n_samples in asked(arguments.full, FULL):
        dendrogram_table(n_samples, arguments.repeats, with_sklearn=arguments.sklearn)
    for n_samples in asked(arguments.constraints, CONSTRAINED):
        constraints_table(n_samples, arguments.repeats)
    if arguments.growth is not None:
        growth_table(arguments.growth or GROWTH, arguments.repeats)


if __name__ == "__main__":
    main()
