"""Our merge beside its peers on the same features: whole dendrograms, and one stage."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from statistics import median

import numpy as np

from benchmarks.merge_measures import mixture, peak_mib
from benchmarks.turns import Spent, call_in_turns, print_table, ratios, seconds
from tests.reference.published import dispersion_linkage, merge_stage

MOST_FOR_LOOPS = 2000
"""Samples up to which the loops of the tests' plain merge end within a minute."""


def dendrogram_table(n_samples: int, repeats: int, *, with_sklearn: bool) -> None:
    """Full dendrograms on the same features: ours, and the peers', whose distances are made first."""
    import fastcluster
    from scipy.cluster.hierarchy import average
    from sklearn.cluster import AgglomerativeClustering

    features = mixture(n_samples)
    distances = condensed(features)
    times = call_in_turns(
        {
            "`dispersion_linkage`": lambda: dispersion_linkage(features),
            "distances alone": lambda: condensed(features),
            "SciPy, of them": lambda: average(distances),
            "fastcluster, of them": lambda: fastcluster.average(distances),
        },
        repeats=repeats,
    )
    if with_sklearn:
        model = AgglomerativeClustering(
            n_clusters=None, distance_threshold=0, linkage="average", metric="euclidean", compute_full_tree=True
        )
        times["scikit-learn, of features"] = [Spent.by(lambda: model.fit(features))]
    ours, *_ = times.values()
    peaks = {
        "`dispersion_linkage`": peak_mib("dispersion_linkage(x, kernels='compiled')", n_samples),
        "distances alone": peak_mib("merge_peers.condensed(x)", n_samples),
        "SciPy, of them": peak_mib(
            "import scipy.cluster.hierarchy as h; h.average(merge_peers.condensed(x))", n_samples
        ),
        "fastcluster, of them": peak_mib(
            "import fastcluster; fastcluster.average(merge_peers.condensed(x))", n_samples
        ),
    }
    rows = []
    for name, found in times.items():
        is_peer = name.endswith("of them")
        share = f"{median(ratios(ours, found, times['distances alone'])):.2f}" if is_peer else ""
        peak = f"{peaks[name]:.0f}" if name in peaks else ""
        rows.append([name, f"{seconds(found):.2f}", share, peak])
    title = f"full dendrogram, n = {n_samples}; condensed matrix {distances.nbytes / 2**20:.0f} MiB"
    print_table(title, ["", "seconds", "ours by this and its distances", "memory, MiB"], *rows)


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
    """One stage: ours, the published way (all pairs sorted), peers cut at K − m, and the plain merge of the tests."""
    import fastcluster
    from scipy.cluster.hierarchy import average, fcluster
    from sklearn.cluster import AgglomerativeClustering

    sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "reference"))
    from plain_merge import plain_merge_stage

    features, labels, n_merges = mixture(n_samples), np.arange(n_samples), n_samples // 20
    left = n_samples - n_merges
    model = AgglomerativeClustering(n_clusters=left, linkage="average", metric="euclidean")
    calls: dict[str, Callable[[], object]] = {
        "`stale`": lambda: merge_stage(features, labels, n_merges),
        "`exact`": lambda: merge_stage(features, labels, n_merges, update="exact"),
        "all pairs sorted at once": lambda: np.argsort(condensed(features), kind="stable"),
        "SciPy, average, cut": lambda: fcluster(average(condensed(features)), left, "maxclust"),
        "fastcluster, average, cut": lambda: fcluster(fastcluster.average(condensed(features)), left, "maxclust"),
        "scikit-learn, average, to K − m": lambda: model.fit(features),
    }
    if n_samples <= MOST_FOR_LOOPS:
        calls["plain merge of the tests"] = lambda: plain_merge_stage(features, labels, n_merges)
    times = call_in_turns(calls, repeats=1)
    ours, *_ = times.values()
    rows = [[name, f"{seconds(found):.3f}", f"{median(ratios(found, ours)):.1f}"] for name, found in times.items()]
    print_table(f"one stage, n = {n_samples}, {n_merges} merges", ["", "seconds", "times `stale`"], *rows)
