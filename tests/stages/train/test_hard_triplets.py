"""The batch-hard triplet loss by plain loops, and batches with several images of a class."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from stages.nn.hard_triplets import batch_hard_triplet_loss
from stages.train.training_schedule import balanced_order
from tests.tiny_training import tiny_model, trained


@pytest.mark.parametrize("seed", range(8))
def test_the_loss_is_that_of_plain_loops(seed: int) -> None:
    generator = np.random.default_rng(seed)
    features, labels = generator.normal(size=(12, 4)), generator.integers(0, 2 + seed, 12)
    losses = []
    for i in range(12):
        distance = np.linalg.norm(features - features[i], axis=1)
        own = [distance[j] for j in range(12) if labels[j] == labels[i] and j != i]
        others = [distance[j] for j in range(12) if labels[j] != labels[i]]
        if own and others:
            losses.append(max(0.0, max(own) - min(others) + 0.3))
    found = batch_hard_triplet_loss(torch.from_numpy(features), torch.from_numpy(labels))
    assert found.item() == pytest.approx(np.mean(losses) if losses else 0, abs=1e-5)


def test_without_triplets_loss_and_gradient_are_nought() -> None:
    features = torch.randn(4, 3, generator=torch.Generator().manual_seed(0), requires_grad=True)
    for labels in (torch.arange(4), torch.zeros(4, dtype=torch.int64)):
        features.grad = None
        loss = batch_hard_triplet_loss(features, labels)
        loss.backward()
        assert loss.item() == 0
        assert features.grad is not None
        assert bool(features.grad.isfinite().all())
        assert features.grad.abs().max() == 0


@pytest.mark.parametrize("seed", range(5))
def test_images_of_a_class_follow_each_other(seed: int) -> None:
    labels = np.random.default_rng(seed).integers(0, 6, 50)
    labels = np.unique(labels, return_inverse=True)[1]
    order = balanced_order(labels, per_class=4, generator=torch.Generator().manual_seed(seed)).numpy()
    assert len(order) == 50
    assert all(len(set(labels[order[start : start + 4]])) == 1 for start in range(0, 50, 4))
    full = [order[start : start + 4] for start in range(0, 48, 4)]
    assert sum(len(set(group.tolist())) == 4 for group in full) >= len(full) - 6


def test_training_with_triplets_learns_and_differs() -> None:
    labels = np.arange(40) % 10
    options = {"epochs": 60, "loss": "softmax", "learning_rate": 0.01}
    plain, hard = (trained(tiny_model(), labels, triplet=weight, **options) for weight in (0, 1))
    assert (plain.loss != hard.loss).all()
    assert hard.loss[-10:].mean() < 0.7 * hard.loss[:10].mean()
