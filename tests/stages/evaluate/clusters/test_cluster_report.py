"""The report on clusters against plain loops over members and merges, and the picture by its pixels."""

from __future__ import annotations

from collections import Counter
from itertools import permutations

import numpy as np
import pytest

from stages.evaluate.clusters.cluster_report import report_clusters
from stages.evaluate.clusters.contact_sheet import WRONG, SheetRow, contact_sheet
from stages.evaluate.clusters.merge_trees import cluster_trees


def merged(rng: np.random.Generator, n: int, n_merges: int) -> tuple[np.ndarray, np.ndarray, dict[int, list[int]]]:
    """A linkage of random merges, its labels in order of the smallest sample, and the samples of every node."""
    members = {i: [i] for i in range(n)}
    alive, rows = list(range(n)), []
    for node in range(n, n + n_merges):
        left, right = (alive.pop(int(rng.integers(len(alive)))) for _ in range(2))
        members[node] = members[left] + members[right]
        alive.append(node)
        rows.append([left, right, float(node), len(members[node])])
    labels = np.empty(n, dtype=np.int64)
    for label, node in enumerate(sorted(alive, key=lambda node: min(members[node]))):
        labels[members[node]] = label
    return np.array(rows, dtype=np.float64).reshape(-1, 4), labels, members


def most_frequent(pids: list[int]) -> int | None:
    known = Counter(p for p in pids if p > 0)
    return min(known, key=lambda p: (-known[p], p)) if known else None


@pytest.mark.parametrize("seed", range(8))
def test_rows_equal_loops_over_members_and_merges(seed: int) -> None:
    rng = np.random.default_rng(seed)
    linkage, labels, members = merged(rng, 40, int(rng.integers(0, 39)))
    pid = rng.integers(-2, 5, 40).astype(np.int32)
    features = rng.standard_normal((40, 6)).astype(np.float32)
    report = report_clusters(features, labels, linkage, pid, np.arange(labels.max() + 1) + 7)
    joins = Counter[int]()
    for left, right in linkage[:, :2].astype(int).tolist():
        sides = [most_frequent(pid[members[node]].tolist()) for node in (left, right)]
        joins[int(labels[members[left][0]])] += None not in sides and sides[0] != sides[1]
    for row in report.clusters:
        own = np.flatnonzero(labels == row.cluster)
        known = Counter(p for p in pid[own].tolist() if p > 0)
        assert (row.size, row.individual) == (len(own), row.cluster + 7)
        assert row.identity == most_frequent(pid[own].tolist())
        assert row.n_identities == len(known)
        assert row.n_wrong == known.total() - max(known.values(), default=0)
        assert row.purity == (pytest.approx(max(known.values()) / known.total()) if known else None)
        assert row.n_joins == joins[row.cluster]
        distances = [np.square(features[a].astype(float) - features[b]).sum() for a, b in permutations(own, 2)]
        assert row.spread == pytest.approx(np.mean(distances) if distances else 0.0, abs=1e-9)
    assert sum(row.n_samples for row in report.by_size) == 40
    for size in report.by_size:
        inside = [row for row in report.clusters if size.smallest <= row.size <= size.largest]
        assert size.n_clusters == len(inside)
        assert size.n_mixed == sum(bool(row.n_wrong) for row in inside)
    for split in report.split:
        held = labels[pid == split.identity]
        assert (split.n_samples, split.n_clusters) == (len(held), len(set(held.tolist())))
        assert split.largest_share == max(Counter(held.tolist()).values()) / len(held)
    split_pids = {p for p in set(pid.tolist()) if p > 0 and len(set(labels[pid == p].tolist())) > 1}
    assert {row.identity for row in report.split} == split_pids


def test_a_chain_is_as_deep_as_long_and_a_balanced_tree_is_not() -> None:
    labels, pid = np.array([0, 0, 0, 0, 1, 1, 1, 1]), np.array([1, 1, 1, 2, 3, 3, 4, 4], dtype=np.int32)
    chain = [[0, 1, 1, 2], [8, 2, 2, 3], [9, 3, 3, 4]]
    pairs = [[4, 5, 4, 2], [6, 7, 5, 2], [11, 12, 6, 4]]
    linkage = np.array(chain + pairs, dtype=np.float64)
    trees = cluster_trees(linkage, labels, pid)
    assert trees.depth.tolist() == [3, 2]
    assert trees.n_joins.tolist() == [1, 1]
    assert trees.last_joins.tolist() == [True, True]
    report = report_clusters(np.eye(8, dtype=np.float32), labels, linkage, pid, np.arange(2))
    assert [row.cluster for row in report.chained()] == [0]


def test_of_clusters_that_no_merges_made_nothing_is_said_of_merges() -> None:
    labels, pid = np.array([0, 0, 0, 0, 1]), np.array([1, 1, 2, 2, 2], dtype=np.int32)
    report = report_clusters(np.eye(5, dtype=np.float32), labels, np.empty((0, 4)), pid, np.arange(2))
    summary = report.summary(most=3, identities={1: "a", 2: "b"})
    assert (summary["n_merges"], summary["n_joining_merges"]) == (None, None)
    assert {(row.depth, row.n_joins, row.last_joins) for row in report.clusters} == {(None, None, None)}
    assert not {"joined", "chained", "n_joined", "n_chained"} & set(summary)
    assert summary["n_worst"] == summary["n_split"] == 1


def test_without_identities_sizes_and_spreads_are_reported_alone() -> None:
    linkage, labels, _ = merged(np.random.default_rng(1), 20, 12)
    features = np.random.default_rng(2).standard_normal((20, 4)).astype(np.float32)
    report = report_clusters(features, labels, linkage, np.full(20, -2, dtype=np.int32), np.arange(8))
    summary = report.summary(most=3, identities={})
    assert summary["n_joining_merges"] is None
    assert not {"worst", "split", "joined"} & set(summary)
    assert summary["loosest"][0]["spread"] >= summary["tightest"][0]["spread"]
    assert {row["purity"] for row in summary["by_size"]} == {None}
    assert len(summary["largest"]) == 3


def test_wrong_members_alone_are_framed_in_red_on_the_sheet() -> None:
    green = (10, 200, 30)
    images = np.full((3, 20, 10, 3), green, dtype=np.uint8)
    rows = [
        SheetRow(["one"], images, np.array([False, True, False])),
        SheetRow(["two"], images[:1], np.array([False])),
    ]
    sheet = np.asarray(contact_sheet(rows))
    red = (sheet == WRONG).all(axis=2)
    assert red[: len(sheet) // 2].any()
    assert not red[len(sheet) // 2 :].any()
    assert (sheet == green).all(axis=2).sum() == 4 * 96 * 48
    named = [SheetRow(["one"], images[:1], np.array([False]), [["1: 0.29", "ind. 35"]])]
    without = contact_sheet([SheetRow(["one"], images[:1], np.array([False]))])
    assert contact_sheet(named).height > without.height + 20
