"""Online instance matching against plain loops, and its queue against a list."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from stages.nn.lookup_table import repelled_loss
from stages.nn.oim import UNLABELLED, CircularQueue, oim_loss

CPU = torch.device("cpu")


def _plain_loss(
    embedding: Tensor, table: Tensor, queue: Tensor, labels: list[int], owners: list[int], temperature: float
) -> float:
    """Eq. (1) of the paper as loops, over the samples that have a class."""
    losses = []
    for x, label in zip(embedding.tolist(), labels, strict=True):
        if label == UNLABELLED:
            continue
        score = [math.exp(sum(a * b for a, b in zip(row, x, strict=True)) / temperature) for row in table.tolist()]
        others = [
            math.exp(sum(a * b for a, b in zip(row, x, strict=True)) / temperature)
            for row, owner in zip(queue.tolist(), owners, strict=True)
            if owner != label
        ]
        losses.append(-math.log(score[label] / (sum(score) + sum(others))))
    return sum(losses) / max(1, len(losses))


def _random(*shape: int, seed: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.nn.functional.normalize(torch.randn(*shape, dtype=torch.float64, generator=generator), dim=1)


@given(
    labels=st.lists(st.integers(-1, 3), min_size=1, max_size=6),
    owners=st.lists(st.integers(-1, 3), max_size=6),
    seed=st.integers(0, 1000),
)
def test_loss_and_gradient_equal_plain_loops(labels: list[int], owners: list[int], seed: int) -> None:
    table, queue = _random(4, 5, seed=seed), _random(len(owners), 5, seed=seed + 1)
    embedding = _random(len(labels), 5, seed=seed + 2).requires_grad_()
    loss, _ = oim_loss(
        embedding,
        table,
        queue,
        torch.tensor(labels),
        torch.tensor(owners, dtype=torch.int64),
        temperature=0.3,
    )
    assert float(loss.detach()) == pytest.approx(
        _plain_loss(embedding.detach(), table, queue, labels, owners, 0.3), abs=1e-12
    )
    loss.backward()
    assert embedding.grad is not None
    step = 1e-6
    for i in range(len(labels)):
        for j in range(5):
            moved = [embedding.detach().clone() for _ in range(2)]
            moved[0][i, j] += step
            moved[1][i, j] -= step
            up, down = (_plain_loss(each, table, queue, labels, owners, 0.3) for each in moved)
            assert float(embedding.grad[i, j]) == pytest.approx((up - down) / (2 * step), abs=1e-6)


def test_without_a_queue_it_is_the_repelled_loss() -> None:
    embedding, table = _random(6, 5, seed=0), _random(4, 5, seed=1)
    labels = torch.tensor([0, 3, 1, 1, 2, 0])
    nothing = torch.zeros(0, dtype=torch.int64)
    found = oim_loss(embedding, table, table[:0], labels, nothing, temperature=0.1)
    assert [float(value) for value in found] == pytest.approx(
        [float(value) for value in repelled_loss(embedding, table, labels, temperature=0.1)]
    )


def test_a_queued_embedding_repels_other_classes_and_not_its_own() -> None:
    table, queue = torch.eye(3), torch.eye(3)[:1]
    embedding, nothing = torch.eye(3)[:1], torch.zeros(0, dtype=torch.int64)
    plain, own, other, stranger = (
        float(oim_loss(embedding, table, features, torch.tensor([0]), owners, temperature=1.0)[0])
        for features, owners in (
            (queue[:0], nothing),
            (queue, torch.tensor([0])),
            (queue, torch.tensor([1])),
            (queue, torch.tensor([UNLABELLED])),
        )
    )
    assert own == plain < other == stranger


def test_accuracy_counts_labelled_samples_and_a_queue_entry_can_win() -> None:
    table, queue = torch.eye(3), torch.tensor([[0.0, 2.0, 0.0]])
    embedding = torch.eye(3)[[0, 1, 2, 0]]
    labels = torch.tensor([0, 1, 2, UNLABELLED])
    _, accuracy = oim_loss(embedding, table, queue, labels, torch.tensor([UNLABELLED]), temperature=1.0)
    assert float(accuracy) == pytest.approx(2 / 3)


def test_no_labelled_sample_gives_zero_that_can_be_propagated() -> None:
    embedding = torch.eye(3).requires_grad_()
    loss, accuracy = oim_loss(
        embedding, torch.eye(3), torch.eye(3)[:0], torch.full((3,), UNLABELLED), torch.zeros(0), temperature=1.0
    )
    loss.backward()  # type: ignore[no-untyped-call]
    assert float(loss.detach()) == float(accuracy) == 0
    assert embedding.grad is not None
    assert not embedding.grad.any()


@given(size=st.integers(0, 5), batches=st.lists(st.integers(0, 7), max_size=6))
def test_the_queue_holds_the_newest_as_a_list_would(size: int, batches: list[int]) -> None:
    queue, pushed = CircularQueue.empty(size, 2, device=CPU), []
    for n_pushed in batches:
        values = list(range(len(pushed), len(pushed) + n_pushed))
        queue.push(torch.tensor([[3.0 * value, 3.0] for value in values]).view(-1, 2), torch.tensor(values).long())
        pushed += values
    features, owners = queue.taken()
    newest = pushed[len(pushed) - min(size, len(pushed)) :]
    assert sorted(owners.tolist()) == newest
    assert (features[:, 0] / features[:, 1]).tolist() == pytest.approx([float(owner) for owner in owners.tolist()])
    assert features.norm(dim=1).tolist() == pytest.approx([1.0] * len(newest))
