"""The stages under `stale`, `union` and `exact`: clusters are ranked and merged, and each merge is recorded with its D."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from schemas.choices import Update
from stages.merge.clusters import labels_after, members_by_cluster
from stages.merge.result import StageMerges
from stages.merge.selection.cameras import Cameras
from stages.merge.selection.criterion import Criterion
from stages.merge.selection.exact import exact_round, renamed
from stages.merge.selection.first_pairs import LOWEST, Key, RankedPairs
from stages.merge.selection.links import Links
from stages.merge.selection.merging_clusters import (
    BlockDispersions,
    Dispersions,
    MeanDispersions,
    MemberDispersions,
    MergingClusters,
)
from stages.merge.selection.penalties import Penalties
from stages.merge.selection.ranking import Candidates, Workers, ranked_block
from stages.merge.selection.walks import first_capacity, merges_array, next_capacity, walk
from stages.merge.tables.table import ClusterSlices, SharedCamera, Table, slack_of
from stages.merge.tables.table_maker import TableMaker
from stages.typing import BoolArray, Float64Array, Int64Array


@dataclass(frozen=True)
class Partition:
    """K clusters as the criterion compares them.

    `table` has a row for each cluster (average linkage) or for each sample, sorted by cluster (single linkage); `owner`
    (R,) is the cluster of each row.
    """

    table: Table
    members: ClusterSlices
    owner: Int64Array
    penalties: Penalties

    @property
    def criterion(self) -> Criterion:
        """The criterion that ranks the pairs."""
        return self.penalties.criterion

    def candidates(self, alive: BoolArray, links: Links | None) -> Candidates:
        """The rows of clusters that are `alive` (K,), to be paired as `links` permit."""
        ids = np.flatnonzero(alive[self.owner])
        owner, cameras = self.owner[ids], self.penalties.cameras
        shared = None if cameras is None else SharedCamera(cameras.alone(owner), cameras.weight)
        screened = self.table.screen(ids, self.criterion.weights(self.penalties.values[owner]), owner, shared)
        return Candidates(self.table, ids, owner, self.penalties, screened, links)

    def merging(self, maker: TableMaker) -> MergingClusters:
        """These clusters, to be merged one at a time."""
        dispersions: Dispersions
        if self.criterion.linkage == "single":
            rows = [np.arange(*span) for span in zip(self.members.starts, self.members.stops, strict=True)]
            dispersions = MemberDispersions(self.table, rows)
        elif self.table.metric == "euclidean":
            dispersions = BlockDispersions(self.table)
        else:
            dispersions = MeanDispersions(self.table, maker.grid)
        return MergingClusters(dispersions, self.penalties.copy())


def partition_of(maker: TableMaker, labels: Int64Array, criterion: Criterion, cameras: Cameras | None) -> Partition:
    """The `Partition` of `labels` (n,) int64, each of 0..K−1 used."""
    members = ClusterSlices(*members_by_cluster(labels))
    counts = members.counts.astype(np.float64)
    if criterion.linkage == "average":
        table, owner = maker.table(members), np.arange(len(counts))
        ordered_means = table.ordered_means()
    else:
        single = np.arange(len(labels))
        table, owner = maker.table(ClusterSlices(members.order, single, single + 1)), labels[members.order]
        ordered_means = np.zeros(len(counts))
    values = criterion.penalties(counts, ordered_means)
    shared = None if cameras is None else cameras.penalty(labels)
    return Partition(table, members, owner, Penalties(criterion, counts, values, shared))


def merge_once_ranked(
    maker: TableMaker,
    labels: Int64Array,
    n_merges: int,
    *,
    criterion: Criterion,
    update: Update,
    workers: Workers,
    cameras: Cameras | None = None,
    links: Links | None = None,
) -> StageMerges:
    """The stage under `stale` or `union`: D computed once, pairs walked in order.

    With `links` the `labels` are those of their nodes, and merges are of individuals; fewer than `n_merges` if no more may be.
    """
    individual = np.arange(int(labels.max()) + 1) if links is None else links.individual
    partition = partition_of(maker, labels, criterion, cameras)
    held: list[tuple[bytes, Candidates]] = []

    def next_block(alive: BoolArray, after: Key, capacity: int) -> RankedPairs:
        if not held or held[0][0] != alive.tobytes():
            held[:] = [(alive.tobytes(), partition.candidates(alive, links))]
        return ranked_block(held[0][1], after=after, capacity=capacity, workers=workers)

    n_clusters = len(partition.members.starts)
    nodes = merges_array(walk(next_block, n_clusters=n_clusters, n_merges=n_merges, update=update, links=links))
    return _as_ranked(partition, maker, nodes, individual[labels], np.sort(individual[nodes], axis=1))


def unranked(
    maker: TableMaker, labels: Int64Array, merges: Int64Array, *, criterion: Criterion, cameras: Cameras | None = None
) -> StageMerges:
    """`merges` (m, 2) of the clusters `labels` (n,), whatever their D, with the numbers they have before the first of them."""
    return _as_ranked(partition_of(maker, labels, criterion, cameras), maker, merges, labels, merges)


def _as_ranked(
    partition: Partition, maker: TableMaker, nodes: Int64Array, labels: Int64Array, merges: Int64Array
) -> StageMerges:
    """`merges` (m, 2) of `labels` (n,), with the numbers of the clusters `nodes` (m, 2) of `partition`."""
    inter = _inter_of(partition, maker, nodes)
    first, second = nodes.T
    return StageMerges(
        labels=labels_after(labels, merges),
        merges=merges,
        distance=partition.penalties.distance(inter, first, second),
        inter=inter,
        intra=partition.penalties.values[nodes],
        sizes=partition.members.counts[nodes],
    )


def merge_exactly(
    maker: TableMaker,
    labels: Int64Array,
    n_merges: int,
    *,
    criterion: Criterion,
    workers: Workers,
    cameras: Cameras | None = None,
    links: Links | None = None,
) -> StageMerges:
    """The stage under `exact`: block after block, each of which proves as many merges as it can (`exact_round`).

    With `links` as in `merge_once_ranked`.
    """
    names = np.arange(int(labels.max()) + 1)
    individual = names if links is None else links.individual
    current, start = labels, individual[labels]
    merges: list[tuple[int, int]] = []
    numbers: list[tuple[float, ...]] = []
    larger = 1
    partition = partition_of(maker, labels, criterion, cameras)
    # otherwise ranking a pair of clusters looks at each pair of their members
    costly_blocks = criterion.linkage == "average" and partition.table.metric != "euclidean"
    while len(merges) < n_merges:
        everything = np.ones(len(names), dtype=bool)
        capacity = larger * first_capacity(n_merges - len(merges), costly_blocks=costly_blocks)
        candidates = partition.candidates(everything, links)
        block = ranked_block(candidates, after=LOWEST, capacity=capacity, workers=workers)
        merging = partition.merging(maker)
        found = exact_round(
            merging,
            block,
            n_merges=n_merges - len(merges),
            slack=_slack(maker, partition),
            # points that are one still differ by their cameras
            zero_is_identity=criterion.linkage == "average" and cameras is None,
            links=links,
        )
        merges += [(int(names[a]), int(names[b])) for a, b in found.merges] if links is None else found.joined
        numbers += found.numbers
        if not found.merges and block.limit[0] == np.inf:
            break
        names, new_label, old = renamed(names, found.merges)
        current = new_label[current]
        if links is not None:
            links.rename(old)
        if len(merges) < n_merges:
            partition = _partition_after(merging, maker, current, old, cameras)
        enough = max(1, min(len(block), len(everything)) // 16)
        larger = next_capacity(larger, found=len(found.merges), wanted=enough)
    return StageMerges.one_by_one(start, merges_array(merges), numbers)


def _partition_after(
    merging: MergingClusters, maker: TableMaker, labels: Int64Array, old: Int64Array, cameras: Cameras | None
) -> Partition:
    """`partition_of` the `labels` (n,) that `merging` has come to, whose cluster c it calls old[c]."""
    criterion = merging.penalties.criterion
    members = ClusterSlices(*members_by_cluster(labels))
    table = merging.dispersions.table_of(members, old)
    if table is None:
        return partition_of(maker, labels, criterion, cameras)
    counts = members.counts.astype(np.float64)
    shared = None if cameras is None else cameras.penalty(labels)
    penalties = Penalties(criterion, counts, merging.penalties.values[old], shared)
    return Partition(table, members, np.arange(len(old)), penalties)


def _inter_of(partition: Partition, maker: TableMaker, merges: Int64Array) -> Float64Array:
    if partition.criterion.linkage == "average":
        return partition.table.inter(merges[:, 0].copy(), merges[:, 1].copy())
    dispersions = partition.merging(maker).dispersions
    return np.array([dispersions.inter(int(a), np.array([b]))[0] for a, b in merges])


def _slack(maker: TableMaker, partition: Partition) -> float:
    """How far rounding may move D in one merge."""
    inter_slack = slack_of(maker.grid, metric=partition.table.metric)
    cameras = partition.penalties.cameras
    shared = cameras.weight * 2.0**-48 if cameras is not None else 0.0
    return partition.criterion.slack(inter_slack, n_samples=maker.grid.n_samples) + shared
