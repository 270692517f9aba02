"""Merging by the Jaccard distance of k-reciprocal neighbours against plain loops, and what must not change it."""

import tracemalloc

import numpy as np
import pytest
import torch
from plain_jaccard import plain_jaccard_distances, plain_merges

from stages.arrays.partition import relabel
from stages.errors import DbcError, UsageError
from stages.merge.jaccard.similarities import jaccard_similarities
from stages.merge.memory_model import jaccard_bytes
from tests.pairwise import slow_beyond_pairs
from tests.reference.published import jaccard_merge_stage


def some_features(seed, n=36, dim=5, groups=7):
    generator = np.random.default_rng(seed)
    centres = generator.normal(size=(groups, dim))
    features = centres[generator.integers(groups, size=n)] + 0.4 * generator.normal(size=(n, dim))
    return (features / np.linalg.norm(features, axis=1, keepdims=True)).astype(np.float32)


def some_labels(seed, n, n_clusters):
    generator = np.random.default_rng(seed)
    labels = np.concatenate([np.arange(n_clusters), generator.integers(n_clusters, size=n - n_clusters)])
    return relabel(generator.permutation(labels))


@pytest.mark.parametrize(
    ("update", "lambda_", "normalizer", "n_clusters"),
    slow_beyond_pairs(("stale", "union", "exact"), (0.0, 0.01, 0.3), ("n", "n2"), (36, 15)),
)
def test_every_update_equals_plain_loops(update, lambda_, normalizer, n_clusters):
    features = some_features(0)
    labels = some_labels(1, 36, n_clusters)
    expected, values = plain_merges(
        plain_jaccard_distances(features, 6, 3),
        labels,
        n_clusters - 2,
        lambda_=lambda_,
        update=update,
        normalizer=normalizer,
    )
    found = jaccard_merge_stage(
        features, labels, n_clusters - 2, lambda_=lambda_, update=update, intra_normalizer=normalizer, k1=6, k2=3
    )
    assert found.merges.tolist() == expected.tolist()
    assert np.allclose(found.distance, values, atol=1e-11)
    assert len(np.unique(found.labels)) == 2
    assert np.allclose(found.distance, found.inter + lambda_ * found.intra.sum(axis=1), atol=1e-11)


def test_samples_without_a_shared_neighbour_merge_last_and_in_the_order_of_their_labels():
    features = np.repeat(np.eye(6, dtype=np.float32), 3, axis=0)
    found = jaccard_merge_stage(features, np.arange(18), 15, lambda_=0.0, update="exact", k1=2, k2=1)
    assert found.distance[:12].max() == 0
    assert found.distance[12:].tolist() == [1, 1, 1]
    assert found.merges[12:].tolist() == [[0, 3], [0, 6], [0, 9]]


@pytest.mark.parametrize("update", ["union", "exact"])
def test_the_order_of_the_samples_decides_nothing(update):
    features = some_features(2, n=200, groups=20)
    order = np.random.default_rng(3).permutation(200)
    found = jaccard_merge_stage(features, np.arange(200), 120, update=update, lambda_=0.01, k1=8, k2=3)
    permuted = jaccard_merge_stage(features[order], np.arange(200), 120, update=update, lambda_=0.01, k1=8, k2=3)
    assert found.distance.max() < 1  # pairs without a shared neighbour tie, and labels decide
    assert np.array_equal(found.distance, permuted.distance)
    assert np.array_equal(relabel(found.labels[order]), permuted.labels)


@pytest.mark.parametrize("dtype", ["float16", ">f4", "bfloat16"])
def test_features_of_other_types_merge_as_those_of_float32(dtype):
    saved = torch.tensor(some_features(0)).bfloat16() if dtype == "bfloat16" else some_features(0).astype(dtype)
    as_float32 = saved.float() if dtype == "bfloat16" else saved.astype(np.float32)
    found, expected = (
        jaccard_merge_stage(features, np.arange(36), 20, k1=6, k2=3) for features in (saved, np.asarray(as_float32))
    )
    np.testing.assert_array_equal(found.merges, expected.merges)
    np.testing.assert_array_equal(found.distance, expected.distance)


def test_features_of_whole_numbers_merge():
    features = np.repeat(np.eye(6, dtype=np.int8), 3, axis=0)
    assert jaccard_merge_stage(features, np.arange(18), 12, update="exact", k1=2, k2=1).distance.max() == 0


def test_what_cannot_be_merged_is_refused():
    features = some_features(4)
    with pytest.raises(UsageError, match="`metric='jaccard'` needs `criterion='dbc'`, got `criterion='buc'`"):
        jaccard_merge_stage(features, np.arange(36), 3, criterion="buc")
    with pytest.raises(UsageError, match=r"`camera='penalty'` needs .*, got `metric='jaccard'`"):
        jaccard_merge_stage(features, np.arange(36), 3, camid=np.zeros(36, dtype=np.int32))
    with pytest.raises(DbcError, match="less than the number of clusters, 36, got 36"):
        jaccard_merge_stage(features, np.arange(36), 36)
    with pytest.raises(UsageError, match="`lambda_` must be at least 0 and finite, got -1"):
        jaccard_merge_stage(features, np.arange(36), 3, lambda_=-1)
    with pytest.raises(DbcError, match="row 2 holds NaN or infinity"):
        jaccard_merge_stage(np.where(np.arange(36)[:, None] == 2, np.float32(np.inf), features), np.arange(36), 3)


def test_memory_stays_below_what_the_model_says_and_a_limit_is_kept():
    features, labels = some_features(5, n=900, dim=16, groups=60), np.arange(900)
    similarities = jaccard_similarities(features, k1=20, k2=6)
    needed = jaccard_bytes(n_samples=900, dim=16, k1=20, k2=6, n_similarities=similarities.nnz)
    tracemalloc.start()
    try:
        jaccard_merge_stage(features, labels, 200, update="exact", memory_limit=needed)
        assert tracemalloc.get_traced_memory()[1] < needed
    finally:
        tracemalloc.stop()
    for limit in (needed - 1, 1000):
        with pytest.raises(DbcError, match=r"comparing neighbours of 900 samples takes .* raise `memory_limit`"):
            jaccard_merge_stage(features, labels, 200, memory_limit=limit)


@pytest.mark.parametrize("size", [2, 3, 5])
@pytest.mark.parametrize("update", ["stale", "union", "exact"])
def test_any_number_of_processes_gives_one_partition(by_processes, *, size, update):
    features, labels = some_features(6, n=61, groups=9), some_labels(7, 61, 40)
    options = {"update": update, "lambda_": 0.05, "k1": 6, "k2": 3}
    expected = jaccard_merge_stage(features, labels, 25, **options)
    for result in by_processes(size, features, labels, 25, merge=jaccard_merge_stage, **options):
        for name in ("labels", "merges", "distance", "inter", "intra", "sizes"):
            np.testing.assert_array_equal(getattr(result, name), getattr(expected, name))


def test_a_process_without_samples_finds_what_the_others_do(by_processes):
    features = some_features(8, n=3)
    expected = jaccard_merge_stage(features, np.arange(3), 1, k1=1, k2=1)
    for result in by_processes(4, features, np.arange(3), 1, merge=jaccard_merge_stage, k1=1, k2=1):
        np.testing.assert_array_equal(result.merges, expected.merges)


@pytest.mark.parametrize("update", ["stale", "exact"])
def test_progress_counts_samples_and_merges_up_to_its_total(update):
    told = []
    jaccard_merge_stage(
        some_features(9),
        np.arange(36),
        10,
        update=update,
        k1=6,
        k2=3,
        progress=lambda done, total: told.append((done, total)),
    )
    done = [step for step, _ in told]
    assert {total for _, total in told} == {2 * 36 + 10}
    assert done == sorted(done)
    assert done[0] == 36
    assert done[-1] == 2 * 36 + 10
    assert len(told) == (3 if update == "stale" else 12)


def test_each_process_is_told_of_its_own_samples(by_processes):
    told = []
    options = {"k1": 6, "k2": 3, "progress": lambda done, total: told.append((done, total))}
    by_processes(3, some_features(9), np.arange(36), 10, merge=jaccard_merge_stage, **options)
    assert sorted(told) == sorted([(12, 34), (24, 34), (34, 34)] * 3)
