"""Retrieval of a whole set: its queries against its gallery."""

from __future__ import annotations

from stages.evaluate.retrieval.metrics import DEFAULT_OPTIONS, RetrievalMetrics, RetrievalOptions, evaluate_retrieval
from stages.samples import GALLERY, QUERY
from stages.typing import Array, Int32Array, UInt8Array


def retrieval_of(
    queries: Array,
    entries: Array,
    *,
    split: UInt8Array,
    pid: Int32Array,
    camid: Int32Array,
    encounter: Int32Array | None = None,
    options: RetrievalOptions = DEFAULT_OPTIONS,
) -> RetrievalMetrics:
    """`evaluate_retrieval` of the features of `queries` (n_q, d) and of the gallery's `entries` (n_g, d), in dataset order.

    `split`, `pid`, `camid` and, if known, `encounter` are those of all samples (n_samples).
    """
    query, gallery = split == QUERY, split == GALLERY
    return evaluate_retrieval(
        queries,
        entries,
        query_pid=pid[query],
        gallery_pid=pid[gallery],
        query_camid=camid[query],
        gallery_camid=camid[gallery],
        encounters=None if encounter is None else (encounter[query], encounter[gallery]),
        options=options,
    )
