"""Other ways to cluster: FINCH against its equation in plain loops, DBSCAN and HDBSCAN against dense distances."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from sklearn.cluster import DBSCAN

from schemas.choices import Clusterer, words_of
from schemas.parameters import MergeParameters
from stages.merge.clusterers.finch import finch_partitions
from stages.merge.clustering import Task, cluster_as, with_singletons
from stages.merge.jaccard.similarities import jaccard_similarities
from stages.typing import Float32Array, Int64Array

METHODS = ["dbscan", "hdbscan", "finch"]
"""Those that know features alone."""


def mixture(seed: int, *, n_identities: int = 9, size: int = 7, spread: float = 0.4) -> Float32Array:
    generator = np.random.default_rng(seed)
    rows = generator.normal(size=(n_identities, 10)).repeat(size, axis=0)
    rows += spread * generator.normal(size=rows.shape)
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def plain_finch(rows: Float32Array) -> list[Int64Array]:
    """Eq. (1) of the paper by loops: an adjacency matrix, its components by flooding, and the same of cluster means."""
    labels, partitions, level = list(range(len(rows))), [], rows.astype(np.float64)
    while len(level) > 2:
        n = len(level)
        first = [max((j for j in range(n) if j != i), key=lambda j: (level[i] @ level[j], -j)) for i in range(n)]
        linked = [[first[i] == j or first[j] == i or first[i] == first[j] for j in range(n)] for i in range(n)]
        component, n_components = [-1] * n, 0
        for i in range(n):
            if component[i] < 0:
                waiting = [i]
                while waiting:
                    at = waiting.pop()
                    component[at] = n_components
                    waiting += [j for j in range(n) if linked[at][j] and component[j] < 0]
                n_components += 1
        if n_components == 1:
            break
        labels = [component[label] for label in labels]
        partitions.append(np.array(labels))
        means = [rows[np.array(labels) == k].astype(np.float64).mean(axis=0) for k in range(n_components)]
        level = np.array([mean / np.linalg.norm(mean) for mean in means])
    return partitions


@pytest.mark.parametrize("seed", range(8))
def test_finch_is_its_equation_by_loops(seed: int) -> None:
    rows = mixture(seed, spread=(0.2, 0.6, 1.5)[seed % 3])
    found, wanted = finch_partitions(rows), plain_finch(rows)
    assert [partition.tolist() for partition in found] == [partition.tolist() for partition in wanted]
    assert len(found) > 1
    for fine, coarse in pairwise(found):
        assert all(len(np.unique(coarse[fine == label])) == 1 for label in np.unique(fine))


def test_finch_takes_the_partition_that_has_as_many_clusters_as_the_schedule() -> None:
    rows = mixture(1)
    partitions, asked = finch_partitions(rows), MergeParameters(clusterer="finch")
    sizes = [int(partition.max()) + 1 for partition in partitions]
    assert sizes == sorted(sizes, reverse=True)
    for n_clusters, wanted in ((len(rows), sizes[0]), (sizes[0], sizes[0]), (sizes[1], sizes[1]), (1, sizes[-1])):
        assert cluster_as(Task(rows, asked, n_clusters=n_clusters)).labels.max() + 1 == wanted


@pytest.mark.parametrize("seed", range(4))
def test_dbscan_on_sparse_distances_is_that_on_dense_ones(seed: int) -> None:
    rows = mixture(seed, spread=0.9)
    rows[3] = rows[4]
    asked = MergeParameters(clusterer="dbscan", eps=0.5, min_samples=3, k1=6, k2=3)
    dense = np.maximum(1 - jaccard_similarities(rows, k1=6, k2=3).toarray(), 0)
    wanted = DBSCAN(eps=0.5, min_samples=3, metric="precomputed").fit(dense).labels_
    assert np.array_equal(cluster_as(Task(rows, asked, n_clusters=1)).labels, with_singletons(wanted.astype(np.int64)))


@pytest.mark.parametrize("method", METHODS)
def test_well_separated_identities_are_found_and_reordering_samples_changes_nothing(method: str) -> None:
    rows, truth = mixture(5, spread=0.05), np.arange(9).repeat(7)
    asked = MergeParameters(clusterer=method, k1=6, k2=3)
    found = cluster_as(Task(rows, asked, n_clusters=9))
    # FINCH joins first neighbours, and so finds parts of identities first
    assert all(len(np.unique(truth[found.labels == label])) == 1 for label in found.labels)
    assert method == "finch" or np.array_equal(found.labels, truth)
    order = np.random.default_rng(0).permutation(len(rows))
    again = cluster_as(Task(rows[order], asked, n_clusters=9)).labels
    assert np.array_equal(with_singletons(found.labels[order]), again)
    assert [len(found.merges), len(found.distance), len(found.sizes)] == [0, 0, 0]


@pytest.mark.parametrize("method", ["dbscan", "hdbscan"])
@pytest.mark.parametrize("n_samples", [1, 3, 8])
def test_fewer_samples_than_a_cluster_has_are_all_outliers(method: str, n_samples: int) -> None:
    asked = MergeParameters(clusterer=method, min_samples=9)
    found = cluster_as(Task(mixture(0)[:n_samples], asked, n_clusters=1))
    assert found.labels.tolist() == list(range(n_samples))


def test_outliers_are_clusters_of_their_own_in_order_of_samples() -> None:
    assert with_singletons(np.array([-1, 1, -1, 0, 1])).tolist() == [0, 1, 2, 3, 1]
    assert with_singletons(np.array([-1, -1])).tolist() == [0, 1]


def test_every_method_is_a_file_of_its_name() -> None:
    import stages.merge.clusterers

    folder = Path(str(stages.merge.clusterers.__file__)).parent
    named = [name for name in words_of(Clusterer) if name != "dbc"]
    assert sorted(named) == sorted(path.stem for path in folder.glob("*.py") if path.stem != "__init__")
