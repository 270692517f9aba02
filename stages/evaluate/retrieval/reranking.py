"""Ranks of matches after k-reciprocal re-ranking, without a matrix of all samples against all.

Zhong et al., "Re-ranking Person Re-identification with k-reciprocal Encoding", CVPR 2017: entries are ordered by
(1 − λ) · Jaccard distance + λ · squared distance over that of the query's farthest sample, both among query and gallery.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from array_api_compat import array_namespace
from scipy import sparse

from schemas.choices import PUBLISHED_K1, PUBLISHED_K2, PUBLISHED_RERANK_LAMBDA
from stages.arrays.backend import to_host
from stages.arrays.k_reciprocal import jaccard_distance, k_reciprocal_encoding
from stages.arrays.neighbours import nearest_neighbours
from stages.arrays.similarity import exact_similarity
from stages.evaluate.retrieval.pairs import PidPairs
from stages.typing import Array, BoolArray, Float64Array, Int64Array

BLOCK_DISTANCES = 2**23
"""Distances (float64) of a block of queries to the gallery; a few arrays of them are held at once."""

GALLERY_TILE = 2048
"""Gallery entries made float64 at once."""


@dataclass(frozen=True)
class Reranking:
    """k1 nearest neighbours for reciprocity, k2 for the mean over encodings, and the weight λ of the plain distance."""

    k1: int = PUBLISHED_K1
    k2: int = PUBLISHED_K2
    lambda_: float = PUBLISHED_RERANK_LAMBDA


@dataclass(frozen=True)
class Encoded:
    """Query and gallery with their encodings (n_q, n) and (n_g, n), n = n_q + n_g, and each query's farthest distance."""

    query: Array
    gallery: Array
    query_encoding: sparse.csr_matrix
    gallery_encoding: sparse.csr_matrix
    farthest: Float64Array
    lambda_: float

    def ranked_among(self, kept: Int64Array) -> Encoded:
        """This re-ranking of the gallery entries `kept` alone; encodings stay those among all entries."""
        xp: Any = array_namespace(self.gallery)
        rows = xp.take(self.gallery, xp.asarray(kept, device=self.gallery.device), axis=0)
        encoding = self.gallery_encoding[kept]
        return Encoded(self.query, rows, self.query_encoding, encoding, self.farthest, self.lambda_)

    def distances(self, queries: Int64Array) -> Float64Array:
        """Re-ranked distances (n_block, n_g) of `queries` (n_block, int64) from the gallery, on the host."""
        xp: Any = array_namespace(self.query)
        rows = xp.take(self.query, xp.asarray(queries, device=self.query.device), axis=0)
        distance = np.empty((len(queries), self.gallery.shape[0]))
        for start in range(0, distance.shape[1], GALLERY_TILE):
            stop = min(start + GALLERY_TILE, distance.shape[1])
            distance[:, start:stop] = 2 - 2 * to_host(exact_similarity(rows, self.gallery[start:stop, :]))
        farthest = self.farthest[queries][:, None]
        distance = np.divide(distance, farthest, out=np.zeros_like(distance), where=farthest > 0)
        jaccard = jaccard_distance(self.query_encoding[queries], self.gallery_encoding)
        return np.asarray((1 - self.lambda_) * jaccard + self.lambda_ * distance)


def encode(query: Array, gallery: Array, reranking: Reranking, *, itself: Int64Array | None = None) -> Encoded:
    """Encodings of `query` (n_q, d) and `gallery` (n_g, d), L2-normalised float32, among each other.

    `itself` (n_q, int64) is where each query is in the gallery, so that none is there twice; None if none is.
    """
    xp: Any = array_namespace(query)
    both = xp.concat([query, gallery]) if itself is None else gallery
    n = both.shape[0]
    neighbours = nearest_neighbours(both, min(max(reranking.k1 + 1, reranking.k2), max(n, 1)))
    encoding = k_reciprocal_encoding(both, neighbours, k1=reranking.k1, k2=reranking.k2)
    queries, entries = (
        (np.arange(query.shape[0]), np.arange(query.shape[0], n)) if itself is None else (itself, np.arange(n))
    )
    farthest = neighbours.farthest[queries]
    return Encoded(query, gallery, encoding[queries], encoding[entries], farthest, reranking.lambda_)


def reranked(encoded: Encoded, blocks: Iterable[PidPairs]) -> Iterator[tuple[PidPairs, Int64Array]]:
    """Each block with the ranks (n_matches, int64, from 1) of its matches; ties go by gallery index."""
    for pairs in blocks:
        yield pairs, _ranks(encoded.distances(pairs.queries), pairs)


def reranking_block(n_gallery: int) -> int:
    """Queries whose distances to `n_gallery` entries are held at once."""
    return max(1, BLOCK_DISTANCES // max(n_gallery, 1))


def _ranks(distance: Float64Array, pairs: PidPairs) -> Int64Array:
    ignored: BoolArray = ~pairs.is_match
    distance[pairs.row[ignored], pairs.column[ignored]] = np.inf
    row, column = pairs.row[pairs.is_match], pairs.column[pairs.is_match]
    own = distance[row, column]
    rank = np.empty(len(row), dtype=np.int64)
    start = np.searchsorted(row, np.arange(len(distance) + 1))
    for r, values in enumerate(distance):
        matches = slice(start[r], start[r + 1])
        ordered = np.sort(values)
        rank[matches] = ordered.searchsorted(own[matches], side="left") + 1
        shared = ordered.searchsorted(own[matches], side="right") - rank[matches] > 0
        for m in np.flatnonzero(shared) + start[r]:
            rank[m] += np.count_nonzero(values[: column[m]] == own[m])
    return rank
