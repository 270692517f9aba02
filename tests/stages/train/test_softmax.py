"""Training by a classifier: its loss by the formula, its first step, what it learns, and exclusive classes beside it."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from pydantic import ValidationError

from stages.nn.classifier import new_classifier, with_exclusive
from stages.nn.cross_entropy import softmax_loss
from tests.tiny_training import CPU, Kept, tiny_model, tiny_parameters, trained


def test_the_loss_is_minus_the_log_of_the_own_class() -> None:
    logits = torch.tensor([[2.0, 0.0, -1.0], [0.5, 0.5, 3.0]], requires_grad=True)
    loss, accuracy = softmax_loss(logits, torch.tensor([0, 1]))
    by_hand = [
        -math.log(math.exp(row[label]) / sum(map(math.exp, row)))
        for row, label in zip(logits.tolist(), (0, 1), strict=True)
    ]
    assert loss.item() == pytest.approx(sum(by_hand) / 2)
    assert float(accuracy) == 0.5
    loss.backward()
    assert logits.grad is not None
    assert logits.grad.sum().item() == pytest.approx(0, abs=1e-6)


def test_the_first_weights_come_from_the_seed_alone() -> None:
    torch.manual_seed(5)
    first = new_classifier(8, 3, seed=1, device=CPU)
    torch.manual_seed(6)
    again, other = (new_classifier(8, 3, seed=seed, device=CPU) for seed in (1, 2))
    assert torch.equal(first.weight, again.weight)
    assert not torch.equal(first.weight, other.weight)
    assert first.bias.abs().max() == 0


def test_it_begins_at_the_log_of_the_number_of_classes_and_learns_them() -> None:
    labels = np.arange(40) % 10
    result = trained(tiny_model(), labels, epochs=30, loss="softmax")
    assert result.loss[0] == pytest.approx(math.log(10), abs=0.05)
    assert float(result.accuracy[-5:].mean()) > 0.9
    assert result.lookup_table.shape == (10, 32)


def test_exclusive_classes_weigh_a_fifth_beside_the_classifier() -> None:
    chance = np.random.default_rng(0)
    logits, table = chance.normal(size=(3, 4)), chance.normal(size=(6, 5))
    embedding = chance.normal(size=(2, 5))
    labels, rows = [3, 0, 1], [5, 2]

    def minus_log(scores: list[float], own: int) -> float:
        return -math.log(math.exp(scores[own]) / sum(math.exp(score) for score in scores))

    classified = [minus_log(list(scores), label) for scores, label in zip(logits, labels, strict=True)]
    apart = [minus_log([10 * float(v @ row) for row in table], own) for v, own in zip(embedding, rows, strict=True)]
    loss = with_exclusive(
        softmax_loss(torch.tensor(logits), torch.tensor(labels), None)[0],
        torch.tensor(embedding),
        torch.tensor(table),
        torch.tensor(rows),
        temperature=0.1,
    )
    assert loss.item() == pytest.approx(0.8 * sum(classified) / 3 + 0.2 * sum(apart) / 2, rel=1e-9)


def test_samples_without_a_class_are_told_apart_beside_the_others() -> None:
    labels = np.array([*np.arange(20) % 5, *(-1 - np.arange(7))])
    kept = Kept(steps={1})
    options = {"checkpoints": kept}
    result = trained(tiny_model(), labels, epochs=10, loss="softmax", exclusive=True, options=options)
    # the loss that is told is that of the classes
    assert result.loss[0] == pytest.approx(math.log(5), abs=0.02)
    assert np.linalg.norm(kept.states[1]["memory"], axis=1) == pytest.approx(np.ones(7), abs=1e-5)
    assert result.loss[-3:].mean() < 0.7 * result.loss[0]
    assert (result.lookup_table.shape, len(result.loss)) == ((5, 32), 10 * 3)


def test_a_classifier_trains_no_whitened_features() -> None:
    with pytest.raises(ValidationError, match="`loss='softmax'` needs `whiten=0`"):
        tiny_parameters(loss="softmax", whiten=3.0)
