"""A report on clusters for people: purity by size, the worst clusters, split identities, chained merges."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from stages.evaluate.clusters.compactness import ClusterMeans
from stages.evaluate.clusters.merge_trees import ClusterTrees, cluster_trees, majority
from stages.typing import Float32Array, Float64Array, Int32Array, Int64Array


@dataclass(frozen=True)
class ClusterRow:
    """One cluster, by its lasting number `individual` and its label; None if a value needs identities and none is known, or
    merges and clusters were made in another way.

    `spread` is the mean squared distance between two different members, 0 for a singleton. `purity` is the share of
    members with a known pid that the most frequent `identity` holds, `n_wrong` the others. The rest as in `ClusterTrees`.
    """

    individual: int
    cluster: int
    size: int
    spread: float
    depth: int | None
    identity: int | None
    n_identities: int | None
    n_wrong: int | None
    purity: float | None
    n_joins: int | None
    last_joins: bool | None


@dataclass(frozen=True)
class SizeRow:
    """Clusters of `smallest` to `largest` members: how many, with how many samples, how pure and how wide on average."""

    smallest: int
    largest: int
    n_clusters: int
    n_samples: int
    purity: float | None
    n_mixed: int | None
    spread: float


@dataclass(frozen=True)
class SplitRow:
    """An identity in several clusters: its samples, the clusters, and the share of samples in its main cluster."""

    identity: int
    n_samples: int
    n_clusters: int
    largest_share: float


@dataclass(frozen=True)
class ClusterReport:
    """All clusters by label, a summary by size, and the split identities, most clusters first."""

    clusters: list[ClusterRow]
    by_size: list[SizeRow]
    split: list[SplitRow]
    has_identities: bool
    has_merges: bool

    def worst(self) -> list[ClusterRow]:
        """Clusters with members of other identities, most of them first."""
        wrong = [row for row in self.clusters if row.n_wrong]
        return sorted(wrong, key=lambda row: (-(row.n_wrong or 0), row.purity, row.cluster))

    def loosest(self) -> list[ClusterRow]:
        """Clusters of two and more, largest spread first."""
        return sorted((row for row in self.clusters if row.size > 1), key=lambda row: (-row.spread, row.cluster))

    def tightest(self) -> list[ClusterRow]:
        """Clusters of two and more, smallest spread first."""
        return sorted((row for row in self.clusters if row.size > 1), key=lambda row: (row.spread, row.cluster))

    def largest(self) -> list[ClusterRow]:
        """Clusters, most members first."""
        return sorted(self.clusters, key=lambda row: (-row.size, row.cluster))

    def chained(self) -> list[ClusterRow]:
        """Clusters of four and more whose depth is above half their size, deepest first."""
        chains = [row for row in self.clusters if row.size >= 4 and 2 * (row.depth or 0) > row.size]
        return sorted(chains, key=lambda row: (-(row.depth or 0), row.cluster))

    def joined(self) -> list[ClusterRow]:
        """Clusters whose last merge joined groups of different identities, largest first."""
        return sorted((row for row in self.clusters if row.last_joins), key=lambda row: (-row.size, row.cluster))

    def summary(self, *, most: int, identities: Mapping[int, str]) -> dict[str, Any]:
        """Counts, and the first `most` rows of every list, as JSON holds them; `identities` are the names of pids."""

        def named(row: ClusterRow | SplitRow) -> dict[str, Any]:
            return asdict(row) | {"identity": None if row.identity is None else identities[row.identity]}

        joins = sum(row.n_joins or 0 for row in self.clusters)
        n_merges = sum(row.size - 1 for row in self.clusters)
        lists: dict[str, Sequence[ClusterRow | SplitRow]] = {
            "largest": self.largest(),
            "tightest": self.tightest(),
            "loosest": self.loosest(),
        }
        if self.has_identities:
            lists |= {"worst": self.worst(), "joined": self.joined(), "split": self.split}
        lists["chained"] = self.chained()
        if not self.has_merges:
            lists = {name: rows for name, rows in lists.items() if name not in ("joined", "chained")}
        return {
            "n_clusters": len(self.clusters),
            "n_merges": n_merges if self.has_merges else None,
            "n_joining_merges": joins if self.has_identities and self.has_merges else None,
            **{
                f"n_{name}": len(rows)
                for name, rows in lists.items()
                if name in ("worst", "joined", "split", "chained")
            },
            "by_size": [asdict(row) for row in self.by_size],
            **{name: [named(row) for row in rows[:most]] for name, rows in lists.items()},
        }


def report_clusters(
    features: Float32Array, labels: Int64Array, linkage: Float64Array, pid: Int32Array, individual: Int64Array
) -> ClusterReport:
    """The report on the clusters `labels` (n_samples, 0..K−1) of `features` (n_samples, d), merged as in `linkage`.

    `individual` (K,) are the numbers that last. In `pid` (n_samples), 0 (distractor), −1 (junk) and −2 (unknown) are
    ignored; if there are no others, values that need them are None. So are those of merges if `linkage` has not all of them.
    """
    means = ClusterMeans.of(features, labels)
    has_merges = len(linkage) == len(labels) - len(means.size)
    trees = cluster_trees(linkage, labels, pid) if has_merges else None
    has_identities = bool((pid > 0).any())
    counts = [Counter[int]() for _ in means.size]
    for label, identity in zip(labels[pid > 0].tolist(), pid[pid > 0].tolist(), strict=True):
        counts[label][identity] += 1
    rows = [
        _row(label, number, means, trees, counts[label], has_identities)
        for label, number in enumerate(individual.tolist())
    ]
    return ClusterReport(rows, _by_size(rows, counts), _split(counts), has_identities, has_merges)


def _row(
    label: int,
    individual: int,
    means: ClusterMeans,
    trees: ClusterTrees | None,
    counts: Counter[int],
    has_identities: bool,  # noqa: FBT001
) -> ClusterRow:
    size, known = int(means.size[label]), counts.total()
    best = majority(counts) if counts else None
    right = counts[best] if best is not None else 0
    return ClusterRow(
        individual=individual,
        cluster=label,
        size=size,
        spread=float(2 * means.variance[label] * size / (size - 1)) if size > 1 else 0.0,
        depth=None if trees is None else int(trees.depth[label]),
        identity=best,
        n_identities=len(counts) if has_identities else None,
        n_wrong=known - right if has_identities else None,
        purity=right / known if known else None,
        n_joins=int(trees.n_joins[label]) if trees is not None and has_identities else None,
        last_joins=bool(trees.last_joins[label]) if trees is not None and has_identities else None,
    )


def _by_size(rows: list[ClusterRow], counts: list[Counter[int]]) -> list[SizeRow]:
    """One row for each of the sizes 1, 2, 3–4, 5–8, … that occur."""
    groups: dict[int, list[ClusterRow]] = {}
    for row in rows:
        groups.setdefault((row.size - 1).bit_length(), []).append(row)
    found = []
    for power, members in sorted(groups.items()):
        known = sum(counts[row.cluster].total() for row in members)
        wrong = [row.n_wrong for row in members if row.n_wrong is not None]
        found.append(
            SizeRow(
                smallest=2 ** (power - 1) + 1 if power else 1,
                largest=2**power,
                n_clusters=len(members),
                n_samples=sum(row.size for row in members),
                purity=1 - sum(wrong) / known if known else None,
                n_mixed=sum(n > 0 for n in wrong) if wrong else None,
                spread=float(np.mean([row.spread for row in members])),
            )
        )
    return found


def _split(counts: list[Counter[int]]) -> list[SplitRow]:
    """Identities above 0 in more than one cluster, most clusters first."""
    held: dict[int, list[int]] = {}
    for cluster in counts:
        for identity, n in cluster.items():
            held.setdefault(identity, []).append(n)
    rows = [
        SplitRow(identity, sum(parts), len(parts), max(parts) / sum(parts))
        for identity, parts in held.items()
        if identity > 0 and len(parts) > 1
    ]
    return sorted(rows, key=lambda row: (-row.n_clusters, row.identity))
