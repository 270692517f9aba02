"""Features prepared once a stage: checked, put on their grid, and turned into tables of any clusters of them."""

from __future__ import annotations

import sys
from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass

import numpy as np

from schemas.choices import Kernels, SampleMetric
from stages.arrays.backend import device_number, to_host
from stages.arrays.screening_products import Product
from stages.merge.tables.array_table import ArrayTable
from stages.merge.tables.canonical_rows import FeatureGrid, canonical_rows
from stages.merge.tables.table import ClusterSlices, Table
from stages.typing import Array

_COMPILING_PAYS = {"sqeuclidean": 2e10, "cosine": 2e10, "euclidean": 1e9}
"""n² d from which compiled loops are used. Below, whole-array operations end in about the second that loading the loops
takes; compiling them, once a machine, takes ten. `euclidean` compares pairs of samples, which is slow by whole arrays."""


@dataclass(frozen=True)
class TableMaker:
    """The `grid` of all samples, and `table`, which makes the `Table` of any clusters of them.

    `pairs_in` is what a pair engine stores rows as, if there is one.
    """

    grid: FeatureGrid
    table: Callable[[ClusterSlices], Table]
    pairs_in: str | None = None


_EXACT_MERGE = 2e7
"""n² d that one merge of `exact` counts for."""
_ALREADY_LOADED = 100
"""The threshold is divided by this once the process has loaded the loops."""


def compiles(features: Array, kernels: Kernels, metric: SampleMetric, *, exact_merges: int) -> bool:
    """Whether compiled loops do the work: only for arrays of NumPy and CuPy, and under 'auto' only if that is faster.

    `exact_merges`: how many merges `exact` makes, each of which ranks again.
    """
    is_known = isinstance(features, np.ndarray) or device_number(features) is not None
    if not is_known or kernels == "arrays":
        return False
    n_samples, dim = features.shape
    pays = _COMPILING_PAYS[metric] / (_ALREADY_LOADED if "stages.merge.tables.host_table" in sys.modules else 1)
    return kernels == "compiled" or float(n_samples) ** 2 * dim + exact_merges * _EXACT_MERGE >= pays


def table_maker(
    features: Array,
    *,
    metric: SampleMetric,
    compiled: bool,
    product: Callable[[int], Product],
    threads: Executor,
    pairs_at: Array | None = None,
) -> TableMaker:
    """What makes the tables of `features` (n, d): by compiled loops in host memory, or by the arrays' own library.

    With compiled loops, pairs are found by a pair engine (`PairScreen`) if `pairs_at`, the same features where that works, is
    given. All give the same bits. Raises DbcError as `canonical_rows` does.
    """
    if compiled:
        from stages.merge.tables.host_table import HostTable, host_grid
        from stages.merge.tables.pair_screen import pair_source

        host = to_host(features)
        if host.dtype not in (np.float32, np.float64):
            host = host.astype(np.float64)
        host = np.ascontiguousarray(host)
        grid = host_grid(host, metric=metric, threads=threads)
        pairs = None if pairs_at is None else pair_source(pairs_at, grid, metric)
        return TableMaker(
            grid,
            lambda members: HostTable(
                host, grid, members, metric=metric, product=product, threads=threads, pairs=pairs
            ),
            None if pairs is None else pairs.engine.storage,
        )
    rows = canonical_rows(features, metric=metric)
    return TableMaker(rows.grid, lambda members: ArrayTable(rows, members))
