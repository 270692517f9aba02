"""Features made ready once a stage: checked, put in their frame, and turned into tables of any clusters of them."""

from __future__ import annotations

import sys
from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import Literal

import numpy as np

from stages.arrays.screening_products import Product
from stages.merge.tables.array_table import ArrayTable
from stages.merge.tables.canonical_rows import Frame, Metric, canonical_rows
from stages.merge.tables.table import Members, Table
from stages.typing import Array

Kernels = Literal["auto", "compiled", "arrays"]

_COMPILING_PAYS = {"sqeuclidean": 2e10, "cosine": 2e10, "euclidean": 1e9}
"""n² d from which compiled loops are used: below, whole-array operations end in about the second that loading them
takes, and compiling them, once a machine, takes ten. `euclidean` visits pairs of samples, which arrays do slowly."""


@dataclass(frozen=True)
class Source:
    """The `frame` of all samples, and `table`, which makes the `Table` of any clusters of them."""

    frame: Frame
    table: Callable[[Members], Table]


_EXACT_MERGE = 2e7
"""n² d that one merge of `exact` counts for."""
_ALREADY_LOADED = 100
"""How many times less work pays once this process has loaded them."""


def compiles(features: Array, kernels: Kernels, metric: Metric, *, exact_merges: int) -> bool:
    """Whether compiled loops do the work: only on NumPy arrays and, for 'auto', where there is enough work to pay.

    `exact_merges`: how many merges are made by `exact`, each of which ranks again.
    """
    if not isinstance(features, np.ndarray) or kernels == "arrays":
        return False
    n_samples, dim = features.shape
    pays = _COMPILING_PAYS[metric] / (_ALREADY_LOADED if "stages.merge.tables.host_table" in sys.modules else 1)
    return kernels == "compiled" or float(n_samples) ** 2 * dim + exact_merges * _EXACT_MERGE >= pays


def source_of(
    features: Array, *, metric: Metric, compiled: bool, product: Callable[[int], Product], threads: Executor
) -> Source:
    """The source of `features` (n, d): by compiled loops in host memory, or by the arrays' own library.

    Both give the same bits. Raises DbcError as `canonical_rows` does.
    """
    if compiled:
        from stages.merge.tables.host_table import HostTable, host_frame

        if features.dtype not in (np.float32, np.float64):
            features = features.astype(np.float64)
        features = np.ascontiguousarray(features)
        frame = host_frame(features, metric=metric, threads=threads)
        return Source(
            frame,
            lambda members: HostTable(features, frame, members, metric=metric, product=product, threads=threads),
        )
    rows = canonical_rows(features, metric=metric)
    return Source(rows.frame, lambda members: ArrayTable(rows, members))
