"""Eqs. (2) and (3) from cluster contents: intra-dispersions, and the inter-dispersions of one cluster to others.

Two kinds of clusters, one interface. Every number is a function of the two clusters' contents alone, symmetric in
them, with the same bits on every array library.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Literal, Protocol

import array_api_compat
import numpy as np
from numpy.typing import NDArray
from plain_block_sums import BlockSums

from stages.arrays.exact_sums import halving_sum
from stages.merge.tables.moments import Moments
from stages.typing import Array

IntraNormalizer = Literal["n", "n2"]

_CHUNK_VALUES = 1 << 17
"""Differences formed at once: 1 MiB of float64, which stays in cache."""


class Dispersion(Protocol):
    """K clusters whose dispersions can be asked for, and merged."""

    counts: Array

    def intra(self, *, normalizer: IntraNormalizer) -> Array:
        """d_a, (K,) float64: Σ over ordered pairs of members, divided by n_a (`n`, eq. (2)) or n_a² (`n2`)."""

    def inter(self, a: int, *, start: int = 0) -> Array:
        """d_ab of cluster a to clusters start..K−1, (K − start,) float64, eq. (3)."""

    def merge(self, a: int, b: int) -> Dispersion:
        """These clusters with b's members moved to a; what is asked of b afterwards is meaningless."""


class MeanDispersion:
    """`sqeuclidean` (scale 1) and `cosine` (scale ½, for unit rows) from cluster moments.

    With v the variance and μ the mean, d_a = 2 n_a v_a and d_ab = v_a + v_b + ‖μ_a − μ_b‖², which equals design's
    s_a + s_b − 2 μ_a·μ_b without its cancellation: 0 for identical clusters of one point, and never negative.
    """

    def __init__(self, moments: Moments, *, scale: float):
        self._moments, self._scale = moments, scale
        self.counts = moments.counts
        self._means, self._variances = moments.means(), moments.variances()

    def intra(self, *, normalizer: IntraNormalizer) -> Array:
        """See `Dispersion.intra`."""
        weights = self.counts if normalizer == "n" else 1.0
        return 2.0 * self._scale * (self._variances * weights)

    def inter(self, a: int, *, start: int = 0) -> Array:
        """See `Dispersion.inter`."""
        xp = array_api_compat.array_namespace(self._means)
        n_clusters, dim = self._means.shape
        step = max(1, _CHUNK_VALUES // dim)
        parts = []
        for first in range(start, n_clusters, step):
            difference = self._means[first : min(first + step, n_clusters), :] - self._means[a, :]
            parts.append(halving_sum(difference * difference))
        spread = self._variances[start:] + self._variances[a]
        return self._scale * (spread + xp.concat(parts))

    def merge(self, a: int, b: int) -> MeanDispersion:
        """See `Dispersion.merge`."""
        old = self._moments
        moments = replace(
            old,
            sums=_moved(old.sums, a, b),
            norms_high=_moved(old.norms_high, a, b),
            norms_low=_moved(old.norms_low, a, b),
            counts=_moved(old.counts, a, b),
        )
        return MeanDispersion(moments, scale=self._scale)


class BlockDispersion:
    """`euclidean` from the block sums of sample distances: d_ab = block/(n_a n_b)."""

    def __init__(self, blocks: BlockSums):
        self._blocks = blocks
        self.counts = blocks.counts

    def intra(self, *, normalizer: IntraNormalizer) -> Array:
        """See `Dispersion.intra`."""
        xp = array_api_compat.array_namespace(self.counts)
        diagonal = xp.arange(self.counts.shape[0])
        high, low = self._blocks.high[diagonal, diagonal], self._blocks.low[diagonal, diagonal]
        squares = self.counts * self.counts
        return (high / squares + low / squares) * (self.counts if normalizer == "n" else 1.0)

    def inter(self, a: int, *, start: int = 0) -> Array:
        """See `Dispersion.inter`."""
        weights = self.counts[start:] * self.counts[a]
        return self._blocks.high[a, start:] / weights + self._blocks.low[a, start:] / weights

    def merge(self, a: int, b: int) -> BlockDispersion:
        """See `Dispersion.merge`."""
        return BlockDispersion(
            BlockSums(
                high=_moved_block(self._blocks.high, a, b),
                low=_moved_block(self._blocks.low, a, b),
                counts=_moved(self.counts, a, b),
            )
        )


class NearestDispersion:
    """BUC: the smallest of the `distances` (n, n) between `members`, K arrays of samples; sizes as penalties."""

    def __init__(self, distances: NDArray[np.float64], members: list[NDArray[np.int64]]):
        self._distances, self._members = distances, members
        self.counts = np.array([len(part) for part in members], dtype=np.float64)

    def intra(self, *, normalizer: IntraNormalizer) -> Array:
        """n_a."""
        return self.counts

    def inter(self, a: int, *, start: int = 0) -> Array:
        """See `Dispersion.inter`; infinity to a cluster that is gone."""
        own = self._distances[self._members[a]]
        return np.array([own[:, part].min(initial=np.inf) for part in self._members[start:]])

    def merge(self, a: int, b: int) -> NearestDispersion:
        """See `Dispersion.merge`."""
        members = list(self._members)
        members[a], members[b] = np.concatenate([members[a], members[b]]), members[b][:0]
        return NearestDispersion(self._distances, members)


def _moved(values: Array, a: int, b: int) -> Array:
    xp = array_api_compat.array_namespace(values)
    moved = xp.asarray(values, copy=True)
    moved[a, ...] = values[a, ...] + values[b, ...]
    return moved


def _moved_block(block: Array, a: int, b: int) -> Array:
    xp = array_api_compat.array_namespace(block)
    moved = _moved(block, a, b)
    column = moved[:, a] + moved[:, b]
    moved[:, a] = column
    moved[a, :] = column
    moved[a, a] = block[a, a] + block[b, b] + 2.0 * block[a, b]
    return xp.asarray(moved)
