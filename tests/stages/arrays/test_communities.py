"""Communities by the map equation, against its formula over all partitions of small graphs."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import coo_array

from stages.arrays.communities import code_length, communities
from stages.arrays.partition import relabel
from stages.typing import Float64Array, Int64Array


def plain_bits(links: Int64Array, weight: Float64Array, labels: Int64Array) -> float:
    """The two-level map equation as H(Q) q + Σ H(P_i) p_i (Rosvall and Bergstrom 2008, eq. 1), and no terms left out."""
    at = np.zeros(len(labels))
    for (first, second), one in zip(links, weight / (2 * weight.sum()), strict=True):
        at[first] += one
        at[second] += one
    names = np.unique(labels)
    leaves = np.array(
        [
            sum(
                one / (2 * weight.sum())
                for (first, second), one in zip(links, weight, strict=True)
                if (labels[first] == name) != (labels[second] == name)
            )
            for name in names
        ]
    )
    bits = leaves.sum() * entropy(leaves)
    for name, left in zip(names, leaves, strict=True):
        words = np.array([left, *at[labels == name]])
        bits += words.sum() * entropy(words)
    return float(bits)


def entropy(weight: Float64Array) -> float:
    share = weight[weight > 0] / max(weight.sum(), 1e-300)
    return float(-(share * np.log2(share)).sum())


def partitions(n: int) -> Iterator[Int64Array]:
    """All partitions of n nodes, as growth strings."""

    def grow(so_far: list[int]) -> Iterator[Int64Array]:
        if len(so_far) == n:
            yield np.array(so_far)
            return
        for label in range(max(so_far) + 2):
            yield from grow([*so_far, label])

    yield from grow([0])


def drawn_graph(n: int, share: float, seed: int) -> tuple[Int64Array, Float64Array]:
    generator = np.random.default_rng(seed)
    pairs = np.stack(np.triu_indices(n, 1), axis=1)
    links = pairs[generator.random(len(pairs)) < share]
    return links.astype(np.int64), generator.uniform(0.1, 1, len(links))


def planted(
    n_groups: int, size: int, *, inside: float, outside: float, seed: int
) -> tuple[Int64Array, Float64Array, Int64Array]:
    generator = np.random.default_rng(seed)
    group = np.arange(n_groups).repeat(size)
    pairs = np.stack(np.triu_indices(len(group), 1), axis=1).astype(np.int64)
    chance = np.where(group[pairs[:, 0]] == group[pairs[:, 1]], inside, outside)
    links = pairs[generator.random(len(pairs)) < chance]
    return links, generator.uniform(0.5, 1, len(links)), group


@given(n=st.integers(2, 6), share=st.floats(0.2, 1), seed=st.integers(0, 10_000))
@settings(max_examples=30, deadline=None)
def test_no_move_of_a_node_saves_bits_and_few_partitions_take_fewer(n: int, share: float, seed: int) -> None:
    links, weight = drawn_graph(n, share, seed)
    if not len(links):
        return
    found = communities(n, links, weight)
    linked = np.unique(links)
    bits = plain_bits(links, weight, found)
    for node in linked:
        for name in range(n):
            moved = found.copy()
            moved[node] = name
            assert plain_bits(links, weight, moved) > bits - 1e-9
    of_all = sorted(plain_bits(links, weight, each) for each in partitions(n))
    assert bits < of_all[0] + 0.1
    assert bits <= plain_bits(links, weight, np.arange(n)) + 1e-9


@given(n=st.integers(3, 9), seed=st.integers(0, 10_000))
@settings(max_examples=30, deadline=None)
def test_differences_of_the_code_length_are_those_of_the_plain_formula(n: int, seed: int) -> None:
    links, weight = drawn_graph(n, 0.7, seed)
    if not len(links):
        return
    both = np.concatenate([links, links[:, ::-1]])
    graph = coo_array((np.tile(weight, 2) / (2 * weight.sum()), both.T), shape=(n, n)).tocsr()
    flow = graph.sum(axis=0)
    generator = np.random.default_rng(seed)
    labels = [relabel(generator.integers(0, k, n)) for k in (1, 2, n)]
    ours = [code_length(graph, flow, each) for each in labels]
    plain = [plain_bits(links, weight, each) for each in labels]
    assert [b - a for a, b in pairwise(ours)] == pytest.approx([b - a for a, b in pairwise(plain)], abs=1e-9)


def test_planted_groups_are_found_in_whatever_order_nodes_are_given() -> None:
    links, weight, group = planted(12, 15, inside=0.6, outside=0.02, seed=0)
    found = communities(len(group), links, weight)
    np.testing.assert_array_equal(found, group)
    order = np.random.default_rng(1).permutation(len(group))
    place = np.argsort(order)
    ends = place[links]
    shuffled = communities(len(group), ends, weight)
    np.testing.assert_array_equal(relabel(shuffled[place]), found)


def test_nodes_without_links_are_alone_and_parts_of_a_graph_apart() -> None:
    links = np.array([[0, 1], [1, 2], [0, 2], [4, 5]])
    found = communities(7, links, np.ones(4))
    np.testing.assert_array_equal(found, [0, 0, 0, 1, 2, 2, 3])
    np.testing.assert_array_equal(communities(3, np.empty((0, 2), dtype=np.int64), np.empty(0)), [0, 1, 2])
