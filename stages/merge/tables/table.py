"""What the selection asks of clusters, computed by `HostTable` (compiled loops) or `ArrayTable` (any array library)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np

from schemas.choices import SampleMetric
from stages.merge.tables.canonical_rows import FeatureGrid
from stages.typing import Array, Float64Array, Int32Array, Int64Array


@dataclass(frozen=True)
class ClusterSlices:
    """K clusters as slices: cluster c owns samples order[starts[c]:stops[c]]; `order` (n,), others (K,), int64."""

    order: Int64Array
    starts: Int64Array
    stops: Int64Array

    @property
    def counts(self) -> Int64Array:
        """n_a (K,) int64."""
        return self.stops - self.starts


@dataclass(frozen=True)
class Carried:
    """What is known of K clusters after merges, so that their table need not read the features again.

    `old` (K,) int64: the label of each in the table before; `variances` (K,) float64; `contents`: `Table.contents` by new
    label, of clusters that have merged.
    """

    old: Int64Array
    variances: Float64Array
    contents: dict[int, tuple[Array, float, float]]


@runtime_checkable
class ScreenedRows(Protocol):
    """R rows of a table prepared for the fast product; row r is ids[r] of `Table.screen`."""

    @property
    def tile(self) -> int:
        """The edge of tiles that makes `near` fastest."""

    def near(self, rows: slice, columns: slice, threshold: float) -> tuple[Int64Array, Int64Array]:
        """Rows (r, c) of all pairs in this tile, r < c and of different owners, whose D may be at most `threshold`."""

    def estimates(self, rows: Int64Array, columns: Int64Array) -> Float64Array:
        """About D of each of `rows` with `columns`, (r, c), with no bound on the error, and infinity within one owner."""


class StripScreen(Protocol):
    """R rows prepared as in `ScreenedRows`, whose pairs are found in strips, started one after the other, not in tiles."""

    def found(
        self, threshold: Callable[[], float], *, tile: int | None, share: slice
    ) -> tuple[int, Iterator[tuple[int, Int64Array, Int64Array]]]:
        """How many pairs the strips of this `share` have; and of one after the other its pairs, and their rows (P,), (P,).

        All pairs whose D may be at most `threshold()` are among them; `tile` is how many rows a strip has.
        """

    def estimates(self, rows: Int64Array, columns: Int64Array) -> Float64Array:
        """See `ScreenedRows`."""


class Table(Protocol):
    """K clusters under a metric; numbers are on the host, features stay on their device."""

    metric: SampleMetric
    members: ClusterSlices
    variances: Float64Array
    """v_a (K,), as `Moments.variances`; meaningless for `euclidean`."""

    def ordered_means(self) -> Float64Array:
        """Σ dist over ordered pairs of members, divided by n_a², (K,)."""

    def inter(self, first: Int64Array, second: Int64Array) -> Float64Array:
        """d_ab, eq. (3), of clusters first[i], second[i], (P,)."""

    def blocks(self, first: Int64Array, second: Int64Array) -> tuple[Float64Array, Float64Array]:
        """high and low (P,) of the sums of distances between members (`euclidean`)."""

    def means(self, ids: Int64Array) -> Array:
        """μ of clusters `ids`, (len(ids), d) float64 where the features are."""

    def squared_distances(self, rows: Array, a: int, others: Int64Array) -> Float64Array:
        """‖rows[x] − rows[a]‖² (P,) for x in `others`, by `halving_sum`; `rows` (K, d) is where `means` are."""

    def squared_norm(self, row: Array) -> float:
        """‖row‖² of a (d,) array, by `halving_sum`."""

    def contents(self, cluster: int) -> tuple[Array, float, float]:
        """Σ x (d,), and high and low of Σ ‖x‖² (`Moments`), of one cluster."""

    def carry(self, members: ClusterSlices, carried: Carried) -> Table:
        """The table of the clusters `members`, equal to a new one (`sqeuclidean`, `cosine`)."""

    def screen(
        self, ids: Int64Array, weights: Float64Array, owner: Int64Array, shared: SharedCamera | None = None
    ) -> ScreenedRows | StripScreen:
        """Rows `ids` (R,) of clusters `owner` (R,), prepared for the product; D_ab ≥ d_ab + w_a + w_b, w the `weights`.

        What a `shared` camera adds may be left out of the bound.
        """


@dataclass(frozen=True)
class SharedCamera:
    """What a shared camera adds to D: `weight`, for two rows whose clusters are of one and the same camera alone.

    `camera` (R,) int32 from 0; −1 if several took the samples of a row's cluster.
    """

    camera: Int32Array
    weight: float


def slots_of(counts: Int64Array, *, fewest: int) -> Int64Array:
    """The row of the sums of each cluster of `counts` (K,) members; −1 for one of less than `fewest`, which keeps none."""
    is_kept = counts >= fewest
    return np.where(is_kept, np.cumsum(is_kept) - 1, -1)


def slack_of(grid: FeatureGrid, *, metric: SampleMetric) -> float:
    """How far float64 may move d_ab or (1/n_a) d_a: a bound on rounding, several times over.

    Sums of d rounded terms each at most the squared diameter (with the halving tree log2 d roundings, in the
    screen's own order d), the division of sums by counts, and for `euclidean` the two grids of `split_on_grids`.
    """
    dim = grid.dim
    if metric == "euclidean":
        return grid.distance_bound * (dim * 2.0**-46 + float(grid.n_samples) ** 4 * 2.0**-104)
    return 8 * grid.norm_bound * (dim + 64) * 2.0**-52
