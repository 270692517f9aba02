"""Clusters corrected by answers keep to them, and change no more than answers ask for."""

import numpy as np
import pytest
from plain_constraints import random_constraints

from stages.arrays.partition import relabel
from stages.merge.corrected import corrected
from stages.merge.selection.links import PairConstraints
from tests.reference.published import merge_stage


def pairs(values):
    return np.array(values, dtype=np.int64).reshape(-1, 2)


def by_features(features):
    def merge_anew(members, constraints):
        singles = np.arange(len(members))
        return merge_stage(features[members], singles, len(members) - 1, update="exact", constraints=constraints).labels

    return merge_anew


def test_different_parts_a_cluster_by_its_features_and_same_joins_whole_clusters():
    features = np.array([0, 0.1, 5, 5.1, 9, 9.1, 20, 21])[:, None]
    labels = np.array([0, 0, 0, 0, 1, 1, 2, 3])
    told = PairConstraints(pairs([(3, 4)]), pairs([(1, 3)]))
    assert corrected(labels, told, by_features(features)).tolist() == [0, 0, 1, 1, 1, 1, 2, 3]


def test_a_join_that_brings_two_individuals_together_is_merged_anew():
    features = np.array([0, 1, 10, 11])[:, None]
    # 0 = 2, and 1 ≠ 3: the clusters 01 and 23 cannot become one as they are
    found = corrected(np.array([0, 0, 1, 1]), PairConstraints(pairs([(0, 2)]), pairs([(1, 3)])), by_features(features))
    assert found[0] == found[2]
    assert found[1] != found[3]


@pytest.mark.parametrize("seed", range(25))
def test_answers_are_kept_and_clusters_without_answers_stay(seed):
    rng = np.random.default_rng(seed)
    features = rng.standard_normal((40, 3))
    truth = relabel(rng.integers(0, 8, 40))
    same, different, _ = random_constraints(rng, truth, n_same=int(rng.integers(0, 12)), n_different=12)
    labels = relabel(rng.integers(0, 10, 40))
    told = PairConstraints(pairs(same), pairs(different))
    found = corrected(labels, told, by_features(features))
    assert all(found[i] == found[j] for i, j in same)
    assert all(found[i] != found[j] for i, j in different)
    assert sorted(set(found.tolist())) == list(range(found.max() + 1))
    asked = set(labels[pairs(same).ravel()].tolist()) | set(labels[pairs(different).ravel()].tolist())
    for cluster in set(labels.tolist()) - asked:
        assert len(set(found[labels == cluster].tolist())) == 1
        assert (found == found[labels == cluster][0]).sum() == (labels == cluster).sum()


def test_without_answers_nothing_changes():
    labels = relabel(np.random.default_rng(0).integers(0, 5, 20))
    np.testing.assert_array_equal(
        corrected(labels, PairConstraints(), lambda *_: pytest.fail("nothing to merge")), labels
    )
