"""k-reciprocal encodings and Jaccard distances against the paper's sets written as plain loops."""

from __future__ import annotations

import numpy as np
import pytest

from stages.arrays import k_reciprocal
from stages.arrays.k_reciprocal import jaccard_distance, jaccard_similarity, k_reciprocal_encoding
from stages.arrays.neighbours import nearest_neighbours
from stages.errors import DbcError
from tests.reference.plain_k_reciprocal import plain_encoding, plain_jaccard


def mixture(seed: int, n: int = 60, n_identities: int = 8, dim: int = 12) -> np.ndarray:
    rng = np.random.default_rng(seed)
    centre = rng.standard_normal((n_identities, dim))
    rows = centre[rng.integers(0, n_identities, n)] + 0.7 * rng.standard_normal((n, dim))
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


@pytest.mark.parametrize(("k1", "k2"), [(20, 6), (9, 1), (5, 3), (6, 2), (1, 1)])
def test_encodings_and_distances_equal_the_papers_sets(k1: int, k2: int) -> None:
    for seed in range(4):
        features = mixture(seed)
        found = k_reciprocal_encoding(features, nearest_neighbours(features, k1 + 1), k1=k1, k2=k2)
        expected = plain_encoding(features, k1, k2)
        np.testing.assert_allclose(found.toarray(), expected, atol=1e-12)
        np.testing.assert_allclose(
            jaccard_distance(found[:9], found), plain_jaccard(expected[:9], expected), atol=1e-12
        )


def test_copies_and_sets_smaller_than_k1_are_encoded_too() -> None:
    features = np.repeat(mixture(7, n=5), 3, axis=0)
    found = k_reciprocal_encoding(features, nearest_neighbours(features, 21))
    np.testing.assert_allclose(found.toarray(), plain_encoding(features, 20, 6), atol=1e-12)


def test_rows_sum_to_one_and_distances_are_a_symmetric_share() -> None:
    features = mixture(1, n=200)
    encoding = k_reciprocal_encoding(features, nearest_neighbours(features, 21))
    np.testing.assert_allclose(encoding.sum(axis=1), 1.0, atol=1e-12)
    distance = jaccard_distance(encoding, encoding)
    np.testing.assert_array_equal(distance, distance.T)
    assert distance.min() >= 0
    assert distance.max() <= 1
    np.testing.assert_allclose(np.diag(distance), 0, atol=1e-12)
    np.testing.assert_allclose(1 - jaccard_similarity(encoding, encoding).toarray(), distance, atol=1e-15)


def test_blocks_change_no_bit(monkeypatch: pytest.MonkeyPatch) -> None:
    features = mixture(2, n=90)
    neighbours = nearest_neighbours(features, 21)
    whole = k_reciprocal_encoding(features, neighbours)
    distance = jaccard_distance(whole, whole)
    monkeypatch.setattr(k_reciprocal, "ENCODED_ROWS", 7)
    monkeypatch.setattr(k_reciprocal, "OVERLAP_PAIRS", 100)
    np.testing.assert_array_equal(k_reciprocal_encoding(features, neighbours).toarray(), whole.toarray())
    np.testing.assert_array_equal(jaccard_distance(whole, whole), distance)


def test_order_of_the_samples_only_permutes_the_distances() -> None:
    features = mixture(3, n=80)
    order = np.random.default_rng(0).permutation(80)

    def distances(rows: np.ndarray) -> np.ndarray:
        encoding = k_reciprocal_encoding(rows, nearest_neighbours(rows, 21))
        return jaccard_distance(encoding, encoding)

    np.testing.assert_allclose(distances(features[order]), distances(features)[np.ix_(order, order)], atol=1e-12)


def test_too_few_neighbours_are_refused() -> None:
    features = mixture(4)
    neighbours = nearest_neighbours(features, 10)
    with pytest.raises(DbcError, match="need 21 neighbours of each sample, got 10"):
        k_reciprocal_encoding(features, neighbours)
    with pytest.raises(DbcError, match="`k1` and `k2` must be at least 1, got 5 and 0"):
        k_reciprocal_encoding(features, neighbours, k1=5, k2=0)


@pytest.mark.parametrize("n", [0, 1, 2])
def test_hardly_any_samples_have_encodings_too(n: int) -> None:
    features = mixture(4)[:n]
    encoding = k_reciprocal_encoding(features, nearest_neighbours(features, 21))
    np.testing.assert_allclose(encoding.toarray(), plain_encoding(features, 20, 6), atol=1e-12)
