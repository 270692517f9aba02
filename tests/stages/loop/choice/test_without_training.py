"""Merging alone: the stages are those that single merges give, however a merge is asked for."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sklearn.metrics import silhouette_samples

from schemas.parameters import MergeParameters
from stages.loop.choice.without_training import merging_alone
from stages.merge import dispersion_linkage, labels_of_linkage
from stages.typing import Float32Array


def drawn(seed: int, n: int = 30) -> Float32Array:
    rows = np.random.default_rng(seed).normal(size=(n, 5))
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


@pytest.mark.parametrize("seed", range(3))
def test_exact_stages_cut_the_whole_tree_at_their_number_of_clusters(seed: int) -> None:
    features = drawn(seed)
    linkage = dispersion_linkage(features, lambda_=0.1, intra_normalizer="n")
    parameters = MergeParameters(merge_percent=0.2, update="exact", start="previous", intra_normalizer="n")
    measures = merging_alone(features, parameters, n_stages=3, sampling_seed=0)
    assert [(stage.stage, stage.n_clusters) for stage in measures] == [(1, 24), (2, 18), (3, 12)]
    for stage in measures:
        labels = labels_of_linkage(linkage[: 30 - stage.n_clusters], 30)
        oracle = silhouette_samples(features, labels, metric="cosine")
        wanted = np.mean([oracle[labels == label].mean() for label in np.unique(labels)])
        assert stage.cluster_silhouette == pytest.approx(wanted, abs=1e-5)


@pytest.mark.parametrize(
    "asked",
    [
        {"criterion": "buc"},
        {"metric": "cosine", "update": "union"},
        {"metric": "jaccard", "k1": 5, "k2": 2},
        {"lambda_": 3.0},
        {"intra_normalizer": "n", "lambda_": 3.0},
    ],
)
def test_every_parameter_of_a_merge_counts(asked: dict[str, Any]) -> None:
    features = drawn(7, n=60)
    plain, other = (
        merging_alone(features, MergeParameters(merge_percent=0.2, **fields), n_stages=3, sampling_seed=0)
        for fields in ({}, asked)
    )
    assert [stage.n_clusters for stage in plain] == [stage.n_clusters for stage in other] == [48, 36, 24]
    assert [stage.silhouette for stage in plain] != [stage.silhouette for stage in other]


def test_it_ends_where_nothing_is_left_to_merge_and_makes_nothing_of_too_few() -> None:
    measures = merging_alone(drawn(1, n=10), MergeParameters(merge_percent=0.3), n_stages=9, sampling_seed=0)
    assert [stage.n_clusters for stage in measures] == [7, 4, 1]
    assert merging_alone(drawn(1, n=10), MergeParameters(merge_percent=0.05), n_stages=3, sampling_seed=0) == []
