"""Nearest neighbours against a full exact sort, in every array library, whatever the block."""

from __future__ import annotations

import math

import array_api_strict
import numpy as np
import pytest

from stages.arrays import similarity
from stages.arrays.neighbours import nearest_neighbours
from stages.errors import DbcError


def unit_rows(rng: np.random.Generator, n: int, dim: int) -> np.ndarray:
    rows = rng.standard_normal((n, dim))
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def plain_neighbours(features: np.ndarray, k: int) -> tuple[list[list[int]], list[float]]:
    """Indices by (not itself, distance, index), and the farthest distance; fsum rounds once, of exact products."""
    rounded = np.rint(features.astype(np.float64) * 2**26) / 2**26
    order, farthest = [], []
    for i, x in enumerate(rounded):
        distance = [2 - 2 * math.fsum((x * y).tolist()) for y in rounded]
        order.append(sorted(range(len(rounded)), key=lambda j: (j != i, distance[j], j))[:k])
        farthest.append(max(distance))
    return order, farthest


@pytest.mark.parametrize("copies", [1, 3, 40])
@pytest.mark.parametrize("block_bytes", [1, 1000, 2**26])
def test_neighbours_equal_a_full_sort_also_among_copies(copies: int, block_bytes: int) -> None:
    rng = np.random.default_rng(copies)
    features = np.repeat(unit_rows(rng, 40 // copies, 24), copies, axis=0)[rng.permutation(40 // copies * copies)]
    found = nearest_neighbours(features, 7, block_bytes=block_bytes)
    order, farthest = plain_neighbours(features, 7)
    assert found.index.tolist() == order
    np.testing.assert_array_equal(found.farthest, farthest)
    inner = np.einsum("id,ikd->ik", features.astype(float), features.astype(float)[found.index])
    np.testing.assert_allclose(found.squared_distance, 2 - 2 * inner, atol=1e-6)


def test_near_ties_that_float32_cannot_tell_are_ranked_exactly() -> None:
    rng = np.random.default_rng(3)
    features = unit_rows(rng, 10, 512).astype(np.float64).repeat(8, axis=0)
    features += 1e-7 * rng.standard_normal(features.shape)
    features = (features / np.linalg.norm(features, axis=1, keepdims=True)).astype(np.float32)
    assert nearest_neighbours(features, 12).index.tolist() == plain_neighbours(features, 12)[0]


def test_another_array_library_gives_the_same_bits() -> None:
    features = unit_rows(np.random.default_rng(4), 60, 16)
    here, there = nearest_neighbours(features, 9), nearest_neighbours(array_api_strict.asarray(features), 9)
    np.testing.assert_array_equal(there.index, here.index)
    np.testing.assert_array_equal(there.squared_distance, here.squared_distance)
    np.testing.assert_array_equal(there.farthest, here.farthest)


def test_compiled_and_gathered_similarities_are_the_same_bits(monkeypatch: pytest.MonkeyPatch) -> None:
    features = unit_rows(np.random.default_rng(5), 50, 129)
    row, column = np.divmod(np.arange(2500), 50)
    gathered = similarity.exact_similarity_of_pairs(features, features, row, column)
    monkeypatch.setattr(similarity, "COMPILED_PAIRS", 0)
    compiled = similarity.exact_similarity_of_pairs(features, features, row, column)
    np.testing.assert_array_equal(compiled, gathered)
    np.testing.assert_array_equal(similarity.exact_similarity(features, features).ravel(), gathered)


def test_the_bound_on_a_float32_product_holds() -> None:
    rng = np.random.default_rng(6)
    for dim in (1, 2, 64, 2048):
        left, right = unit_rows(rng, 40, dim), unit_rows(rng, 300, dim)
        right[:40] = left
        error = np.abs(left @ right.T - similarity.exact_similarity(left, right)).max()
        assert error <= similarity.product_error(dim) < similarity.screen_margin(np.zeros(0), dim)


def test_one_sample_is_its_own_neighbour_and_none_are_no_error() -> None:
    one = nearest_neighbours(np.array([[1.0, 0.0]], dtype=np.float32), 5)
    assert one.index.tolist() == [[0]]
    assert one.farthest.tolist() == [0.0]
    assert nearest_neighbours(np.zeros((0, 4), dtype=np.float32), 5).index.shape == (0, 0)
    with pytest.raises(DbcError, match="at least 1"):
        nearest_neighbours(np.zeros((2, 4), dtype=np.float32), 0)
