"""One merge stage from features and labels: what is asked is checked, then handed to the engine."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stages.arrays.backend import n_cores, one_library_thread, to_host
from stages.arrays.memory_limit import limit_of, require_memory
from stages.arrays.screening_products import host_product
from stages.errors import UsageError
from stages.merge.checks import require_clusters, require_known, require_matrix, require_options
from stages.merge.clusters import parse_labels
from stages.merge.memory import LARGEST_TILE, engine_bytes
from stages.merge.result import StageMerges
from stages.merge.selection.cameras import parse_cameras
from stages.merge.selection.criterion import CriterionName, IntraNormalizer, criterion_of
from stages.merge.selection.engine import Cameras, Update, merge_exactly, merge_once_ranked
from stages.merge.selection.ranking import Work
from stages.merge.tables.canonical_rows import Metric
from stages.merge.tables.source import Kernels, compiles, source_of
from stages.processes import OneProcess, Processes
from stages.typing import Array

Progress = Callable[[int, int], None]


def merge_stage(
    features: Array,
    labels: NDArray[Any],
    n_merges: int,
    *,
    lambda_: float = 0.1,
    update: Update = "stale",
    metric: Metric = "sqeuclidean",
    intra_normalizer: IntraNormalizer = "n",
    criterion: CriterionName = "dbc",
    precision: str = "auto",
    kernels: Kernels = "auto",
    tile: int | None = None,
    n_threads: int | None = None,
    memory_limit: int | None = None,
    progress: Progress | None = None,
    processes: Processes | None = None,
    camid: NDArray[Any] | None = None,
    camera_weight: float = 0.1,
) -> StageMerges:
    """The `n_merges` merges that rank first by D_ab = d_ab + λ (d_a + d_b), eqs. (2)–(4), and the labels they leave.

    `features` (n, d) of a real dtype, of NumPy, CuPy or another array-API library: its library and device do the
    work. `labels` (n,) integers using each of 0..K−1. Ties break by (D, smaller label, larger label).
    `update`: 'stale' ranks once and skips clusters already absorbed, 'union' ranks once and joins by union-find,
    'exact' ranks again after every merge, and the merged cluster keeps the smaller label. `criterion`: 'dbc', or
    'buc' (the smallest distance, and λ (n_a + n_b)). `memory_limit` in bytes (default: 0.8 of what is available);
    `progress(done, total)` counts pairs of clusters looked at: neither ever falls, and where another pass over the tiles
    is needed, its pairs join the total.

    `camid` (n,) integers, where given, adds w · s_ab to D_ab: w is `camera_weight`, s_ab the share of the pairs of samples of
    a and b that one camera took (`CameraPenalty`), so that images are drawn to those of other cameras. For 'dbc' alone.

    What follows changes speed and no result: `precision` of the product on the CPU ('auto', 'float32', 'bfloat16',
    'int8'), `kernels` ('auto', 'compiled', 'arrays'), `tile` edge, `n_threads`, and `processes`, through which
    processes that were given the same arguments share the tiles.

    Each D has one float64 value, a symmetric function of the contents of the two clusters, the same to the last bit
    for every array library and every order of the samples. So samples permuted together with their labels give the
    same merges. (Labels themselves matter: they break ties, and under `stale` they say who survives and may go on.)

    Raises UsageError for λ, m, or an option out of range; DbcError for features or labels that do not fit each other,
    NaN or infinity, fewer than m + 1 clusters, or too little memory.
    """
    require_options(lambda_, n_merges, update=update, intra_normalizer=intra_normalizer)
    require_known("metric", metric, ("sqeuclidean", "euclidean", "cosine"))
    ranks_by = criterion_of(criterion, lambda_=lambda_, normalizer=intra_normalizer)
    require_matrix(features)
    n_samples, dim = features.shape
    labels = parse_labels(to_host(labels), n_samples=n_samples)
    cameras = None
    if camid is not None:
        if ranks_by.linkage != "average":
            raise UsageError(f"--camera: found penalty with --criterion {criterion}, wanted dbc; leave one of them out")
        cameras = Cameras(parse_cameras(camid, n_samples=n_samples, weight=camera_weight), camera_weight)
    n_clusters = int(labels.max()) + 1
    require_clusters(n_clusters, n_merges)
    is_host = isinstance(features, np.ndarray)
    n_workers = (n_threads or n_cores()) if is_host else 1
    compiled = compiles(features, kernels, metric, exact_merges=n_merges if update == "exact" else 0)
    require_memory(
        engine_bytes(
            n_samples=n_samples,
            n_clusters=n_clusters if ranks_by.linkage == "average" else n_samples,
            dim=dim,
            n_merges=n_merges,
            tile=tile or LARGEST_TILE[is_host],
            n_threads=n_workers,
            compiled=compiled,
            exact=update == "exact",
            n_cameras=0 if cameras is None else int(cameras.camid.max()) + 1,
        ),
        memory_limit=limit_of(memory_limit, features),
        what=f"merging {n_clusters} clusters of {n_samples} samples",
    )
    with one_library_thread(), ThreadPoolExecutor(n_workers) as threads:
        source = source_of(
            features,
            metric=metric,
            compiled=compiled,
            product=lambda n_rows: host_product(precision, n_rows=n_rows, dim=dim),
            threads=threads,
        )
        work = Work(threads, tile, processes or OneProcess(), _over_passes(progress or _silent))
        if update == "exact":
            return merge_exactly(source, labels, n_merges, criterion=ranks_by, work=work, cameras=cameras)
        return merge_once_ranked(
            source, labels, n_merges, criterion=ranks_by, update=update, work=work, cameras=cameras
        )


def _silent(_done: int, _total: int) -> None:
    """Tell nobody."""


def _over_passes(progress: Progress) -> Progress:
    """A callback told of each pass by itself, which tells `progress` of all passes so far."""
    before = 0

    def tell(done: int, total: int) -> None:
        nonlocal before
        progress(before + done, before + total)
        before += done if done == total else 0

    return tell
