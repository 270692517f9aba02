"""Training by a classifier: its loss by the formula, its first step, and what it learns."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from pydantic import ValidationError

from stages.nn.classifier import new_classifier, softmax_loss
from tests.tiny_training import CPU, tiny_model, tiny_parameters, trained


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


def test_a_classifier_trains_no_whitened_features() -> None:
    with pytest.raises(ValidationError, match="`loss='softmax'` needs `whiten=0`"):
        tiny_parameters(loss="softmax", whiten=3.0)
