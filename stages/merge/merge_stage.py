"""One merge stage from features and labels: arguments are checked, then given to the engine."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from typing import Any, get_args

import numpy as np
from numpy.typing import NDArray

from schemas.choices import CriterionName, IntraNormalizer, Kernels, SampleMetric, Update
from stages.arrays.backend import Backend, binder_of, n_cores, one_library_thread, to_host
from stages.arrays.device_memory import limited_pool
from stages.arrays.memory_limit import limit_of, require_memory
from stages.arrays.screening_products import host_product
from stages.merge.beginning import beginning_of
from stages.merge.checks import require_counts, require_number, require_one_of, require_together
from stages.merge.memory_model import LARGEST_TILE, engine_bytes, pair_bytes
from stages.merge.result import StageMerges
from stages.merge.selection.cameras import parse_cameras
from stages.merge.selection.criterion import criterion_of
from stages.merge.selection.engine import merge_exactly, merge_once_ranked, unranked
from stages.merge.selection.links import PairConstraints
from stages.merge.selection.ranking import Workers
from stages.merge.tables.table_maker import compiles, table_maker
from stages.processes import OneProcess, Processes
from stages.typing import Array
from stages.wording import so_many

Progress = Callable[[int, int], None]

PRECISIONS = ("auto", "float32", "int8", "float16")
"""How pairs worth ranking may be found."""
_ON_HOST = np.empty(0)
"""An array in host memory, to ask what is free there."""


def merge_stage(
    features: Array,
    labels: NDArray[Any],
    n_merges: int,
    *,
    lambda_: float | None = None,
    update: Update | None = None,
    metric: SampleMetric = "sqeuclidean",
    intra_normalizer: IntraNormalizer | None = None,
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
    backend: Backend | None = None,
    constraints: PairConstraints | None = None,
) -> StageMerges:
    """Merge the pairs of clusters that rank first by D_ab = d_ab + λ (d_a + d_b), eq. (4), one stage of them.

    Every D has one float64 value, a symmetric function of the contents of two clusters, the same to the last bit for
    every array library, device, number of threads or processes and order of the samples. Samples permuted together with
    their labels give the same merges. Labels matter: ties break by (D, smaller label, larger label), and under 'stale'
    the smaller label survives. No K×K matrix is made.

    Parameters
    ----------
    features : array (n, d) of a real dtype
        Of NumPy, CuPy or another array-API library, whose device does the work. On a GPU that is to find the pairs worth
        ranking; compiled loops on the CPU rank them, if there is enough work for those.
    labels : integer array (n,)
        The clusters that the stage starts from; each of 0..K−1 is used.
    n_merges : int
        m, how many merges to make: 1 to K − 1.
    lambda_ : float, optional
        λ ≥ 0, the weight of the penalties; by default as published, 0.1 for 'dbc' and 0.005 for 'buc'.
    update : {'stale', 'union', 'exact'}, optional
        'stale' ranks once and skips clusters already absorbed, 'union' ranks once and joins by union-find, 'exact'
        ranks again after every merge. By default 'exact' for 'dbc' and 'stale' for 'buc', as recipe `tuned` says.
    metric : {'sqeuclidean', 'euclidean', 'cosine'}
        The distance of two samples.
    intra_normalizer : {'n', 'n2'}, optional
        Divides the sum over ordered pairs in d_a by n_a, eq. (2), or by n_a², a mean; by default 'n2' for 'dbc'.
    criterion : {'dbc', 'buc'}
        'dbc': d_ab is the mean distance, penalised by d_a + d_b. 'buc': d_ab is the smallest, penalised by n_a + n_b.
    precision : {'auto', 'float32', 'int8', 'float16'}
        How the CPU multiplies to find pairs worth ranking; 'float16' is a GPU's way, done slowly. Like all that follow down
        to `processes`, it changes speed and no result.
    kernels : {'auto', 'compiled', 'arrays'}
        Whether compiled loops or whole-array operations do the work on the CPU.
    tile : int, optional
        Edge of the tiles of pairs; by default the fastest.
    n_threads : int, optional
        Threads on the CPU; by default one a core.
    memory_limit : int, optional
        In bytes; by default 0.8 of what is available.
    progress : callable, optional
        Called with (done, total) pairs of clusters compared. Neither falls; another pass adds its pairs to the total.
    processes : Processes, optional
        Processes that were given the same arguments and share the tiles.
    camid : integer array (n,), optional
        Camera ids, below 0 if unknown. They add w s_ab to D_ab, for 'dbc' alone: s_ab is the share of the pairs of samples
        of a and b that one camera took, so samples are drawn to those of other cameras.
    camera_weight : float
        w ≥ 0.
    backend : Backend, optional
        Where the pairs are found, if not where the features are: host memory then need not be copied back.
    constraints : PairConstraints, optional
        Samples that are the same individual, which are joined first and count among the m merges, their D being that before
        the first of them; those that are different, which no cluster ever holds; and views, within which D is taken.

    Returns
    -------
    StageMerges
        The new labels, and each merge with its D; more than m if `constraints` join more, fewer if they permit no more.

    Raises
    ------
    UsageError
        An option is out of range.
    DbcError
        Features and labels do not fit each other, hold NaN or infinity, have fewer than m + 1 clusters, or need more
        memory than the limit.

    Examples
    --------
    >>> import numpy as np
    >>> from stages.merge import initial_labels, merge_stage
    >>> features = np.array([[0.0], [0.1], [5.0], [5.2], [9.0]])
    >>> stage = merge_stage(features, initial_labels(5), n_merges=2)
    >>> stage.merges.tolist()
    [[0, 1], [2, 3]]
    >>> stage.labels.tolist()
    [0, 0, 1, 1, 2]
    """
    start = beginning_of(
        features,
        labels,
        n_merges,
        criterion=criterion,
        lambda_=lambda_,
        update=update,
        intra_normalizer=intra_normalizer,
        constraints=constraints,
    )
    require_one_of("metric", metric, get_args(SampleMetric))
    require_one_of("kernels", kernels, get_args(Kernels))
    require_one_of("precision", precision, PRECISIONS)
    require_counts(tile=tile, n_threads=n_threads, memory_limit=memory_limit)
    ranking = criterion_of(criterion, lambda_=start.lambda_, normalizer=start.intra_normalizer)
    update, joined, nodes = start.update, start.joined, start.nodes
    n_samples, dim = features.shape
    cameras = None
    if camid is not None:
        require_together(camera="penalty", criterion=criterion)
        require_number("camera_weight", camera_weight)
        cameras = parse_cameras(to_host(camid), n_samples=n_samples, weight=camera_weight)
    compiled = compiles(features, kernels, metric, exact_merges=n_merges if update == "exact" else 0)
    features_on_device = features if backend is None else backend.asarray(features)
    if not compiled:
        features = features_on_device
    is_host = isinstance(features, np.ndarray)
    is_half = compiled and (precision == "float16" or not isinstance(features_on_device, np.ndarray))
    n_workers = (n_threads or n_cores()) if is_host or compiled else 1
    limit = limit_of(memory_limit, features_on_device)
    purpose = f"merging {so_many(start.n_clusters, 'cluster')} of {so_many(n_samples, 'sample')}"
    n_rows = max(start.n_clusters, int(nodes.max()) + 1) if ranking.linkage == "average" else n_samples
    if is_half:
        require_memory(
            pair_bytes(n_rows=n_rows, dim=dim), memory_limit=limit, what=f"{purpose} by pairs found on a GPU"
        )
    require_memory(
        engine_bytes(
            n_samples=n_samples,
            n_clusters=n_rows,
            dim=dim,
            n_merges=n_merges,
            tile=tile or LARGEST_TILE[is_host or compiled],
            n_threads=n_workers,
            compiled=compiled,
            exact=update == "exact",
            n_cameras=0 if cameras is None else cameras.n_columns,
        ),
        memory_limit=limit_of(memory_limit, _ON_HOST) if compiled else limit,
        what=purpose,
    )
    bind_thread = binder_of(features_on_device)
    bind_thread()
    with (
        one_library_thread(),
        limited_pool(features_on_device, limit),
        ThreadPoolExecutor(n_workers, initializer=bind_thread) as threads,
    ):
        maker = table_maker(
            features,
            metric=metric,
            compiled=compiled,
            product=lambda n_rows: host_product(precision, n_rows=n_rows, dim=dim),
            threads=threads,
            pairs_at=features_on_device if is_half else None,
        )
        workers = Workers(threads, tile, processes or OneProcess(), _over_passes(progress))
        joined_before = (
            unranked(maker, start.labels, joined.merges, criterion=ranking, cameras=cameras)
            if len(joined.merges)
            else None
        )
        n_left = n_merges - len(joined.merges)
        if n_left <= 0 and joined_before is not None:
            return joined_before
        by_update = merge_exactly if update == "exact" else partial(merge_once_ranked, update=update)
        ranked = by_update(maker, nodes, n_left, criterion=ranking, workers=workers, cameras=cameras, links=start.links)
        result = ranked if joined_before is None else joined_before.then(ranked, joined.names)
        return replace(result, pairs_in=maker.pairs_in)


def _over_passes(progress: Progress | None) -> Progress:
    """A callback for the progress of each pass, which calls `progress`, if any, with the sums over all passes so far."""
    before = 0

    def count(done: int, total: int) -> None:
        nonlocal before
        if progress is not None:
            progress(before + done, before + total)
        before += done if done == total else 0

    return count
