"""What the selection asks of clusters, whichever way it is computed: `HostTable` (compiled) or `ArrayTable`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from stages.merge.tables.canonical_rows import Frame, Metric
from stages.typing import Array, Float64Array, Int64Array


@dataclass(frozen=True)
class Members:
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
    """What merging has found of K new clusters, so that a table of them needs no second look at the features.

    `old` (K,) int64: the cluster of the table before that each lives on from; `variances` (K,) float64; `contents`:
    by new label, as `Table.contents`, those of the clusters that took part in a merge.
    """

    old: Int64Array
    variances: Float64Array
    contents: dict[int, tuple[Array, float, float]]


class ScreenedRows(Protocol):
    """Clusters prepared for the fast product, R of them; row r is the cluster ids[r] the screen was made of."""

    @property
    def n_rows(self) -> int:
        """R."""

    @property
    def tile(self) -> int:
        """An edge of tiles at which `near` is fast."""

    def near(self, rows: slice, columns: slice, threshold: float) -> tuple[Int64Array, Int64Array]:
        """Rows (r, c), r < c and of different groups, in this tile whose D may be at most `threshold`: no other has."""

    def estimates(self, rows: Int64Array, columns: Int64Array) -> Float64Array:
        """D of each of `rows` with `columns`, (r, c), with no bound on its error, and infinity within one group."""


class Table(Protocol):
    """K clusters under a metric; numbers go to and from the host, features stay where they are."""

    metric: Metric
    members: Members

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

    def variances(self) -> Float64Array:
        """v_a (K,), as `Moments.variances`."""

    def carry(self, members: Members, carried: Carried) -> Table:
        """The table of the clusters `members`, as one made afresh would be (`sqeuclidean`, `cosine`)."""

    def screen(self, ids: Int64Array, weights: Float64Array, groups: Int64Array) -> ScreenedRows:
        """Clusters `ids` (R,) with their λ·penalty `weights` and their `groups` (R,), prepared for the product."""


def slack_of(frame: Frame, *, metric: Metric) -> float:
    """How far float64 may move d_ab or (1/n_a) d_a: a bound on rounding, several times over.

    Sums of d rounded terms each at most the squared diameter (with the halving tree log2 d roundings, in the
    screen's own order d), the division of sums by counts, and for `euclidean` the two grids of `split_on_grids`.
    """
    dim = frame.dim
    if metric == "euclidean":
        return frame.distance_bound * (dim * 2.0**-46 + float(frame.n_samples) ** 4 * 2.0**-104)
    return 8 * frame.norm_bound * (dim + 64) * 2.0**-52
