"""Retrieval of a whole set: its queries against its gallery."""

from __future__ import annotations

from collections.abc import Callable

from stages.evaluate.retrieval.metrics import (
    DEFAULT_OPTIONS,
    RetrievalMetrics,
    RetrievalOptions,
    evaluate_retrieval,
)
from stages.samples import GALLERY, QUERY
from stages.typing import Array, Float32Array, Int32Array, UInt8Array


def retrieval_by_split(
    features: Float32Array,
    *,
    split: UInt8Array,
    pid: Int32Array,
    camid: Int32Array,
    encounter: Int32Array | None = None,
    options: RetrievalOptions = DEFAULT_OPTIONS,
    asarray: Callable[[Float32Array], Array] | None = None,
) -> RetrievalMetrics:
    """`evaluate_retrieval` of the queries and the gallery among L2-normalised `features` (n_samples, d).

    `split`, `pid`, `camid` and, if known, `encounter` are (n_samples). `asarray` puts both parts where they are ranked.
    """
    query, gallery = split == QUERY, split == GALLERY
    parts = features[query], features[gallery]
    return evaluate_retrieval(
        *(parts if asarray is None else map(asarray, parts)),
        query_pid=pid[query],
        gallery_pid=pid[gallery],
        query_camid=camid[query],
        gallery_camid=camid[gallery],
        encounters=None if encounter is None else (encounter[query], encounter[gallery]),
        options=options,
    )
