"""The look-up table against the sequential rule and the repelled loss against its written-out formula."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from stages.nn.lookup_table import centroid_table, occurrence_number, repelled_loss, update_table, zero_table


def _updated_one_by_one(table: Tensor, embedding: Tensor, labels: Tensor, momentum: float = 0.5) -> Tensor:
    table = table.clone()
    for vector, label in zip(embedding, labels.tolist(), strict=True):
        moved = momentum * table[label] + (1 - momentum) * vector
        table[label] = moved / max(float(moved.norm()), 1e-12)
    return table


@given(labels=st.lists(st.integers(0, 4), max_size=12), seed=st.integers(0, 1000))
def test_update_equals_the_sequential_rule_when_clusters_repeat(labels: list[int], seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    table = torch.randn(5, 7, generator=generator)
    embedding = torch.randn(len(labels), 7, generator=generator)
    target = torch.tensor(labels, dtype=torch.int64)
    expected = _updated_one_by_one(table, embedding, target)
    update_table(table, embedding, target)
    torch.testing.assert_close(table, expected, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("momentum", [0.0, 0.1, 0.8])
def test_momentum_is_the_share_of_a_centroid_that_stays(momentum: float) -> None:
    generator = torch.Generator().manual_seed(2)
    table, embedding = torch.randn(3, 7, generator=generator), torch.randn(5, 7, generator=generator)
    target = torch.tensor([0, 1, 0, 0, 2])
    expected = _updated_one_by_one(table, embedding, target, momentum)
    update_table(table, embedding, target, momentum=momentum)
    torch.testing.assert_close(table, expected, rtol=1e-6, atol=1e-7)


def test_update_depends_on_batch_order_and_leaves_other_rows_alone() -> None:
    table, embedding = torch.eye(3), torch.eye(3)[[1, 2]]
    one, other = table.clone(), table.clone()
    update_table(one, embedding, torch.tensor([0, 0]))
    update_table(other, embedding.flip(0), torch.tensor([0, 0]))
    assert not torch.allclose(one[0], other[0])
    assert torch.equal(one[1:], table[1:])


def test_an_empty_row_becomes_the_first_embedding_it_meets() -> None:
    table = torch.from_numpy(zero_table(4, 3))
    update_table(table, torch.tensor([[0.0, 3.0, 4.0]]), torch.tensor([2]))
    assert table[2].tolist() == pytest.approx([0, 0.6, 0.8])


@given(st.lists(st.integers(0, 6), max_size=30))
def test_occurrence_number_counts_earlier_equal_entries(labels: list[int]) -> None:
    expected = [labels[:i].count(label) for i, label in enumerate(labels)]
    assert occurrence_number(torch.tensor(labels, dtype=torch.int64)).tolist() == expected


def test_repelled_loss_and_its_gradient_equal_the_written_out_formula() -> None:
    generator = torch.Generator().manual_seed(3)
    table = torch.randn(6, 5, dtype=torch.float64, generator=generator)
    embedding = torch.randn(4, 5, dtype=torch.float64, generator=generator).requires_grad_()
    labels, temperature = torch.tensor([2, 0, 2, 5]), 0.1
    loss, accuracy = repelled_loss(embedding, table, labels, temperature=temperature)
    loss.backward()
    V, v = table.numpy(), embedding.detach().numpy()
    expected_loss, expected_gradient, hits = 0.0, np.zeros_like(v), 0
    for i, y in enumerate(labels.tolist()):
        scores = [math.exp(V[j] @ v[i] / temperature) for j in range(6)]
        p = np.array(scores) / sum(scores)
        expected_loss -= math.log(p[y]) / 4
        expected_gradient[i] = (p @ V - V[y]) / temperature / 4
        hits += int(np.argmax(scores) == y)
    assert loss.item() == pytest.approx(expected_loss, rel=1e-12)
    assert float(accuracy) == hits / 4
    np.testing.assert_allclose(embedding.grad, expected_gradient, rtol=1e-9, atol=1e-12)


def test_the_table_takes_no_gradient() -> None:
    table = torch.randn(3, 2, requires_grad=True)
    loss, _ = repelled_loss(torch.randn(2, 2, requires_grad=True), table, torch.tensor([0, 1]), temperature=0.1)
    loss.backward()
    assert table.grad is None


@given(seed=st.integers(0, 1000))
def test_centroid_rows_belong_to_the_labels_they_were_made_from(seed: int) -> None:
    rng = np.random.default_rng(seed)
    labels = rng.permutation(np.concatenate([np.arange(5), rng.integers(0, 5, 12)]))
    embedding = rng.normal(size=(17, 4)).astype(np.float32)
    table = centroid_table(embedding, labels)
    assert table.shape == (5, 4)
    assert table.dtype == np.float32
    for k in range(5):
        mean = np.mean([embedding[i].astype(float) for i in range(17) if labels[i] == k], axis=0)
        np.testing.assert_allclose(table[k], mean / np.linalg.norm(mean), rtol=1e-5)


def test_centroids_of_the_clusters_before_a_merge_would_not_pass_as_those_after() -> None:
    embedding = np.eye(4, dtype=np.float32)
    before, after = np.array([0, 1, 2, 3]), np.array([0, 1, 0, 2])
    table = centroid_table(embedding, after)
    assert not np.allclose(table, centroid_table(embedding, before)[:3])
    assert np.argmax(embedding @ table.T, axis=1).tolist() == after.tolist()


def test_a_mean_of_length_zero_stays_zero() -> None:
    table = centroid_table(np.array([[1.0, 0.0], [-1.0, 0.0]]), np.array([0, 0]))
    assert table.tolist() == [[0.0, 0.0]]
